"""Unseen: how many rows outside training show a value that no training row has, and rows that stand in two splits.

Shape legend: R rows.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.definition import ColumnSplit, DataDefinition, RandomSplit

WARN_ABOVE = 0.05
SPLIT_BITS = np.uint64(3)


def unseen_rate(values: pl.Series, ids_R: NDArray[np.int32]) -> float:
    """The share of rows with a value that has no id: unseen in training, or too rare there; 0 without rows."""
    return float(((ids_R == 0) & values.is_not_null().to_numpy()).mean()) if ids_R.size else 0.0


def unseen_warnings(rates: Sequence[float], names: Sequence[str]) -> list[str]:
    """One line per field that is unseen in more than 5 % of the validation rows."""
    return [
        f"{name}: {rate:.1%} of valid rows have a value without an id (unseen or rare in train); they share id 0"
        for name, rate in zip(names, rates, strict=True)
        if rate > WARN_ABOVE
    ]


def duplicate_warnings(definition: DataDefinition, frame: pl.DataFrame, split_R: NDArray[np.uint8]) -> list[str]:
    """Rows that stand in two splits: same user, item and time, or equal in all columns without them.

    Copies of a row are of one time and of one user, so splits by those keep them together.
    """
    split = definition.split
    if not isinstance(split, ColumnSplit | RandomSplit):
        return []
    split_column = split.column if isinstance(split, ColumnSplit) else None
    key = [name for name in (definition.user, definition.item, definition.time) if name is not None]
    columns = key if len(key) == 3 else [name for name in frame.columns if name != split_column]
    count = _num_in_two_splits(frame.select(columns), split_R)
    what = "same user, item and time" if len(key) == 3 else "equal in all columns"
    return [f"{count:,} rows stand in two splits ({what})"] if count else []


def _num_in_two_splits(frame: pl.DataFrame, split_R: NDArray[np.uint8]) -> int:
    """Rows that another split has too, found by one sort of hashes whose last two bits give way to the split."""
    key_R = (frame.hash_rows().to_numpy() & ~SPLIT_BITS) | split_R
    key_R.sort()
    step_R = key_R[1:] ^ key_R[:-1]  # 0: the same row and split, up to 3: the same row in another split
    found = np.unique(key_R[1:][(step_R > 0) & (step_R <= SPLIT_BITS)] & ~SPLIT_BITS)
    ends = np.searchsorted(key_R, found | SPLIT_BITS, side="right")
    return int((ends - np.searchsorted(key_R, found)).sum())
