"""Summarise: compute a finalist's ensemble and spread from the stored scores of its seeds."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.columns import Columns, Dataset
from hinet_search.data.prepare import reopen
from hinet_search.results.calibration_records import Calibration
from hinet_search.results.records import CellValue, FinalistSummary, Resampled
from hinet_search.results.statistics.calibrators import calibrate
from hinet_search.results.statistics.ensemble import ensemble_logits
from hinet_search.results.statistics.resampling import ScoredRows, resampled
from hinet_search.training.jobs.score import TEST, VALID, read_scores
from hinet_search.training.metrics import cell_values


@dataclass(frozen=True)
class SummaryJob:
    """Score files in the order of `seeds`.

    `best_seed` is the seed that is best on validation, `headline` the metric of the verdict, `seed`
    that of the resampling of users, `further` metrics to measure, as in a TrainJob.
    """

    dataset: Path
    scores: tuple[Path, ...]
    seeds: tuple[int, ...]
    best_seed: int
    headline: str
    seed: int
    further: tuple[str, ...] = ()


def summarise(
    job: SummaryJob, emit: Callable[[object], None], should_stop: Callable[[], bool]
) -> None:
    """Emit a FinalistSummary; the models are not needed."""
    dataset = reopen(job.dataset)
    test = dataset.test
    valid_SRT, test_SRT = (
        np.stack([read_scores(path, split, columns) for path in job.scores])
        for split, columns in ((VALID, dataset.valid), (TEST, test))
    )
    emit(
        FinalistSummary(
            seeds=job.seeds,
            ensemble_valid_cells=_ensemble(valid_SRT, dataset, dataset.valid, job.further),
            ensemble_test_cells=_ensemble(test_SRT, dataset, test, job.further),
            resampled=_resampled(test_SRT, dataset, job),
            calibration=calibrated(valid_SRT[job.seeds.index(job.best_seed)], dataset, job.seed),
        )
    )


def _resampled(score_SRT: NDArray[np.float32], dataset: Dataset, job: SummaryJob) -> Resampled:
    test = dataset.test
    cells = dataset.full_schema.cells
    scored = ScoredRows(score_SRT, test.labels_RT, test.scenario_R, test.user_R, cells)
    return resampled(scored, headline=job.headline, seed=job.seed)


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
    return cell_values(logits_RT, split, schema.cells, further=further)
