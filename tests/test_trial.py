"""A job trains on a slot, leaves weights only when its training came to its end, and scores with what it left."""

import platform
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hinet_search import face, trial
from hinet_search.config import TrialConfig, build_config
from hinet_search.distributions import Value
from hinet_search.errors import EnvironmentFault
from hinet_search.patience import Notice
from hinet_search.records import EvaluationRecord
from hinet_search.search.options import LaunchOptions
from hinet_search.search.plan import Ready
from hinet_search.sizing import flops_of
from hinet_search.training.metrics import cell_values
from hinet_search.trial import (
    DEVICE_LOST,
    Opened,
    OpenTestJob,
    SeedsJob,
    Trained,
    TrainJob,
    load_kept,
    open_test,
    scores,
    scores_path,
    train,
    train_seeds,
)
from tests.small import STUDY, write_study


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    folder = tmp_path_factory.mktemp("trial")
    text = STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: , trees: }")
    return face.ready(str(write_study(folder, text)), LaunchOptions(output=folder / "out"))


every_kind = pytest.mark.parametrize("arm", [0, 1], ids=["a network", "a model that grows"])


def values_of(ready: Ready, arm: int) -> dict[str, Value]:
    space = ready.study.arms[arm].space
    return {**space.values(space.default()), **({"model.max_rounds": 10} if arm else {})}


def trained(ready: Ready, weights: Path, arm: int, *, stop_after: int | None = None) -> Trained:
    """The outcome of a training that is stopped after so many evaluations."""
    sent: list[object] = []
    job = TrainJob(
        ready.dataset.folder, ready.study.arms[arm].model, values_of(ready, arm), 3, "mean_auc", "cpu", weights
    )
    train(job, sent.append, lambda: stop_after is not None and len(sent) >= stop_after)
    (outcome,) = [one for one in sent if isinstance(one, Trained)]
    assert [one for one in sent if isinstance(one, EvaluationRecord)]
    return outcome


def kept(ready: Ready, weights: Path, arm: int) -> OpenTestJob:
    return OpenTestJob(ready.dataset.folder, ready.study.arms[arm].model, values_of(ready, arm), "cpu", weights)


def config_of(ready: Ready, arm: int, **values: Value) -> TrialConfig:
    return build_config(ready.study.arms[arm].model, {**values_of(ready, arm), **values})


@every_kind
def test_a_whole_training_leaves_its_weights(ready: Ready, tmp_path: Path, arm: int) -> None:
    outcome = trained(ready, tmp_path / "w.safetensors", arm)
    assert not outcome.stopped
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


@every_kind
def test_a_whole_training_is_timed_on_a_hundred_rows(ready: Ready, tmp_path: Path, arm: int) -> None:
    spent = trained(ready, tmp_path / "w.safetensors", arm).cost.milliseconds_per_100
    assert spent is not None
    assert spent > 0


def test_a_whole_training_of_a_network_shows_its_parts(ready: Ready, tmp_path: Path) -> None:
    parts = trained(ready, tmp_path / "w.safetensors", 0).insight.parts
    assert [part.name for part in parts if part.depth == 1] == ["embedding", "trunk", "towers"]


@every_kind
def test_several_seeds_in_one_job_are_each_told_and_kept(ready: Ready, tmp_path: Path, arm: int) -> None:
    first = trained(ready, tmp_path / "alone.safetensors", arm)
    model, values, sent = ready.study.arms[arm].model, values_of(ready, arm), []
    jobs = tuple(
        TrainJob(ready.dataset.folder, model, values, seed, "mean_auc", "cpu", tmp_path / f"{seed}.safetensors")
        for seed in (3, 4)
    )
    train_seeds(SeedsJob(jobs, order_seed=3), sent.append, lambda: False)
    outcomes = {one.seed: one.body for one in sent if isinstance(one.body, Trained)}
    assert outcomes[3].best.objective == pytest.approx(first.best.objective, abs=0.02)
    assert {one.seed for one in sent if isinstance(one.body, EvaluationRecord)} == {3, 4}
    kept = [load_file(tmp_path / f"{seed}.safetensors") for seed in (3, 4)]
    assert any(not torch.equal(weight, kept[1][name]) for name, weight in kept[0].items())


@every_kind
def test_a_stopped_training_leaves_no_weights(ready: Ready, tmp_path: Path, arm: int) -> None:
    outcome = trained(ready, tmp_path / "w.safetensors", arm, stop_after=1)
    assert outcome.stopped
    assert outcome.best is not None
    assert list(tmp_path.iterdir()) == []


@every_kind
def test_what_a_training_kept_scores_validation_as_its_best_evaluation_did(
    ready: Ready, tmp_path: Path, arm: int
) -> None:
    outcome = trained(ready, tmp_path / "w.safetensors", arm)
    found = load_kept(kept(ready, tmp_path / "w.safetensors", arm))
    schema, valid = found.model.schema, found.dataset.valid
    assert outcome.best is not None
    assert cell_values(scores(found, valid), valid, schema.scenarios, schema.tasks) == outcome.best.cells


@every_kind
def test_an_opening_sends_the_cells_of_the_scores_that_it_keeps(ready: Ready, tmp_path: Path, arm: int) -> None:
    weights, sent = tmp_path / "w.safetensors", []
    trained(ready, weights, arm)
    open_test(kept(ready, weights, arm), sent.append, lambda: False)
    logits_RT = load_file(scores_path(weights))["test_logits"].numpy()
    schema = ready.dataset.full_schema
    assert sent == [Opened(cell_values(logits_RT, ready.dataset.test, schema.scenarios, schema.tasks))]


def test_the_cost_of_a_model_that_grows_is_its_nodes_and_no_flops(ready: Ready, tmp_path: Path) -> None:
    cost = trained(ready, tmp_path / "w.safetensors", 1).cost
    nodes = len(load_file(tmp_path / "w.safetensors")["value_N"])
    assert (cost.parameters, cost.dense_parameters, cost.flops_per_row) == (nodes, nodes, 0)


def test_flops_told_beforehand_are_those_of_the_trained_model(ready: Ready, tmp_path: Path) -> None:
    flops = flops_of(config_of(ready, 0), ready.dataset.full_schema)
    assert flops == trained(ready, tmp_path / "w.safetensors", 0).cost.flops_per_row > 0
    assert flops_of(config_of(ready, 1), ready.dataset.full_schema) == 0


def test_flops_of_a_schema_with_a_thousand_million_ids_take_no_memory(ready: Ready) -> None:
    large = replace(ready.dataset.full_schema, vocabulary_sizes=(10**9,) * 4)
    assert flops_of(config_of(ready, 0), large) == flops_of(config_of(ready, 0), ready.dataset.full_schema)


def test_telling_flops_leaves_the_caller_s_random_numbers_alone(ready: Ready) -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    flops_of(config_of(ready, 0), ready.dataset.full_schema)
    assert torch.equal(torch.rand(1), expected)


def test_data_that_a_machine_does_not_see_are_a_fault_of_the_machine_and_not_of_the_trial(
    ready: Ready, tmp_path: Path
) -> None:
    """So that the study ends and the trial stays open, where it was one that failed."""
    job = TrainJob(tmp_path / "gone", ready.study.arms[0].model, values_of(ready, 0), 1, "mean_auc", "cpu")
    with pytest.raises(EnvironmentFault, match=f"{platform.node()}: .*gone"):
        train(job, lambda _: None, lambda: False)


def test_a_process_whose_device_failed_says_so_and_ends(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every further training in it would fail; in another process the trial goes on."""

    def failing(*_: object) -> None:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure\nmore")

    def ended(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(trial, "fit_all", failing)
    monkeypatch.setattr(trial.os, "_exit", ended)
    job = TrainJob(ready.dataset.folder, ready.study.arms[0].model, values_of(ready, 0), 1, "mean_auc", "cpu")
    said: list[object] = []
    with pytest.raises(SystemExit) as caught:
        train(job, said.append, lambda: False)
    assert caught.value.code == DEVICE_LOST
    assert said == [Notice("cpu failed in this process, which ends: CUDA error: unspecified launch failure")]
