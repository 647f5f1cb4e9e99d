"""Cuts: where a split by time may cut, so that about 70, 15 and 15 % of the rows train, validate and test."""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import accumulate
from typing import Any

import polars as pl

VALID_FROM, TEST_FROM = 0.7, 0.85
FEWEST_TRAIN, FEWEST_REST = 0.5, 0.03  # shares of the rows, else days are too coarse


def cut_points(lazy: pl.LazyFrame, name: str) -> tuple[str, str] | None:
    """Two cut points as they are written in a definition, days where there are enough; None where no two cut well."""
    dtype = lazy.collect_schema()[name]
    moments = [pl.col(name)]
    if isinstance(dtype, pl.Datetime):
        moments = [pl.col(name).dt.date(), pl.col(name)]
    for moment in moments:
        counts = lazy.group_by(moment.alias("moment")).agg(pl.len().alias("rows")).sort("moment").collect()
        found = _cuts(counts["moment"].to_list(), counts["rows"].to_list())
        if found is not None:
            return found
    return None


def _cuts(moments: Sequence[Any], rows: Sequence[int]) -> tuple[str, str] | None:
    """The moments before which there are nearest to the shares of rows that are wanted."""
    before = [0.0, *(rows_before / sum(rows) for rows_before in accumulate(rows))]
    if len(moments) < 3:
        return None
    valid = min(range(1, len(moments) - 1), key=lambda at: abs(before[at] - VALID_FROM))
    test = min(range(valid + 1, len(moments)), key=lambda at: abs(before[at] - TEST_FROM))
    if before[valid] < FEWEST_TRAIN or before[test] - before[valid] < FEWEST_REST or 1 - before[test] < FEWEST_REST:
        return None
    return _written(moments[valid]), _written(moments[test])


def _written(moment: Any) -> str:
    """A date or moment without its zone: a definition's cuts are in the column's own."""
    if isinstance(moment, datetime):
        return moment.replace(tzinfo=None).isoformat()
    return moment.isoformat() if isinstance(moment, date) else str(moment)
