"""Summary: one job on a slot. Kept scores of all seeds of an opened finalist in, their ensemble and spread out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from hinet_search.compare.resampling import Scored, ensemble_logits, resampled
from hinet_search.data.columns import Columns, Dataset
from hinet_search.data.prepare import reopen
from hinet_search.records import CellValue, FinalistSummary
from hinet_search.training.metrics import cell_values


@dataclass(frozen=True)
class SummaryJob:
    """Score files in the order of `seeds`. `headline` is the measure of the verdict; `seed` draws the users."""

    dataset: Path
    scores: tuple[Path, ...]
    seeds: tuple[int, ...]
    headline: str
    seed: int


def summarise(job: SummaryJob, emit: Callable[[object], None], should_stop: Callable[[], bool]) -> None:  # noqa: ARG001  it is short
    """Emits a FinalistSummary; the models themselves are not needed any more."""
    dataset = reopen(job.dataset)
    schema, test = dataset.full_schema, dataset.test
    kept = [load_file(path) for path in job.scores]
    valid_SRT, test_SRT = (np.stack([one[f"{split}_logits"] for one in kept]) for split in ("valid", "test"))
    scored = Scored(test_SRT, test.labels_RT, test.scenario_R, test.user_R, schema.scenarios, schema.tasks)
    emit(
        FinalistSummary(
            seeds=job.seeds,
            ensemble_valid_cells=_ensemble(valid_SRT, dataset, dataset.valid),
            ensemble_test_cells=_ensemble(test_SRT, dataset, test),
            resampled=resampled(scored, headline=job.headline, seed=job.seed),
        )
    )


def _ensemble(logits_SRT: NDArray[np.float32], dataset: Dataset, split: Columns) -> tuple[CellValue, ...]:
    schema = dataset.full_schema
    return cell_values(ensemble_logits(logits_SRT), split, schema.scenarios, schema.tasks)
