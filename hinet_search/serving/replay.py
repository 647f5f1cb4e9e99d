"""Replay: rows of the study's own test split go, raw, through an exported folder and must score as they did in training.

Shape legend: R rows, T tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors.numpy import load_file

from hinet_search.data.columns import SPLITS
from hinet_search.data.rows import Rows, source_rows
from hinet_search.definition import DataDefinition
from hinet_search.errors import DataError
from hinet_search.serving.folder import Exported
from hinet_search.serving.inputs import fitted

MOST_ROWS = 1_000
TOLERANCE = 1e-4  # of a logit, or relative to one above 1: what orders of addition and devices may differ by
ROW = "row number in the source"


@dataclass(frozen=True)
class Replayed:
    """How many test rows were scored again, and the largest difference of a logit."""

    rows: int
    difference: float


def replay(exported: Exported, raw: pl.DataFrame, place_R: NDArray[np.intp], scores: Sequence[Path]) -> Replayed:
    """Score `raw` rows, which stand at `place_R` of the test split; DataError when one does not score as `scores` say.

    `scores` are the files that training left, one for every seed.
    """
    columns = exported.encoder.columns(fitted(raw.lazy(), exported.encoder.types).collect())
    most = 0.0
    for model, seed, path in zip(exported.models, exported.file.seeds, scores, strict=True):
        kept_RT = load_file(path)["test_logits"][place_R].astype(np.float64)
        difference_RT = np.abs(model.scores(columns) - kept_RT)
        agrees_R = np.all(difference_RT <= TOLERANCE * np.maximum(1.0, np.abs(kept_RT)), axis=1)
        if not agrees_R.all():
            _refuse(exported, seed, difference_RT, agrees_R)
        most = max(most, float(difference_RT.max(initial=0.0)))
    return Replayed(len(raw), most)


def rows_of_test(definition: DataDefinition, folder: Path, rows: Rows) -> tuple[pl.DataFrame, NDArray[np.intp]]:
    """Rows of the test split as the source gives them, evenly spaced, and their places in the split."""
    of_test = np.flatnonzero(rows.split_R == SPLITS.index("test"))
    place_R = np.unique(np.linspace(0, of_test.size - 1, min(MOST_ROWS, of_test.size)).astype(np.intp))
    numbers = pl.Series(rows.row_R[of_test[place_R]])
    lazy = source_rows(definition, folder).with_row_index(ROW)
    return lazy.filter(pl.col(ROW).is_in(numbers.implode())).collect(engine="streaming").sort(ROW), place_R


def _refuse(exported: Exported, seed: int, difference_RT: NDArray[np.float64], agrees_R: NDArray[np.bool_]) -> None:
    file = exported.file
    raise DataError(
        f"{file.study}/{file.arm} seed {seed}: {len(agrees_R):,} test rows must score as in training, but "
        f"{(~agrees_R).sum():,} do not: a logit differs by up to {np.nanmax(difference_RT):.3g}; nothing is exported",
        remedy="launch the study again under another name if its rows or the versions of its libraries have changed, "
        "and export that one; else report it",
    )
