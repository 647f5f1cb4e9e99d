"""Several trainings in one job end as each would in a job of its own, and each as soon as it is done."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from hinet_search import api
from hinet_search.common.retry import Notice
from hinet_search.search.plan.plan import PreparedStudy
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.jobs import train as trial
from hinet_search.training.jobs.messages import (
    PartMessage,
    TrainingResult,
    TrainingsJob,
    TrainJob,
)
from hinet_search.training.jobs.train import train_together
from hinet_search.training.trial_config import build_config
from tests.small import STUDY, write_study


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> PreparedStudy:
    folder = tmp_path_factory.mktemp("together")
    return api.ready(str(write_study(folder, STUDY)), LaunchOptions(output=folder / "out"))


def never(part: str = "") -> bool:
    return False


def jobs_of(ready: PreparedStudy, folder: Path, rates: Sequence[float]) -> TrainingsJob:
    """Trials of one small network that differ in rate."""
    space = ready.study.arms[0].space
    values = {**space.values(space.default()), "train.patience": 0, "train.batch_size": 128}
    configs = [
        build_config(ready.study.arms[0].model, {**values, "train.learning_rate": rate})
        for rate in rates
    ]
    jobs = tuple(
        TrainJob(
            ready.dataset.folder, config, seed, "mean_auc", "cpu", folder / f"{seed}.safetensors"
        )
        for seed, config in enumerate(configs)
    )
    return TrainingsJob(jobs, tuple(f"part {rate}" for rate in rates), order_seed=3)


def results(sent: Sequence[PartMessage]) -> dict[str, TrainingResult]:
    return {
        message.part: message.body for message in sent if isinstance(message.body, TrainingResult)
    }


def test_trials_in_one_job_end_as_each_in_a_job_of_its_own(
    ready: PreparedStudy, tmp_path: Path
) -> None:
    together, sent = jobs_of(ready, tmp_path, (1e-3, 3e-3, 1e-2)), []
    train_together(together, sent.append, never)
    for part, job in zip(together.parts, together.jobs, strict=True):
        alone: list[PartMessage] = []
        train_together(TrainingsJob((job,), (part,), 3), alone.append, never)
        value, expected = (results(each)[part].best.objective for each in (sent, alone))
        assert value == pytest.approx(expected, abs=2e-3)


def test_a_part_that_is_stopped_sends_its_result_before_the_others_end(
    ready: PreparedStudy, tmp_path: Path
) -> None:
    together, sent = jobs_of(ready, tmp_path, (1e-3, 3e-3, 1e-2)), []

    def should_stop(part: str = "") -> bool:
        return part == together.parts[1] and any(message.part == part for message in sent)

    train_together(together, sent.append, should_stop)
    stopped = {part: result.stopped for part, result in results(sent).items()}
    assert stopped == {"part 0.003": True, "part 0.001": False, "part 0.01": False}
    assert next(iter(stopped)) == "part 0.003"
    assert not (tmp_path / "1.safetensors").exists()


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (torch.OutOfMemoryError("no room"), "memory is too small for 2 models at once"),
        (
            RuntimeError("stack expects each tensor to be equal size\nsize"),
            "2 models cannot train at once (stack expects each tensor to be equal size)",
        ),
    ],
)
def test_models_that_do_not_fit_at_once_are_trained_one_after_another(
    ready: PreparedStudy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    why: str,
) -> None:
    whole, sizes = trial.fit_all, []

    def fit_all(models: Sequence[Any], *given: Any) -> Any:
        sizes.append(len(models))
        if len(models) > 1:
            raise error
        return whole(models, *given)

    monkeypatch.setattr(trial, "fit_all", fit_all)
    together, sent = jobs_of(ready, tmp_path, (1e-3, 3e-3)), []
    train_together(together, sent.append, never)
    assert sizes == [2, 1, 1]
    assert [str(message.text) for message in sent if isinstance(message, Notice)] == [
        f"{why}: one after another"
    ]
    parts = [message for message in sent if isinstance(message, PartMessage)]
    assert set(results(parts)) == set(together.parts)
