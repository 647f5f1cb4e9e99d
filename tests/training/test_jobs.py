"""A job trains on a slot, leaves weights only when its training came to its end, and scores with what it left."""

import contextlib
import gc
import platform
import re
import resource
import sys
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hinet_search import api
from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.retry import Notice
from hinet_search.executors.processes.slots import ProcessExecutor
from hinet_search.results.records import Cost, EvaluationRecord, FinalistSummary
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.study.distributions import Value
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.jobs import device_errors
from hinet_search.training.jobs import train as trial
from hinet_search.training.jobs.device_errors import DEVICE_LOST
from hinet_search.training.jobs.messages import (
    MetricsOnTest,
    ScoreTestJob,
    TrainingResult,
    TrainJob,
    scores_path,
)
from hinet_search.training.jobs.score import SummaryJob, restore_model, score_test, summarise
from hinet_search.training.jobs.train import checkpoints_of, train
from hinet_search.training.metrics import cell_values
from hinet_search.training.model_size import flops_of
from hinet_search.training.trial_config import TrialConfig, build_config
from tests.executors.driving import ends, run
from tests.small import STUDY, write_study


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> PreparedStudy:
    folder = tmp_path_factory.mktemp("trial")
    text = STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: , trees: }")
    return api.ready(str(write_study(folder, text)), LaunchOptions(output=folder / "out"))


every_kind = pytest.mark.parametrize("arm", [0, 1], ids=["a network", "a model that grows"])


def values_of(ready: PreparedStudy, arm: int) -> dict[str, Value]:
    space = ready.study.arms[arm].space
    return {**space.values(space.default()), **({"model.max_rounds": 10} if arm else {})}


def trained(
    ready: PreparedStudy, weights: Path, arm: int, *, stop_after: int | None = None
) -> TrainingResult:
    """The outcome of a training that is stopped after so many evaluations."""
    sent: list[object] = []
    job = TrainJob(ready.dataset.folder, config_of(ready, arm), 3, "mean_auc", "cpu", weights)
    train(job, sent.append, lambda: stop_after is not None and len(sent) >= stop_after)
    (outcome,) = [message for message in sent if isinstance(message, TrainingResult)]
    assert [message for message in sent if isinstance(message, EvaluationRecord)]
    return outcome


def kept(ready: PreparedStudy, weights: Path, arm: int) -> ScoreTestJob:
    return ScoreTestJob(ready.dataset.folder, config_of(ready, arm), "cpu", weights)


def config_of(ready: PreparedStudy, arm: int, **values: Value) -> TrialConfig:
    return build_config(ready.study.arms[arm].model, {**values_of(ready, arm), **values})


@every_kind
def test_a_whole_training_leaves_its_weights_and_its_scores_of_validation(
    ready: PreparedStudy, tmp_path: Path, arm: int
) -> None:
    assert not trained(ready, tmp_path / "w.safetensors", arm).stopped
    assert {path.name for path in tmp_path.iterdir()} == {"w.safetensors", "w.scores.safetensors"}
    kept_model = restore_model(kept(ready, tmp_path / "w.safetensors", arm))
    logits_RT = load_file(scores_path(tmp_path / "w.safetensors"))["valid_logits"].numpy()
    assert np.array_equal(logits_RT, kept_model.model.scores(kept_model.dataset.valid))


@every_kind
def test_a_whole_training_is_timed_on_a_hundred_rows(
    ready: PreparedStudy, tmp_path: Path, arm: int
) -> None:
    spent = trained(ready, tmp_path / "w.safetensors", arm).cost.milliseconds_per_100
    assert spent is not None
    assert spent > 0


@every_kind
@pytest.mark.parametrize("stop_after", [None, 2])
def test_a_job_that_is_measured_first_tells_a_networks_costs_before_it_trains(
    ready: PreparedStudy, arm: int, stop_after: int | None
) -> None:
    sent: list[object] = []
    job = TrainJob(
        ready.dataset.folder, config_of(ready, arm), 3, "mean_auc", "cpu", measured_first=True
    )
    train(job, sent.append, lambda: stop_after is not None and len(sent) >= stop_after)
    known = [message for message in sent if isinstance(message, Cost)]
    assert known == sent[:1] if arm == 0 else known == []  # trees have yet to grow
    outcome = sent[-1]
    assert isinstance(outcome, TrainingResult)
    assert outcome.cost.milliseconds_per_100 > 0
    if known:
        (before,) = known
        assert before.milliseconds_per_100 > 0
        assert (before.parameters, before.flops_per_row) == (
            outcome.cost.parameters,
            outcome.cost.flops_per_row,
        )


def test_other_trials_are_not_timed(ready: PreparedStudy) -> None:
    sent: list[object] = []
    job = TrainJob(ready.dataset.folder, config_of(ready, 0), 3, "mean_auc", "cpu")
    train(job, sent.append, lambda: False)
    assert not [message for message in sent if isinstance(message, Cost)]
    assert sent[-1].cost.milliseconds_per_100 is None


@every_kind
def test_a_stopped_training_leaves_no_weights(
    ready: PreparedStudy, tmp_path: Path, arm: int
) -> None:
    outcome = trained(ready, tmp_path / "w.safetensors", arm, stop_after=1)
    assert outcome.stopped
    assert outcome.best is not None
    assert list(tmp_path.iterdir()) == []


@every_kind
def test_what_a_training_kept_scores_validation_as_its_best_evaluation_did(
    ready: PreparedStudy, tmp_path: Path, arm: int
) -> None:
    outcome = trained(ready, tmp_path / "w.safetensors", arm)
    kept_model = restore_model(kept(ready, tmp_path / "w.safetensors", arm))
    schema, valid = kept_model.model.schema, kept_model.dataset.valid
    assert outcome.best is not None
    assert cell_values(kept_model.model.scores(valid), valid, schema.cells) == outcome.best.cells


@every_kind
def test_an_opening_sends_the_cells_of_the_scores_that_it_keeps(
    ready: PreparedStudy, tmp_path: Path, arm: int
) -> None:
    weights, sent = tmp_path / "w.safetensors", []
    trained(ready, weights, arm)
    score_test(kept(ready, weights, arm), sent.append, lambda: False)
    logits_RT = load_file(scores_path(weights))["test_logits"].numpy()
    cells = ready.dataset.full_schema.cells
    assert sent == [MetricsOnTest(cell_values(logits_RT, ready.dataset.test, cells, chances=True))]


@every_kind
def test_importances_are_stored_with_the_scores_and_summed_up_by_seed(
    ready: PreparedStudy, tmp_path: Path, arm: int
) -> None:
    weights = tmp_path / "w.safetensors"
    trained(ready, weights, arm)
    score_test(replace(kept(ready, weights, arm), seed=3), lambda _: None, lambda: False)
    path = scores_path(weights)
    sent: list[FinalistSummary] = []
    job = SummaryJob(ready.dataset.folder, (path, path), (3, 4), 3, "macro_auc", 7)
    summarise(job, sent.append, lambda: False)
    (summary,) = sent
    schema = ready.dataset.full_schema
    assert {*schema.categorical, *schema.numeric} == set(summary.importances)
    assert all(first == second for first, second in summary.importances.values())
    assert any(first > 0 for first, _ in summary.importances.values())


def test_the_cost_of_a_model_that_grows_is_its_nodes_and_no_flops(
    ready: PreparedStudy, tmp_path: Path
) -> None:
    cost = trained(ready, tmp_path / "w.safetensors", 1).cost
    texts = [text.numpy().tobytes() for text in load_file(tmp_path / "w.safetensors").values()]
    num_leaves = [int(number) for text in texts for number in re.findall(rb"num_leaves=(.*)", text)]
    nodes = sum(2 * number - 1 for number in num_leaves)
    assert (cost.parameters, cost.dense_parameters, cost.flops_per_row) == (nodes, nodes, 0)


def test_estimated_flops_are_those_of_the_trained_model(
    ready: PreparedStudy, tmp_path: Path
) -> None:
    flops = flops_of(config_of(ready, 0), ready.dataset.full_schema)
    assert flops == trained(ready, tmp_path / "w.safetensors", 0).cost.flops_per_row > 0
    assert flops_of(config_of(ready, 1), ready.dataset.full_schema) == 0


def test_data_missing_on_a_machine_are_a_fault_of_the_machine_not_of_the_trial(
    ready: PreparedStudy, tmp_path: Path
) -> None:
    """Otherwise the trial would fail; here the study ends and the trial stays open."""
    job = TrainJob(tmp_path / "gone", config_of(ready, 0), 1, "mean_auc", "cpu")
    with pytest.raises(EnvironmentFault, match=f"{platform.node()}: .*gone"):
        train(job, lambda _: None, lambda: False)


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: unspecified launch failure\nmore"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
    ],
)
def test_a_process_whose_device_failed_says_so_and_ends(
    ready: PreparedStudy, monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    """Every further training in this process would fail; in another process the trial can be retried."""

    def failing(*_: object) -> None:
        raise error

    def ended(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(trial, "fit_any", failing)
    monkeypatch.setattr(device_errors.os, "_exit", ended)
    job = TrainJob(ready.dataset.folder, config_of(ready, 0), 1, "mean_auc", "cpu")
    said: list[object] = []
    with pytest.raises(SystemExit) as caught:
        train(job, said.append, lambda: False)
    assert caught.value.code == DEVICE_LOST
    reason = str(error).splitlines()[0]
    assert said == [Notice(f"cpu failed in this process, which ends: {reason}")]


WIDE = (20_000, 20_000)  # 1.6 GB of weights
LEFT = 2**28  # bytes that the process may still take


def train_in_little_memory(job: TrainJob, emit: trial.Emit, should_stop: trial.ShouldStop) -> None:
    """Train where the machine gives no more than a little memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + LEFT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    train(job, emit, should_stop)


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the system does not say how much a process has"
)
def test_a_trial_that_runs_out_of_memory_costs_an_attempt_and_names_the_remedy(
    ready: PreparedStudy,
) -> None:
    wide = config_of(ready, 0, **{"model.trunk.widths": WIDE, "train.batch_size": 512})
    job = TrainJob(ready.dataset.folder, wide, 1, "mean_auc", "cpu")
    slots = ProcessExecutor([0])
    (end,) = ends(run(slots, train_in_little_memory, job))
    slots.close()
    assert end.died, "it may be tried again"
    assert re.fullmatch(
        r"out of memory: batch size 512 on cpu \(.*DefaultCPUAllocator.*\); a smaller train\.batch_size .* need less",
        end.cause,
    )


@pytest.mark.parametrize("error", [None, MemoryError("none left")])
def test_the_model_is_gone_when_memory_of_a_gpu_is_given_back(
    ready: PreparedStudy, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    models: list[weakref.ref[object]] = []
    alive: list[list[bool]] = []
    fit = trial.fit_any

    def fitting(trained: Any, *more: Any) -> Any:
        models.append(weakref.ref(trained.model))
        if error is not None:
            raise error
        return fit(trained, *more)

    def given_back() -> None:
        gc.collect()
        alive.append([model() is not None for model in models])

    monkeypatch.setattr(trial, "fit_any", fitting)
    monkeypatch.setattr(torch.cuda, "empty_cache", given_back)
    job = TrainJob(ready.dataset.folder, config_of(ready, 0), 1, "mean_auc", "cpu")
    with pytest.raises(MemoryError) if error else contextlib.nullcontext():
        train(job, lambda _: None, lambda: True)
    assert alive == [[False]]


def test_an_error_of_a_configuration_is_no_failure_of_the_device(
    ready: PreparedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasLtMatmul`")

    monkeypatch.setattr(trial, "fit_any", failing)
    job = TrainJob(ready.dataset.folder, config_of(ready, 0), 1, "mean_auc", "cpu")
    with pytest.raises(RuntimeError, match="NOT_SUPPORTED"):
        train(job, lambda _: None, lambda: False)


def test_a_checkpoint_is_of_the_device_that_trained_not_of_the_word_auto(
    ready: PreparedStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def job_on(device: str) -> str:
        job = TrainJob(ready.dataset.folder, config_of(ready, 0), 1, "mean_auc", device)
        checkpoints = checkpoints_of(replace(job, checkpoints=tmp_path), lambda _: None)
        assert checkpoints is not None
        return checkpoints.job

    on_cpu = job_on("cpu")
    assert job_on("auto") == on_cpu
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert job_on("auto") == job_on("cuda") != on_cpu
