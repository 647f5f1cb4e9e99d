"""A training whose process dies at any named moment resumes and ends bit for bit as without the death."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from hinet_search.common import crash_points
from hinet_search.results.records import EvaluationRecord
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.training import checkpoint
from hinet_search.training.jobs.messages import (
    MetricsOnTest,
    ScoreTestJob,
    TrainingResult,
    TrainJob,
    scores_path,
)
from hinet_search.training.jobs.score import score_test
from hinet_search.training.jobs.train import train
from hinet_search.training.trial_config import build_config
from tests.chaos.deaths import exit_code

OF_OPENING = "after_scores_before_opened"
OF_TRAINING = tuple(
    name for name in (*crash_points.SLOT, *crash_points.CHECKPOINT) if name != OF_OPENING
)
Send = Callable[[object], None]


@pytest.fixture(autouse=True)
def checkpoints_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HINET_SEARCH_CHECKPOINT_SECONDS", "0")
    for share in ("TIME_SHARE", "WRITING_SHARE"):
        monkeypatch.setattr(checkpoint, share, 1e9)  # they may take all the time
    monkeypatch.setattr(checkpoint, "MEMORY_SHARE", 0)  # each is written before training goes on


def job_in(folder: Path, ready: PreparedStudy) -> TrainJob:
    space = ready.study.arms[0].space
    values = {
        **space.values(space.default()),
        "train.batch_size": 256,
        "train.epochs": 0.8,
        "model.dropout": 0.3,
    }
    return TrainJob(
        ready.dataset.folder,
        build_config("shared_bottom", values),
        3,
        "mean_auc",
        "cpu",
        folder / "weights",
        folder / "checkpoints",
    )


def sent(folder: Path, work: Callable[[Send], None], fault: str = "") -> tuple[int | None, list]:
    """How a process that does the work ended, and what it sent before that."""
    path = folder / "sent"
    path.unlink(missing_ok=True)

    def send(body: object) -> None:
        with path.open("ab") as file:
            pickle.dump(body, file)

    code = exit_code(lambda: work(send), fault)
    bodies = []
    if path.exists():
        with path.open("rb") as file:
            while file.peek(1):
                bodies.append(pickle.load(file))
    return code, bodies


def trained(folder: Path, ready: PreparedStudy, fault: str = "") -> tuple[int | None, list]:
    return sent(folder, lambda send: train(job_in(folder, ready), send, lambda: False), fault)


def told(bodies: list) -> tuple[list[EvaluationRecord], EvaluationRecord]:
    """Evaluations and the best of them, without their seconds."""
    evaluations = [
        replace(body, seconds=0.0) for body in bodies if isinstance(body, EvaluationRecord)
    ]
    (outcome,) = [body for body in bodies if isinstance(body, TrainingResult)]
    assert outcome.best is not None
    return evaluations, replace(outcome.best, seconds=0.0)


@pytest.fixture(scope="module")
def whole(ready: PreparedStudy, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list]:
    folder = tmp_path_factory.mktemp("whole")
    code, bodies = trained(folder, ready)
    assert code == 0
    return folder, bodies


@pytest.mark.parametrize("point", OF_TRAINING)
def test_a_training_that_dies_there_resumes_to_the_same_results(
    point: str, ready: PreparedStudy, whole: tuple[Path, list], tmp_path: Path
) -> None:
    code, _ = trained(tmp_path, ready, point)
    assert code == crash_points.EXIT_CODE, "it is passed"
    code, bodies = trained(tmp_path, ready)
    assert code == 0
    assert told(bodies) == told(whole[1])
    expected, actual = load_file(whole[0] / "weights"), load_file(tmp_path / "weights")
    assert {name: tensor.tolist() for name, tensor in actual.items()} == {
        name: tensor.tolist() for name, tensor in expected.items()
    }


def test_a_test_split_that_was_scored_when_the_process_died_is_scored_again(
    ready: PreparedStudy, whole: tuple[Path, list]
) -> None:
    folder = whole[0]
    training = job_in(folder, ready)
    job = ScoreTestJob(training.dataset, training.config, "cpu", folder / "weights")
    first, nothing = sent(folder, lambda send: score_test(job, send, lambda: False), OF_OPENING)
    scored = load_file(scores_path(job.weights))
    code, bodies = sent(folder, lambda send: score_test(job, send, lambda: False))
    again = load_file(scores_path(job.weights))
    assert (first, nothing, code) == (crash_points.EXIT_CODE, [], 0)
    assert [type(body) for body in bodies] == [MetricsOnTest]
    assert all((scored[name] == again[name]).all() for name in ("valid_logits", "test_logits"))
