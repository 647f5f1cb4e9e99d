"""Timelines: the moment of every event, which says whether it comes too late.

It is the moment of the log; for a model that reads none, the day (or hour) that label statistics
count it in.

Shape legend: R rows.
"""

import time
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.data.derived.days import (
    BEFORE_ALL,
    numbers_of,
    periods_of,
    span_in_words,
    value_of,
)
from hinet_search.data.derived.event_log import Integers
from hinet_search.data.derived.later_counts import LaterCounts
from hinet_search.data.derived.log_index import LogIndex
from hinet_search.data.derived.log_state import later_moments
from hinet_search.data.derived.moments import NO_TIME
from hinet_search.data.numbers import rows_and_first
from hinet_search.serving.history import Live
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.log_input import LogInput, time_in_words
from hinet_search.serving.tables import Types
from hinet_search.study.event_definition import NANOSECONDS, TimeSpan
from hinet_search.study.statistics_definition import HOUR

REAL_CLOCK = 10**9  # seconds since 1970: times after are of a clock, earlier ones may count others
AHEAD = TimeSpan(10, "m")  # that the clock of an event may be ahead, less than rows may be late
AHEAD_OF_NO_ZONE = TimeSpan(1, "d")  # a datetime without one may be local


class Timeline(Protocol):
    """Moments as whole numbers, as of the events so far."""

    @property
    def first(self) -> int:
        """The first moment of an event that is not too late.

        It never falls, and is no earlier than `forgotten` of any state with these events.
        """
        ...

    @property
    def forgotten(self) -> int:
        """The first moment of an event that a state with all of them must know again."""
        ...

    @property
    def last(self) -> int | None:
        """The time of the last event as its column counts it, or its day (or hour)."""
        ...

    @property
    def last_in_words(self) -> str:
        """The time of the last event, or the end of its day (or hour); empty without one."""
        ...

    def moments(self, frame: pl.DataFrame) -> Integers:
        """The moment of every event (R,); one without a time has some moment."""
        ...

    def refuse(self, moment_R: Integers) -> None:
        """DataError for events without a time, and for those of the future."""
        ...


def timeline_of(live: Live, inputs: Inputs, types: Types) -> Timeline:
    """The timeline of a model that takes events."""
    if live.log is not None:
        assert inputs.log is not None, "a log is that of inputs"
        return TimeOfLog(inputs.log, types[inputs.log.time], live.log)
    assert live.counts is not None, "the model was checked"
    return DaysOfStatistics(live.counts.clock, types[live.counts.clock], live.counts)


@dataclass(frozen=True)
class TimeOfLog:
    """Moments are units of time since the log's first row."""

    log: LogInput
    dtype: pl.DataType
    index: LogIndex

    @property
    def first(self) -> int:
        """No state that is being written has added up rows from there on."""
        state = self.index.state
        return max(state.added_before, self.index.last_moment - state.late, 0)

    @property
    def forgotten(self) -> int:
        """Rows of before are added up."""
        return self.index.state.added_before

    @property
    def last(self) -> int | None:
        """The time of the last row, None without one."""
        last = self.index.last_moment
        return None if last < 0 else self.index.state.origin + last

    @property
    def last_in_words(self) -> str:
        """The time of the last row."""
        return time_in_words(self.last, self.index.state.moments, self.log)

    def moments(self, frame: pl.DataFrame) -> Integers:
        """The moment of every event (R,), NO_TIME without a time."""
        return later_moments(self.index.state, frame[self.log.time]).time_R

    def refuse(self, moment_R: Integers) -> None:
        """DataError for events without a time, and for those of the future."""
        state = self.index.state
        _refuse_without(self.log.time, moment_R == NO_TIME)
        last = state.origin + max(state.last_moment, state.added_before)  # the first may be a 0
        if last < REAL_CLOCK * state.moments.units_a_second:
            return
        is_local = isinstance(self.dtype, pl.Datetime) and self.dtype.time_zone is None
        ahead = AHEAD_OF_NO_ZONE if is_local else AHEAD
        now = int(time.time() * state.moments.units_a_second) - state.origin
        _refuse_future(self.log.time, moment_R > now + state.moments.units(ahead), ahead)


@dataclass(frozen=True)
class DaysOfStatistics:
    """Moments are numbers of days (or hours), see `numbers_of`."""

    column: str
    dtype: pl.DataType
    counts: LaterCounts

    @property
    def first(self) -> int:
        """The first day (or hour) that is open."""
        return self.counts.first_open

    @property
    def forgotten(self) -> int:
        """The first day (or hour) that is open."""
        return self.counts.first_open

    @property
    def last(self) -> int | None:
        """The last day (or hour) with a label: since 1970, or as numbers of the clock count it."""
        last = self.counts.last_period
        return None if last == BEFORE_ALL else int(value_of(last, self._day_type))

    @property
    def last_in_words(self) -> str:
        """The end of the last day (or hour) with a label."""
        last = self.last
        if last is None:
            return ""
        day: date | int = last
        if self._day_type == pl.Date:
            day = pl.Series([last]).cast(pl.Date).item()
        return span_in_words(day, day, self.counts.definition)[1]

    def moments(self, frame: pl.DataFrame) -> Integers:
        """The number of every event's day or hour (R,), BEFORE_ALL without one."""
        return numbers_of(periods_of(frame[self.column], self.counts.definition))

    def refuse(self, moment_R: Integers) -> None:
        """DataError for events without a day, and for those of the future."""
        is_without_R = moment_R == BEFORE_ALL
        if self._day_type.is_float():
            least, most = numbers_of(pl.Series([-np.inf, np.inf]))
            is_without_R = (moment_R <= least) | (moment_R >= most)
        _refuse_without(self.column, is_without_R)
        if not self._is_real:
            return
        ahead = self._ahead
        now = (time.time() + ahead.nanoseconds / NANOSECONDS["s"]) // self._seconds
        latest = numbers_of(pl.Series([int(now)]).cast(self._day_type)).item()
        _refuse_future(self.column, moment_R > latest, ahead)

    @property
    def _day_type(self) -> pl.DataType:
        return self.counts.counts.days.dtype

    @property
    def _is_date(self) -> bool:
        return isinstance(self.dtype, pl.Date | pl.Datetime)

    @property
    def _seconds(self) -> int:
        """The seconds of a day or hour."""
        return NANOSECONDS[self.counts.definition.period[0]] // NANOSECONDS["s"]

    @property
    def _is_real(self) -> bool:
        """Whether days are those since 1970, as far as the last one tells."""
        is_length_known = self._is_date or self.counts.definition.day_length is not None
        last = self.last
        return is_length_known and last is not None and last * self._seconds >= REAL_CLOCK

    @property
    def _ahead(self) -> TimeSpan:
        """How far ahead of this machine's clock an event may be: a date may be that of any zone."""
        has_zone = not self._is_date or getattr(self.dtype, "time_zone", None) is not None
        is_of_zone = self._is_date and self.counts.definition.refresh != HOUR
        return AHEAD if has_zone and not is_of_zone else AHEAD_OF_NO_ZONE


def _refuse_without(column: str, is_without_R: NDArray[np.bool_]) -> None:
    without = np.flatnonzero(is_without_R).tolist()
    if without:
        raise DataError(
            f"column '{column}' must hold the time of every event, got none in "
            f"{rows_and_first(len(without), without)}"
        )


def _refuse_future(column: str, is_future_R: NDArray[np.bool_], ahead: TimeSpan) -> None:
    future = np.flatnonzero(is_future_R).tolist()
    if future:
        raise DataError(
            f"column '{column}' must hold times up to now, got one more than {ahead} ahead in "
            f"{rows_and_first(len(future), future)}",
            remedy="correct the clock of what sends events: such an event would make all others "
            "too old",
        )
