"""Score: score stored weights on the test split, and summarise the scores of a finalist's seeds.

A summary has the metrics of the ensemble of the seeds, and their spread over users.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hinet_search.common import crash_points
from hinet_search.common.errors import DataError
from hinet_search.common.plugins import allow_only
from hinet_search.data.columns import Columns, Dataset
from hinet_search.data.prepare import reopen
from hinet_search.results.calibration_records import Calibration
from hinet_search.results.records import CellValue, FinalistSummary
from hinet_search.results.statistics.calibrators import calibrate
from hinet_search.results.statistics.ensemble import ensemble_logits
from hinet_search.results.statistics.resampling import ScoredRows, resampled
from hinet_search.training.device import choose_device
from hinet_search.training.importance import importances
from hinet_search.training.jobs.device_errors import device_errors
from hinet_search.training.jobs.messages import (
    CoordinatorLink,
    Emit,
    MetricsOnTest,
    ScoreTestJob,
    ShouldStop,
    StoredModel,
    scores_path,
)
from hinet_search.training.metrics import cell_values
from hinet_search.training.tensors import read_tensors, read_weights, save_tensors
from hinet_search.training.trainable import Trainable, put_weights, trainable

VALID, TEST = "valid", "test"  # whose scores are stored
LOST = "auc lost without "  # begins the name of a tensor; the rest is that of an input
LAUNCH_AGAIN = "launch the study again under another name: what its training left is damaged"


@dataclass(frozen=True)
class RestoredModel:
    """A model with its stored weights, and its view of the data."""

    model: Trainable
    dataset: Dataset


def score_test(job: ScoreTestJob, emit: Emit, should_stop: ShouldStop) -> None:
    """Score the test split; emit Opened and store the scores of valid and test beside the weights.

    Errors: DiskFull if the disk stays full.
    """
    limit_threads()
    link = CoordinatorLink(emit, should_stop)
    work = f"batch size {job.config.train.batch_size:,}"
    with device_errors(choose_device(job.device).device, work, link):
        scores, lost = _scores(job)
    tensors = {f"{split}_logits": torch.from_numpy(score_RT) for split, score_RT in scores.items()}
    for name, auc in lost.items():
        tensors[f"{LOST}{name}"] = torch.tensor([auc])
    link.retry(lambda: save_tensors(tensors, scores_path(job.weights)))
    crash_points.point("after_scores_before_opened")
    dataset, schema = job.config.features.view(open_dataset(job.dataset))
    tested = cell_values(
        scores[TEST], dataset.test, schema.cells, further=job.further, chances=True
    )
    emit(MetricsOnTest(tested))


def _scores(job: ScoreTestJob) -> tuple[dict[str, NDArray[np.float32]], dict[str, float]]:
    """Return the logits of validation and test, and the importances of inputs if wanted.

    The model is free again when this returns.
    """
    stored = restore_model(job)
    dataset = stored.dataset
    scores = {
        VALID: stored.model.scores(dataset.valid),
        TEST: stored.model.scores(dataset.test),
    }
    if job.seed is None:
        return scores, {}
    schema = job.config.features.schema_of(open_dataset(job.dataset))
    generator = np.random.default_rng(job.seed)
    return scores, importances(stored.model, dataset.valid, schema, generator)


def restore_model(stored: StoredModel) -> RestoredModel:
    """Load a model with the weights that its training stored."""
    allow_only(stored.plugins)
    dataset, schema = stored.config.features.view(open_dataset(stored.dataset))
    built = stored.config.build(schema)
    weights = read_weights(stored.weights, LAUNCH_AGAIN)
    put_weights(built, weights, stored.weights, LAUNCH_AGAIN)
    return RestoredModel(trainable(built, schema, choose_device(stored.device).device), dataset)


def read_scores(path: Path, split: str, columns: Columns) -> NDArray[np.float32]:
    """Read the logits (R, T) of a split that `score_test` stored.

    Errors: DataError if the file is damaged or does not fit the rows of the split.
    """
    name = f"{split}_logits"
    shape = columns.labels_RT.shape
    scores = read_tensors(path, LAUNCH_AGAIN).get(name)
    if scores is None or scores.dtype != torch.float32 or scores.shape != shape:
        got = "none" if scores is None else f"{list(scores.shape)} of {scores.dtype}"
        raise DataError(
            f"{path}: must hold {list(shape)} {name} in float32, got {got}", remedy=LAUNCH_AGAIN
        )
    return scores.numpy()


@lru_cache(maxsize=2)
def open_dataset(folder: Path) -> Dataset:
    """Open the encoded data; they stay mapped between the jobs of a slot."""
    return reopen(folder)


def limit_threads() -> None:
    """Let torch use OMP_NUM_THREADS threads, one by default."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


@dataclass(frozen=True)
class SummaryJob:
    """Score files in the order of `seeds`.

    `best_seed` is the seed that is best on validation, `headline` the metric of the verdict; `seed`
    draws the resampled users; `further` metrics to measure, as in a TrainJob.
    """

    dataset: Path
    scores: tuple[Path, ...]
    seeds: tuple[int, ...]
    best_seed: int
    headline: str
    seed: int
    further: tuple[str, ...] = ()


def summarise(job: SummaryJob, emit: Emit, should_stop: ShouldStop) -> None:  # noqa: ARG001
    """Emit a FinalistSummary; the models are not needed."""
    dataset = reopen(job.dataset)
    test = dataset.test
    valid_SRT = np.stack([read_scores(path, VALID, dataset.valid) for path in job.scores])
    test_SRT = np.stack([read_scores(path, TEST, test) for path in job.scores])
    scored = scored_rows(test_SRT, test, dataset)
    emit(
        FinalistSummary(
            seeds=job.seeds,
            ensemble_valid_cells=_ensemble(valid_SRT, dataset, dataset.valid, job.further),
            ensemble_test_cells=_ensemble(test_SRT, dataset, test, job.further),
            resampled=resampled(scored, headline=job.headline, seed=job.seed),
            calibration=calibrated(valid_SRT[job.seeds.index(job.best_seed)], dataset, job.seed),
            importances=_importances(job.scores),
        )
    )


def _importances(scores: Sequence[Path]) -> dict[str, tuple[float, ...]]:
    """Return the AUC lost without each input, by seed; of the inputs that every file has."""
    by_input: dict[str, list[float]] = {}
    for path in scores:
        for key, tensor in read_tensors(path, LAUNCH_AGAIN).items():
            if key.startswith(LOST):
                by_input.setdefault(key.removeprefix(LOST), []).append(round(float(tensor[0]), 6))
    return {name: tuple(lost) for name, lost in by_input.items() if len(lost) == len(scores)}


def scored_rows(logits_SRT: NDArray[np.float32], split: Columns, dataset: Dataset) -> ScoredRows:
    """Return the rows of a split with their scores."""
    cells = dataset.full_schema.cells
    return ScoredRows(
        logits_SRT, split.labels_RT, split.scenario_R, split.user_R, cells, split.group_R
    )


def calibrated(valid_RT: NDArray[np.float32], dataset: Dataset, seed: int) -> Calibration:
    """Calibrate a model in every cell by its logits of validation."""
    valid = dataset.valid
    return calibrate(
        valid_RT,
        valid.labels_RT,
        valid.scenario_R,
        valid.user_R,
        dataset.full_schema.cells,
        seed=seed,
    )


def _ensemble(
    logits_SRT: NDArray[np.float32], dataset: Dataset, split: Columns, further: tuple[str, ...]
) -> tuple[CellValue, ...]:
    schema = dataset.full_schema
    logits_RT = ensemble_logits(logits_SRT, schema.is_amount)
    return cell_values(logits_RT, split, schema.cells, further=further, chances=True)
