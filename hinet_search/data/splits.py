"""Splits: find the split of every row of a table, and splits that have no row.

A split is 0, 1, 2 in the order of SPLITS; LEFT_OUT marks a row in no split, and ASKING a new one,
which sees rows of all splits and is seen by none.
Shape legend: R rows.
"""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import SPLITS
from hinet_search.data.hashing import keys_of_blocks, uniform
from hinet_search.data.lists import distinct_values
from hinet_search.data.mapped import blocks_of, mapped_array
from hinet_search.data.raw_values import as_text, cut_literal, decoded, listed, text_of
from hinet_search.data.reading import OWN
from hinet_search.study.data_definition import (
    ColumnSplit,
    DataDefinition,
    RandomSplit,
    TimeSplit,
    UserSplit,
)

LEFT_OUT = 3
ASKING = 4
SPLIT = f"{OWN}split"  # the column of a table with the split of every row

SplitCodes = NDArray[np.uint8]


def assign(
    definition: DataDefinition,
    frame: pl.DataFrame,
    row_R: NDArray[np.uint64],
    cache: Path | None = None,
) -> SplitCodes:
    """Split of every row (R,), mapped from the folder `cache`.

    `row_R` are row numbers in the source. The frame is checked.
    """
    split = definition.split
    blocks = blocks_of(len(frame))
    if isinstance(split, RandomSplit):
        return mapped_array((_by_hash(split, row_R[block]) for block in blocks), cache)
    if isinstance(split, UserSplit):
        assert definition.user is not None, "the definition checks it"
        keys = keys_of_blocks(frame[definition.user], decoded)
        return mapped_array((_by_hash(split, keys(block)) for block in blocks), cache)
    column = split.column if isinstance(split, ColumnSplit) else definition.time
    assert column is not None, "the definition checks it"
    values = frame[column]
    return mapped_array((codes_in(split, values[block]) for block in blocks), cache)


def codes_in(split: ColumnSplit | TimeSplit | RandomSplit, values: pl.Series) -> SplitCodes:
    """Split of every row (R,) by the values that decide it: a column's, or row numbers."""
    if isinstance(split, ColumnSplit):
        return _by_column(split, values)
    if isinstance(split, TimeSplit):
        return _by_time(split, values)
    return _by_hash(split, values.cast(pl.UInt64).to_numpy())


def num_rows_of_splits(split_R: SplitCodes) -> tuple[int, int, int]:
    """The number of rows of every split."""
    counts = np.zeros(LEFT_OUT + 1, dtype=np.int64)
    for block in blocks_of(split_R.size):
        counts += np.bincount(split_R[block], minlength=counts.size)
    num_train, num_valid, num_test, _ = counts.tolist()
    return num_train, num_valid, num_test


def split_problems(
    definition: DataDefinition, frame: pl.DataFrame, split_R: SplitCodes
) -> list[str]:
    """Report splits without a row, with what the column of the split holds."""
    num_rows = zip(SPLITS, num_rows_of_splits(split_R), strict=True)
    empty = [name for name, count in num_rows if not count]
    held = _held(definition, frame) if empty else ""
    return [f"data.split: {name} must have rows, got none{held}" for name in empty]


def _held(definition: DataDefinition, frame: pl.DataFrame) -> str:
    split = definition.split
    if isinstance(split, ColumnSplit):
        values = as_text(distinct_values(frame[split.column])).unique().sort().to_list()
        return f"; column '{split.column}' holds {listed(values) or 'no value'}"
    if isinstance(split, TimeSplit) and definition.time is not None and not frame.is_empty():
        times = frame[definition.time]
        return f"; column '{definition.time}' runs from {times.min()!s} to {times.max()!s}"
    return ""


def _by_column(split: ColumnSplit, values: pl.Series) -> SplitCodes:
    names = [text_of(name) for name in (split.train, split.valid, split.test)]
    texts = as_text(values)
    codes = texts.replace_strict(names, [0, 1, 2], default=LEFT_OUT, return_dtype=pl.UInt8)
    return codes.to_numpy()


def _by_time(split: TimeSplit, times: pl.Series) -> SplitCodes:
    column = pl.lit(times)
    is_from_valid = column >= cut_literal(split.valid_from, times.dtype)
    is_from_test = column >= cut_literal(split.test_from, times.dtype)
    codes = pl.select(is_from_valid.cast(pl.UInt8) + is_from_test.cast(pl.UInt8))
    return codes.to_series().to_numpy()


def _by_hash(split: RandomSplit | UserSplit, keys_R: NDArray[np.uint64]) -> SplitCodes:
    draw_R = uniform(keys_R, split.seed)
    in_test_R = draw_R < split.test
    in_valid_R = (draw_R >= split.test) & (draw_R < split.test + split.valid)
    return np.where(in_test_R, np.uint8(2), np.where(in_valid_R, np.uint8(1), np.uint8(0)))
