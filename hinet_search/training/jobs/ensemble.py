"""Ensemble: choose runs to average, score with their average, and pass it to students.

Shape legend: M runs, R rows of a split, T tasks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hinet_search.data.prepare import reopen
from hinet_search.results.calibration_records import Calibration
from hinet_search.results.ensemble_records import Scale
from hinet_search.results.objectives import Objective
from hinet_search.results.records import CellValue, Resampled
from hinet_search.results.statistics.ensemble import RunningMean, combined, copies
from hinet_search.results.statistics.ensemble_selection import Selection, Settings, select
from hinet_search.results.statistics.resampling import resampled
from hinet_search.training.device import choose_device
from hinet_search.training.jobs.device_errors import device_errors
from hinet_search.training.jobs.messages import (
    CoordinatorLink,
    Emit,
    ShouldStop,
    Split,
    StoredModel,
    split_scores_path,
)
from hinet_search.training.jobs.score import (
    calibrated,
    limit_threads,
    open_dataset,
    read_scores,
    restore_model,
    scored_rows,
)
from hinet_search.training.metrics import cell_values
from hinet_search.training.teaching import save_teacher
from hinet_search.training.tensors import save_tensors


@dataclass(frozen=True)
class SelectJob:
    """Choose among runs by their stored scores of validation.

    `shares` are the shares of the serving limits that the runs take, at most 1 together; `further`
    are metrics to measure, as in a TrainJob.
    """

    dataset: Path
    scores: tuple[Path, ...]
    objective: str
    seed: int
    shares: tuple[float, ...] | None = None
    further: tuple[str, ...] = ()


@dataclass(frozen=True)
class Selected:
    """A selection from the runs of a job, its average on validation, and runs that are copies."""

    selection: Selection
    valid_cells: tuple[CellValue, ...]
    calibration: Calibration
    copies: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ScoreMemberJob(StoredModel):
    """Score a split with a member of an ensemble; the scores are stored beside its weights."""

    split: Split = field(kw_only=True)


@dataclass(frozen=True)
class WeightedScores:
    """The weight of a member of an ensemble, and the files of its scores."""

    weight: float
    scores: Mapping[Split, Path]


@dataclass(frozen=True)
class TeachJob:
    """Average the members' scores of the training and validation rows, and store them at `path`."""

    dataset: Path
    members: tuple[WeightedScores, ...]
    scale: Scale
    path: Path


@dataclass(frozen=True)
class ScoreEnsembleJob:
    """Average the members' scores of the test split, measure them, and store them at `path`.

    `headline` is the metric of the verdict; `seed` is that of the resampling of users, `further`
    are metrics to measure, as in a TrainJob.
    """

    dataset: Path
    members: tuple[WeightedScores, ...]
    scale: Scale
    path: Path
    headline: str
    seed: int
    further: tuple[str, ...] = ()


@dataclass(frozen=True)
class EnsembleOnTest:
    """Metrics of an ensemble on the test split, and under resampled users."""

    cells: tuple[CellValue, ...]
    resampled: Resampled


def select_members(job: SelectJob, emit: Emit, should_stop: ShouldStop) -> None:  # noqa: ARG001
    """Emit a Selected; the models are not needed."""
    dataset = reopen(job.dataset)
    schema = dataset.full_schema
    valid = dataset.valid
    cells = schema.cells
    logits_MRT = np.stack([read_scores(path, "valid", valid) for path in job.scores])
    runs = scored_rows(logits_MRT, valid, dataset)
    selection = select(runs, Settings(Objective(job.objective), job.seed, job.shares))
    weight_M = np.array(selection.weight_M)
    logits_RT = combined(logits_MRT, weight_M, selection.scale, schema.is_amount)
    values = cell_values(logits_RT, valid, cells, further=job.further)
    calibration = calibrated(logits_RT, dataset, job.seed)
    emit(Selected(selection, values, calibration, tuple(copies(logits_MRT))))


def score_member(job: ScoreMemberJob, emit: Emit, should_stop: ShouldStop) -> None:
    """Score a split with a member and store the logits; emit nothing.

    Errors: DiskFull if the disk stays full.
    """
    limit_threads()
    link = CoordinatorLink(emit, should_stop)
    path = split_scores_path(job.weights, job.split)
    with device_errors(choose_device(job.device).device, f"{path.name} of an ensemble", link):
        stored = restore_model(job)
        logits_RT = stored.model.scores(getattr(stored.dataset, job.split))
    scores = {f"{job.split}_logits": torch.from_numpy(logits_RT)}
    link.retry(lambda: save_tensors(scores, path))


def score_train(job: TeachJob, emit: Emit, should_stop: ShouldStop) -> None:
    """Store the average of the scores of the training and validation rows; emit nothing.

    Errors: DiskFull if the disk stays full.
    """
    link = CoordinatorLink(emit, should_stop)
    train_RT = _average(job, "train")
    valid_RT = _average(job, "valid")
    link.retry(lambda: save_teacher({"train": train_RT, "valid": valid_RT}, job.path))


def score_ensemble(job: ScoreEnsembleJob, emit: Emit, should_stop: ShouldStop) -> None:
    """Store the average of the scores of the test split; emit its metrics.

    Errors: DiskFull if the disk stays full.
    """
    link = CoordinatorLink(emit, should_stop)
    logits_RT = _average(job, "test")
    scores = {"test_logits": torch.from_numpy(logits_RT)}
    link.retry(lambda: save_tensors(scores, job.path))
    dataset = open_dataset(job.dataset)
    cells = dataset.full_schema.cells
    test = dataset.test
    rows = scored_rows(logits_RT[None], test, dataset)
    values = cell_values(logits_RT, test, cells, further=job.further, chances=True)
    emit(EnsembleOnTest(values, resampled(rows, headline=job.headline, seed=job.seed)))


def _average(job: TeachJob | ScoreEnsembleJob, split: Split) -> NDArray[np.float32]:
    """(R, T): the average of the members' logits, one member in memory at a time."""
    dataset = open_dataset(job.dataset)
    mean = RunningMean(job.scale, dataset.full_schema.is_amount)
    for member in job.members:
        logits_RT = read_scores(member.scores[split], split, getattr(dataset, split))
        mean.add(logits_RT, member.weight)
    return mean.result()
