"""Unseen: how many rows outside training show a value that no training row has, and rows that stand in two splits.

Shape legend: R rows.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.definition import ColumnSplit, DataDefinition

WARN_ABOVE = 0.05


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
    """Rows that stand in two splits of a column split: same user, item and time, or equal in all columns without them.

    The other splits put each row into one place, by time, row number or user.
    """
    split = definition.split
    if not isinstance(split, ColumnSplit):
        return []
    key = [name for name in (definition.user, definition.item, definition.time) if name is not None]
    columns = key if len(key) == 3 else [name for name in frame.columns if name != split.column]
    hashes = frame.select(columns).hash_rows()
    places = pl.DataFrame({"row": hashes, "split": split_R}).group_by("row").agg(pl.col("split").n_unique(), pl.len())
    count = int(places.filter(pl.col("split") > 1)["len"].sum())
    what = "same user, item and time" if len(key) == 3 else "equal in all columns"
    return [f"{count:,} rows stand in two splits ({what})"] if count else []
