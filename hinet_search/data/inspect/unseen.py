"""Unseen: warn of values that training rows do not have, and of rows that are in two splits.

Shape legend: R rows.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.study.data_definition import ColumnSplit, DataDefinition, RandomSplit

WARN_ABOVE = 0.05
SPLIT_BITS = np.uint64(3)


def unseen_rate(values: pl.Series, ids_R: NDArray[np.int32]) -> float:
    """The share of rows with a value without an id (unseen or rare in train); 0 without rows."""
    if not ids_R.size:
        return 0.0
    is_unseen_R = (ids_R == 0) & values.is_not_null().to_numpy()
    return float(is_unseen_R.mean())


def unseen_warnings(rates: Sequence[float], names: Sequence[str]) -> list[str]:
    """One line per field with values without an id in more than 5 % of the validation rows."""
    return [
        f"{name}: {rate:.1%} of valid rows have a value without an id (unseen or rare in train); "
        "they share id 0"
        for name, rate in zip(names, rates, strict=True)
        if rate > WARN_ABOVE
    ]


def duplicate_warnings(
    definition: DataDefinition, frame: pl.DataFrame, split_R: NDArray[np.uint8]
) -> list[str]:
    """Warn of rows in two splits: same user, item and time, else equal in all columns.

    Copies of a row have one time and one user, so splits by those keep them together.
    """
    split = definition.split
    if not isinstance(split, ColumnSplit | RandomSplit):
        return []
    split_column = split.column if isinstance(split, ColumnSplit) else None
    names = {definition.user, definition.item, definition.time} - {None}
    key = [name for name in frame.columns if name in names]
    if len(key) == 3:
        what, columns = "same user, item and time", key
    else:
        what = "equal in all columns"
        columns = [name for name in frame.columns if name != split_column]
    count = _num_in_two_splits(frame.select(columns), split_R)
    return [f"{count:,} rows are in two splits ({what})"] if count else []


def _num_in_two_splits(frame: pl.DataFrame, split_R: NDArray[np.uint8]) -> int:
    """Count rows that also occur in another split.

    Sorts the hashes of the rows, with the split in place of their last two bits.
    """
    key_R = (frame.hash_rows().to_numpy() & ~SPLIT_BITS) | split_R
    key_R.sort()
    # 0: the same row in the same split; 1 to 3: the same row in another split.
    difference = key_R[1:] ^ key_R[:-1]
    is_in_two = (difference > 0) & (difference <= SPLIT_BITS)
    hashes = np.unique(key_R[1:][is_in_two] & ~SPLIT_BITS)
    starts = np.searchsorted(key_R, hashes)
    ends = np.searchsorted(key_R, hashes | SPLIT_BITS, side="right")
    return int((ends - starts).sum())
