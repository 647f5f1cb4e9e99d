"""Splits: to which of train, valid and test a row belongs.

Shape legend: R rows. A split is 0, 1, 2 in the order of SPLITS; LEFT_OUT is a row of none.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import SPLITS
from hinet_search.data.hashing import keys_of, uniform
from hinet_search.data.matching import as_text, cut_literal, listed, text_of
from hinet_search.definition import ColumnSplit, DataDefinition, RandomSplit, TimeSplit, UserSplit

LEFT_OUT = 3

SplitCodes = NDArray[np.uint8]


def assign(definition: DataDefinition, frame: pl.DataFrame, row_R: NDArray[np.uint64]) -> SplitCodes:
    """Split of every row; `row_R` are row numbers in the source. The frame has passed the checks."""
    split = definition.split
    if isinstance(split, ColumnSplit):
        return _by_column(split, frame[split.column])
    if isinstance(split, TimeSplit):
        assert definition.time is not None, "the definition checks it"
        return _by_time(split, frame[definition.time])
    if isinstance(split, RandomSplit):
        return _by_hash(split, row_R)
    assert definition.user is not None, "the definition checks it"
    return _by_hash(split, keys_of(frame[definition.user]))


def split_problems(definition: DataDefinition, frame: pl.DataFrame, split_R: SplitCodes) -> list[str]:
    """Splits without a row, each with what the column holds that decides about it."""
    empty = [name for split, name in enumerate(SPLITS) if not (split_R == split).any()]
    return [f"data.split: {name} must have rows, got none{_held(definition, frame)}" for name in empty]


def _held(definition: DataDefinition, frame: pl.DataFrame) -> str:
    split = definition.split
    if isinstance(split, ColumnSplit):
        found = as_text(frame[split.column].drop_nulls()).unique().sort().to_list()
        return f"; column '{split.column}' holds {listed(found) or 'no value'}"
    if isinstance(split, TimeSplit) and definition.time is not None and not frame.is_empty():
        times = frame[definition.time]
        return f"; column '{definition.time}' runs from {times.min()!s} to {times.max()!s}"
    return ""


def _by_column(split: ColumnSplit, values: pl.Series) -> SplitCodes:
    names = [text_of(name) for name in (split.train, split.valid, split.test)]
    return as_text(values).replace_strict(names, [0, 1, 2], default=LEFT_OUT, return_dtype=pl.UInt8).to_numpy()


def _by_time(split: TimeSplit, times: pl.Series) -> SplitCodes:
    column = pl.lit(times)
    begun = [column >= cut_literal(cut, times.dtype) for cut in (split.valid_from, split.test_from)]
    return pl.select(begun[0].cast(pl.UInt8) + begun[1].cast(pl.UInt8)).to_series().to_numpy()


def _by_hash(split: RandomSplit | UserSplit, keys_R: NDArray[np.uint64]) -> SplitCodes:
    place_R = uniform(keys_R, split.seed)
    in_test_R = place_R < split.test
    in_valid_R = (place_R >= split.test) & (place_R < split.test + split.valid)
    return np.where(in_test_R, np.uint8(2), np.where(in_valid_R, np.uint8(1), np.uint8(0)))
