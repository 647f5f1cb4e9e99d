"""Moments: the time of every row as a whole number, counted from the first row's.

Shape legend: R rows.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.rows import Rows
from hinet_search.data.splits import ASKING
from hinet_search.data.times import LARGEST, LONGEST, unit_of, whole_times
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.event_definition import NANOSECONDS, TimeSpan, TimeUnit

NO_TIME = -1


@dataclass(frozen=True)
class Moments:
    """The moment of every row: units of the time column since the first row, or NO_TIME."""

    time_R: NDArray[np.int64]
    unit: TimeUnit

    @property
    def units_a_second(self) -> int:
        """How many units are a second."""
        return NANOSECONDS["s"] // NANOSECONDS[self.unit]

    def units(self, span: TimeSpan) -> int:
        """A length of time in units, of which it is a whole number."""
        number = span.whole(self.unit)
        assert number is not None, "checked with the column"
        return number


def moments_of(definition: DataDefinition, rows: Rows) -> Moments:
    """The moments of rows whose time column was checked for events."""
    assert definition.time is not None, "the definition checks it"
    return moments_at(rows, definition.time, definition.time_unit)


def moments_at(rows: Rows, time: str, time_unit: TimeUnit | None) -> Moments:
    """The moments of rows by their column `time`; `time_unit` is what numbers of it count.

    The first row is that of the log: rows that ask count as if they were not before it, and not
    more than LONGEST after it.
    """
    values = rows.frame[time]
    first = whole_times(values.filter(pl.Series(rows.split_R != ASKING))).min()
    assert isinstance(first, int), "checked with the values"
    last = min(first + LONGEST, LARGEST)
    blocks = (whole_times(values[block]).clip(first, last) - first for block in rows.blocks())
    time_R = rows.mapped(times.fill_null(NO_TIME).to_numpy() for times in blocks)
    return Moments(time_R, unit_of(values.dtype, time_unit))
