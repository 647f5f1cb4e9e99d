"""A refit is a training on training and validation rows with the steps that were best before."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_models import CPU, DATA, Linear, Watch, scripted
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from hinet_search import api
from hinet_search.data.columns import Columns, Dataset
from hinet_search.models.layers.batch import Batch
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import EvaluationRecord
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.study.distributions import Value
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.fit import fit
from hinet_search.training.jobs import refit as refit_job
from hinet_search.training.jobs.messages import (
    RefitJob,
    Refitted,
    StoredModel,
    TrainingFailed,
    TrainJob,
    refit_files,
    refit_path,
    scores_path,
)
from hinet_search.training.jobs.refit import refit
from hinet_search.training.jobs.score import read_scores, restore_model
from hinet_search.training.run_state import Conditions, FixedSteps
from hinet_search.training.seeding import seeded_model
from hinet_search.training.step_log import Diverged
from hinet_search.training.teaching import save_teacher
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trial_config import TrialConfig, build_config
from tests.small import STUDY, write_study

SEED = 3
NETWORK, TREES = 0, 1
TRAINING: dict[str, Value] = {
    "train.batch_size": 100,
    "train.learning_rate": 0.01,
    # A fit whose epochs are the length decays faster; tests/training/test_rate_decay.py has decay.
    "train.rate_decay": False,
}


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> PreparedStudy:
    folder = tmp_path_factory.mktemp("refit")
    text = STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: , trees: }")
    return api.ready(str(write_study(folder, text)), LaunchOptions(output=folder / "out"))


def config_of(ready: PreparedStudy, arm: int, **values: Value) -> TrialConfig:
    space = ready.study.arms[arm].space
    more: dict[str, Value] = {"model.max_rounds": 10} if arm == TREES else {"model.dropout": 0.2}
    given = {**space.values(space.default()), **TRAINING, **more, **values}
    return build_config(ready.study.arms[arm].model, given)


def best_at(*, epochs: float, step: int) -> EvaluationRecord:
    return EvaluationRecord(step, epochs, 0.6, 0.5, 1.0, ())


def job_of(
    ready: PreparedStudy,
    config: TrialConfig,
    weights: Path,
    best: EvaluationRecord,
    *,
    teacher: Path | None = None,
    checkpoints: Path | None = None,
) -> RefitJob:
    training = TrainJob(
        ready.dataset.folder,
        config,
        SEED,
        "mean_auc",
        "cpu",
        refit_path(weights),
        checkpoints,
        teacher,
    )
    return RefitJob(training, best)


def run(job: RefitJob, should_stop: Callable[[], bool] = lambda: False) -> list[object]:
    sent: list[object] = []
    refit(job, sent.append, should_stop)
    return sent


def both_splits(dataset: Dataset) -> Columns:
    """Return all rows of train and then all of valid, array by array."""
    valid = dataset.valid.arrays
    train = dataset.train.arrays.items()
    return Columns(**{name: np.array([*array, *valid[name]]) for name, array in train})


def fitted(
    ready: PreparedStudy,
    config: TrialConfig,
    steps: int,
    teacher_RT: NDArray[np.float16] | None = None,
) -> nn.Module:
    """Return a network after so many steps on both splits, by an ordinary `fit`."""
    dataset = replace(ready.dataset, train=both_splits(ready.dataset))
    schema = config.features.schema_of(dataset)
    model = seeded_model(lambda: config.build(schema), SEED)
    assert isinstance(model, nn.Module)
    states: list[dict[str, torch.Tensor]] = []

    class KeepsLast(Watch):
        def on_evaluation(self, record: EvaluationRecord) -> None:
            states.append({name: each.clone() for name, each in model.state_dict().items()})

    steps_per_epoch = -(-dataset.train.num_rows // config.train.batch_size)
    epochs = steps / steps_per_epoch
    length = config.train.model_copy(update={"epochs": epochs, "patience": 0})
    objective = objective_named("mean_auc")
    given = Conditions(dataset, schema, length, SEED, objective, CPU, teacher_RT)
    fit(model, given, KeepsLast())
    model.load_state_dict(states[-1])
    return model


def same_weights(path: Path, model: nn.Module) -> bool:
    stored, expected = load_file(path), model.state_dict()
    return stored.keys() == expected.keys() and all(
        torch.equal(stored[name], tensor) for name, tensor in expected.items()
    )


@pytest.mark.parametrize("protocol", ["mdmt", "per_scenario", "per_task"])
def test_a_refit_equals_a_fit_on_both_splits_with_the_best_number_of_steps(
    ready: PreparedStudy, tmp_path: Path, protocol: str
) -> None:
    config = config_of(ready, NETWORK, **{"model.protocol": protocol})
    steps = 30  # 1.25 epochs of 24 steps; an epoch of both splits has 32
    sent = run(job_of(ready, config, tmp_path / "w.safetensors", best_at(epochs=1.25, step=5)))
    assert ready.dataset.train.num_rows == 2395
    assert sent == [Refitted(steps, 3200)]
    path = refit_path(tmp_path / "w.safetensors")
    assert same_weights(path, fitted(ready, config, steps))
    assert not same_weights(path, fitted(ready, config, steps - 1))


def test_a_refit_of_trees_grows_the_best_number_of_stages_on_both_splits(
    ready: PreparedStudy, tmp_path: Path
) -> None:
    config = config_of(ready, TREES)
    sent = run(job_of(ready, config, tmp_path / "w.safetensors", best_at(epochs=0.6, step=3)))
    assert sent == [Refitted(3, 3200)]
    grown = config.build(ready.dataset.full_schema)
    growth = grown.stages(both_splits(ready.dataset), SEED)
    shares = [next(growth) for _ in range(3)]
    assert 0 < shares[0] < shares[1] < shares[2] < 1
    stored = load_file(refit_path(tmp_path / "w.safetensors"))
    assert all(torch.equal(stored[name], nodes) for name, nodes in grown.state_dict().items())


def test_a_student_learns_from_scores_of_both_splits_in_the_order_of_rows(
    ready: PreparedStudy, tmp_path: Path
) -> None:
    random, dataset = np.random.default_rng(0), ready.dataset
    train_RT = random.normal(size=dataset.train.labels_RT.shape).astype(np.float32)
    valid_RT = random.normal(size=dataset.valid.labels_RT.shape).astype(np.float32)
    save_teacher({"train": train_RT, "valid": valid_RT}, tmp_path / "teacher")
    config = config_of(ready, NETWORK, **{"train.teacher_weight": 0.9})
    weights, best = tmp_path / "w.safetensors", best_at(epochs=1.25, step=5)
    run(job_of(ready, config, weights, best, teacher=tmp_path / "teacher"))
    distilled = np.array([*train_RT, *valid_RT]).astype(np.float16)
    assert same_weights(refit_path(weights), fitted(ready, config, 30, distilled))
    swapped = np.array([*valid_RT, *train_RT]).astype(np.float16)
    assert not same_weights(refit_path(weights), fitted(ready, config, 30, swapped))


@pytest.mark.parametrize("arm", [NETWORK, TREES], ids=["a network", "a model that grows"])
def test_a_refit_leaves_its_weights_and_the_scores_of_test_that_they_give(
    ready: PreparedStudy, tmp_path: Path, arm: int
) -> None:
    weights, config = tmp_path / "trial-1-seed-3.safetensors", config_of(ready, arm)
    run(job_of(ready, config, weights, best_at(epochs=0.5, step=2)))
    assert {path.name for path in tmp_path.iterdir()} == {
        "trial-1-seed-3.refit.safetensors",
        "trial-1-seed-3.refit.scores.safetensors",
    }
    assert {*refit_files(weights)} == {*tmp_path.iterdir()}
    path = refit_path(weights)
    model = restore_model(StoredModel(ready.dataset.folder, config, "cpu", path)).model
    assert load_file(scores_path(path)).keys() == {"test_logits"}
    logits_RT = read_scores(scores_path(path), "test", ready.dataset.test)
    assert np.array_equal(logits_RT, model.scores(ready.dataset.test))


def test_a_refit_reads_no_label_of_the_test_split(
    ready: PreparedStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(
        ready, config_of(ready, NETWORK), tmp_path / "w.safetensors", best_at(epochs=0.5, step=2)
    )
    run(job)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    labels_RT = ready.dataset.test.labels_RT
    blank = replace(ready.dataset.test, labels_RT=np.zeros_like(labels_RT))
    without_labels = replace(ready.dataset, test=blank)
    monkeypatch.setattr(refit_job, "open_dataset", lambda _folder: without_labels)
    run(job)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_refit_that_was_interrupted_ends_as_one_that_was_not(
    ready: PreparedStudy, tmp_path: Path
) -> None:
    config, best = config_of(ready, NETWORK), best_at(epochs=1.25, step=5)
    whole, resumed = tmp_path / "whole.safetensors", tmp_path / "resumed.safetensors"
    run(job_of(ready, config, whole, best))
    job = job_of(ready, config, resumed, best, checkpoints=tmp_path / "checkpoints")
    asked = iter(range(100))
    assert run(job, lambda: next(asked) == 12) == []
    assert not refit_path(resumed).exists()
    steps = iter(range(100))

    def counting() -> bool:
        next(steps)
        return False

    assert run(job, counting) == [Refitted(30, 3200)]
    assert next(steps) == 30 - 12, "it began where it was stopped"
    assert refit_path(resumed).read_bytes() == refit_path(whole).read_bytes()


def test_a_refit_that_diverges_leaves_nothing(
    ready: PreparedStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverging(*_: object) -> None:
        raise Diverged(7, 0.01, float("nan"), "loss")

    monkeypatch.setattr(refit_job, "fit_any", diverging)
    config, best = config_of(ready, NETWORK), best_at(epochs=1.0, step=4)
    (failed,) = run(job_of(ready, config, tmp_path / "w.safetensors", best))
    assert isinstance(failed, TrainingFailed)
    assert failed.cause.startswith("diverged: ")
    assert list(tmp_path.iterdir()) == []


def fixed(steps: FixedSteps, model: nn.Module, **train: object) -> Sequence[EvaluationRecord]:
    """Return the evaluations of a training of so many steps."""
    config = TrainConfig.model_validate({"batch_size": 32, **train})
    objective = objective_named("macro_auc")
    conditions = Conditions(DATA, DATA.full_schema, config, 0, objective, CPU, fixed_steps=steps)
    return fit(model, conditions, Watch()).evaluations


def test_fixed_steps_are_taken_whatever_epochs_and_patience_say() -> None:
    model = scripted(0.1)  # an evaluation more would find no score
    (evaluation,) = fixed(FixedSteps(17, 10), model, epochs=1, patience=1)
    assert int(model.mark) == 17
    assert evaluation.epochs == 1.7


def test_a_model_is_told_of_epochs_where_its_training_before_was() -> None:
    """SAN changes between epochs; with more rows, an epoch has more steps."""
    log: list[object] = []

    class Told(Linear):
        def begin_epoch(self, epochs_done: int) -> None:
            log.append(epochs_done)

    def see(_batch: Batch) -> None:
        log.append("step")

    fixed(FixedSteps(9, 4), Told(DATA.full_schema, see=see), evaluations_per_epoch=1)
    assert log[:12] == [0, *["step"] * 4, 1, *["step"] * 4, 2, "step"]
