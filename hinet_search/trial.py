"""Trial: one job on a slot. A configuration and columns in; evaluations, a result, or the cause of a failure out.

Jobs know nothing of optuna or of the database: what they emit is all that leaves the slot.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from hinet_search.config import TrialConfig, build_config
from hinet_search.data.columns import Dataset
from hinet_search.data.prepare import open_dataset
from hinet_search.distributions import Value
from hinet_search.nn.contracts import Explains
from hinet_search.nn.measure import count_parameters, flops_per_row
from hinet_search.objective import objective_named
from hinet_search.records import CellValue, Cost, EvaluationRecord, Insight
from hinet_search.schema import Schema
from hinet_search.training.device import Wanted, choose_device
from hinet_search.training.feed import make_feed
from hinet_search.training.fit import Diverged, FitResult, fit, predict
from hinet_search.training.metrics import cell_values
from hinet_search.training.seeding import seeded_model

INSIGHT_ROWS = 8192

Emit = Callable[[object], None]  # sends an object to the coordinator
ShouldStop = Callable[[], bool]  # whether the coordinator gave the job up


@dataclass(frozen=True)
class TrainJob:
    """Train one configuration with one seed.

    With `weights` the best weights are kept there and insights are taken, unless the training was stopped: half-trained
    weights must not be taken for those of a recorded run.
    """

    dataset: Path
    model: str
    values: Mapping[str, Value]
    seed: int
    objective: str
    device: Wanted
    weights: Path | None = None


@dataclass(frozen=True)
class OpenTestJob:
    """Score the test split with kept weights; the scores (rows, tasks) are kept beside them."""

    dataset: Path
    model: str
    values: Mapping[str, Value]
    device: Wanted
    weights: Path


@dataclass(frozen=True)
class Trained:
    """A training came to its end (or was stopped after at least one evaluation)."""

    best: EvaluationRecord | None
    stopped: bool
    cost: Cost
    insight: Insight = field(default_factory=Insight)


@dataclass(frozen=True)
class TrainingFailed:
    """A training gave no result: it diverged, or memory ran out."""

    cause: str


@dataclass(frozen=True)
class Opened:
    """Metrics of every cell on the test split."""

    cells: tuple[CellValue, ...]


@dataclass(frozen=True)
class _Home:
    """Sends evaluations home while a model trains."""

    emit: Emit
    stop: ShouldStop

    def evaluated(self, record: EvaluationRecord) -> None:
        """Pass an evaluation on."""
        self.emit(record)

    def should_stop(self) -> bool:
        """Whether the coordinator gave the trial up."""
        return self.stop()


def train(job: TrainJob, emit: Emit, should_stop: ShouldStop) -> None:
    """Train; emits an EvaluationRecord per evaluation, then Trained or TrainingFailed."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    config = build_config(job.model, job.values)
    dataset = _dataset(job.dataset)
    schema = dataset.schema(config.features.minimum_frequency)
    model = seeded_model(lambda: config.build(schema), job.seed)
    device = choose_device(job.device).device
    try:
        result = fit(
            model, dataset, schema, config.train,
            seed=job.seed, objective=objective_named(job.objective), device=device, watcher=_Home(emit, should_stop),
        )  # fmt: skip
    except Diverged as error:
        emit(TrainingFailed(f"diverged: {error}"))
        return
    except torch.OutOfMemoryError as error:
        emit(
            TrainingFailed(f"out of memory on {device}: batch {config.train.batch_size}; {str(error).splitlines()[0]}")
        )
        return
    emit(_trained(job, model, schema, result, device))


def open_test(job: OpenTestJob, emit: Emit, should_stop: ShouldStop) -> None:  # noqa: ARG001  scoring is short
    """Score the test split; emits Opened and keeps the scores as scores.safetensors beside the weights."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    config = build_config(job.model, job.values)
    dataset = _dataset(job.dataset)
    schema = dataset.schema(config.features.minimum_frequency)
    device = choose_device(job.device).device
    model = config.build(schema)
    model.load_state_dict(load_file(job.weights))
    logits_RT = predict(model.to(device), make_feed(dataset.test, schema, device))
    save_file({"test_logits": torch.from_numpy(logits_RT)}, job.weights.with_suffix(".test-scores.safetensors"))
    emit(Opened(cell_values(logits_RT, dataset.test, schema.scenarios, schema.tasks)))


def num_parameters(config: TrialConfig, schema: Schema) -> int:
    """Parameters of the model with its embeddings; nothing is allocated."""
    with torch.device("meta"):
        return count_parameters(config.build(schema))[0]


@lru_cache(maxsize=2)
def _dataset(folder: Path) -> Dataset:
    """A slot's data stay mapped between its trials."""
    return open_dataset(folder)


def _trained(job: TrainJob, model: nn.Module, schema: Schema, result: FitResult, device: torch.device) -> Trained:
    parameters, dense = count_parameters(model)
    cost = Cost(
        parameters=parameters,
        dense_parameters=dense,
        flops_per_row=flops_per_row(model, schema),
        rows_per_second=result.rows_per_second,
        seconds=result.seconds,
        peak_memory_bytes=result.peak_memory_bytes,
        device=str(device),
    )
    best = next((record for record in result.evaluations if record.step == result.best_step), None)
    if job.weights is None or best is None or result.stopped:
        return Trained(best, result.stopped, cost)
    job.weights.parent.mkdir(parents=True, exist_ok=True)
    save_weights(model, job.weights)
    return Trained(best, result.stopped, cost, _insight(model, job, schema, device))


def save_weights(model: nn.Module, path: Path) -> None:
    """Write weights so that a reader sees the whole file or none."""
    part = path.with_suffix(".part")
    save_file({name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}, part)
    os.replace(part, path)  # noqa: PTH105  the atomic one


def _insight(model: nn.Module, job: TrainJob, schema: Schema, device: torch.device) -> Insight:
    if not isinstance(model, Explains):
        return Insight()
    feed = make_feed(_dataset(job.dataset).valid, schema, device)
    rows = torch.linspace(0, len(feed) - 1, min(INSIGHT_ROWS, len(feed)), device=device).long()
    return model.insight(feed.select(rows)[0])
