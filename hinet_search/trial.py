"""Trial: one job on a slot. A configuration and columns in; evaluations, a result, or the cause of a failure out.

Jobs know nothing of optuna or of the database: what they emit is all that leaves the slot.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from hinet_search import faults
from hinet_search.config import build_config
from hinet_search.data.columns import Columns, Dataset
from hinet_search.data.prepare import reopen
from hinet_search.distributions import Value
from hinet_search.insight import Insight
from hinet_search.objective import objective_named
from hinet_search.patience import Patience
from hinet_search.plugins import allow_only, allowed
from hinet_search.records import CellValue, Cost, EvaluationRecord
from hinet_search.training.checkpoint import Checkpoints, seconds_apart
from hinet_search.training.course import Conditions, FitResult
from hinet_search.training.device import Wanted, choose_device
from hinet_search.training.divergence import Diverged
from hinet_search.training.feed import forget_copies
from hinet_search.training.home import Home
from hinet_search.training.metrics import cell_values
from hinet_search.training.seeding import seeded_model
from hinet_search.training.snapshot import LAYOUT
from hinet_search.training.tensors import save_tensors
from hinet_search.training.trainable import Trainable, fit_all, trainable

DEVICE_LOST = 75  # exit code

Emit = Callable[[object], None]  # sends an object to the coordinator
ShouldStop = Callable[[], bool]  # whether the coordinator gave the job up


@dataclass(frozen=True)
class TrainJob:
    """Train one configuration with one seed.

    With `weights` the best weights are kept there and insights are taken, unless the training was stopped: half-trained
    weights must not be taken for those of a recorded run. With `checkpoints`, a folder of this job alone, a training
    that was cut off there goes on. `plugins` are packages that models may be of: those of the process that made the job.
    """

    dataset: Path
    model: str
    values: Mapping[str, Value]
    seed: int
    objective: str
    device: Wanted
    weights: Path | None = None
    checkpoints: Path | None = None
    plugins: tuple[str, ...] = field(default_factory=allowed)


@dataclass(frozen=True)
class SeedsJob:
    """Trainings that differ in seed and `weights` alone, all on the order of rows of `order_seed`."""

    jobs: tuple[TrainJob, ...]
    order_seed: int


@dataclass(frozen=True)
class OpenTestJob:
    """Score the test split with kept weights; the scores (rows, tasks) are kept beside them."""

    dataset: Path
    model: str
    values: Mapping[str, Value]
    device: Wanted
    weights: Path
    plugins: tuple[str, ...] = field(default_factory=allowed)


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
class OfSeed:
    """What the training with one seed emits, of several in one job."""

    seed: int
    body: object


@dataclass(frozen=True)
class Opened:
    """Metrics of every cell on the test split."""

    cells: tuple[CellValue, ...]


@dataclass(frozen=True)
class Kept:
    """A model with its kept weights, and the data as it sees them."""

    model: Trainable
    dataset: Dataset


def train(job: TrainJob, emit: Emit, should_stop: ShouldStop) -> None:
    """Train; emits an EvaluationRecord per evaluation, then Trained or TrainingFailed. DiskFull when it stays so."""
    _train((job,), job.seed, Home(emit, should_stop), lambda _seed, body: body)


def train_seeds(job: SeedsJob, emit: Emit, should_stop: ShouldStop) -> None:
    """Train with every seed; emits what `train` does, each as OfSeed."""
    _train(job.jobs, job.order_seed, Home(emit, should_stop), OfSeed)


def _train(jobs: Sequence[TrainJob], order_seed: int, home: Home, of_seed: Callable[[int, object], object]) -> None:
    _limit_threads()
    job = jobs[0]
    allow_only(job.plugins)
    config = build_config(job.model, job.values)
    dataset, schema = config.features.view(_dataset(job.dataset))
    device, objective = choose_device(job.device).device, objective_named(job.objective)
    models = [trainable(seeded_model(lambda: config.build(schema), one.seed), schema, device) for one in jobs]
    given = [Conditions(dataset, schema, config.train, one.seed, order_seed, objective, device) for one in jobs]
    watchers = [home.telling(partial(of_seed, one.seed)) for one in jobs]
    checkpoints = [_checkpoints(one, order_seed, home.notice) for one in jobs]
    try:
        outcomes = fit_all(models, given, watchers, checkpoints)
    except torch.OutOfMemoryError as error:
        forget_copies()  # so that a smaller trial fits
        cause = f"out of memory on {device}: batch {config.train.batch_size}; {str(error).splitlines()[0]}"
        for watcher in watchers:
            watcher.emit(TrainingFailed(cause))
        return
    except torch.AcceleratorError as error:
        _end_with_device(device, error, home)
    for one, model, watcher, outcome in zip(jobs, models, watchers, outcomes, strict=True):
        if isinstance(outcome, Diverged):
            watcher.emit(TrainingFailed(f"diverged: {outcome}"))
        else:
            watcher.emit(_trained(one, model, dataset, outcome, home.patience))
        faults.point("after_result")


def _end_with_device(device: torch.device, error: Exception, home: Home) -> NoReturn:
    """A device that failed once fails this process for ever: another one goes on from the last checkpoint."""
    home.notice(f"{device} failed in this process, which ends: {str(error).splitlines()[0]}")
    os._exit(DEVICE_LOST)


def _checkpoints(job: TrainJob, order_seed: int, say: Callable[[str], None]) -> Checkpoints | None:
    """Those of the job, told apart by all that its steps depend on."""
    if job.checkpoints is None:
        return None
    values = dict(sorted(job.values.items()))
    parts = (
        job.model,
        values,
        job.seed,
        order_seed,
        job.objective,
        job.dataset.name,
        job.device,
        torch.__version__,
        LAYOUT,
    )
    return Checkpoints(job.checkpoints, hashlib.sha256(repr(parts).encode()).hexdigest(), seconds_apart(), say)


def open_test(job: OpenTestJob, emit: Emit, should_stop: ShouldStop) -> None:
    """Score the test split; emits Opened and keeps the scores of valid and test beside the weights.

    DiskFull when the disk stays full.
    """
    _limit_threads()
    kept = load_kept(job)
    test, schema = kept.dataset.test, kept.model.schema
    logits_RT = scores(kept, test)
    kept_scores = {"valid_logits": scores(kept, kept.dataset.valid), "test_logits": logits_RT}
    tensors = {name: torch.from_numpy(logits) for name, logits in kept_scores.items()}
    Home(emit, should_stop).patience(lambda: save_tensors(tensors, scores_path(job.weights)))
    faults.point("after_scores_before_opened")
    emit(Opened(cell_values(logits_RT, test, schema.scenarios, schema.tasks)))


def load_kept(job: OpenTestJob) -> Kept:
    """The model of a job with the weights that its training kept."""
    allow_only(job.plugins)
    config = build_config(job.model, job.values)
    dataset, schema = config.features.view(_dataset(job.dataset))
    built = config.build(schema)
    built.load_state_dict(load_file(job.weights))
    return Kept(trainable(built, schema, choose_device(job.device).device), dataset)


def scores(kept: Kept, columns: Columns) -> NDArray[np.float32]:
    """Logits (R, T) of a split of the kept model's own data."""
    return kept.model.scores(columns)


def weights_path(artifacts: Path, arm: str, trial_number: int, seed: int) -> Path:
    """Where the best weights of one finalist with one seed are kept."""
    return artifacts / arm / f"trial-{trial_number}-seed-{seed}.safetensors"


def scores_path(weights: Path) -> Path:
    """Where the scores of kept weights are kept, once test is opened."""
    return weights.with_suffix(".scores.safetensors")


@lru_cache(maxsize=2)
def _dataset(folder: Path) -> Dataset:
    """A slot's data stay mapped between its trials."""
    return reopen(folder)


def _limit_threads() -> None:
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


def _trained(job: TrainJob, model: Trainable, dataset: Dataset, result: FitResult, patience: Patience) -> Trained:
    parameters, dense = model.num_parameters()
    cost = Cost(
        parameters=parameters,
        dense_parameters=dense,
        flops_per_row=model.flops_per_row(),
        rows_per_second=result.rows_per_second,
        seconds=result.seconds,
        peak_memory_bytes=result.peak_memory_bytes,
        device=str(model.device),
    )
    best = next((record for record in result.evaluations if record.step == result.best_step), None)
    if job.weights is None or best is None or result.stopped:
        return Trained(best, result.stopped, cost)
    weights, path = model.model.state_dict(), job.weights
    patience(lambda: save_tensors(weights, path))
    faults.point("after_weights_before_result")
    cost = replace(cost, milliseconds_per_100=model.milliseconds_per_100(dataset.valid))
    return Trained(best, result.stopped, cost, model.insight(dataset.valid))
