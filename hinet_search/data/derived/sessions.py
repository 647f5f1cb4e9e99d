"""Sessions: where a row stands in the visit of its user.

A visit ends when more than `gap` passes until the user's next moment. Its rows are those that
events.py lets a row see. A row without a user or a time has zeros.

Shape legend: R rows of the table, S rows of some users, sorted by user and time, N of them are
seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from hinet_search.data.derived.earlier_rows import seen_rows
from hinet_search.data.derived.event_log import (
    EventLog,
    Integers,
    KeyedRows,
    for_rows_of_keys,
    last_position,
    log_of,
    walks,
)
from hinet_search.data.derived.events import frame_of, write, zeros
from hinet_search.data.derived.key_codes import key_codes
from hinet_search.data.derived.moments import NO_TIME, Moments
from hinet_search.data.derived.rates import Floats
from hinet_search.data.rows import Rows
from hinet_search.study.event_definition import SessionDefinition

NAMES = ("session position", "session seconds")


@dataclass(frozen=True)
class Visits:
    """A visit of each row's user (R,): its first and last moment, NO_TIME if none, and its rows."""

    first_R: Integers
    last_R: Integers
    num_R: Integers

    def of(self, row_S: Integers) -> "Visits":
        """The visits of some rows (S,)."""
        return Visits(self.first_R[row_S], self.last_R[row_S], self.num_R[row_S])


def session_inputs(
    definition: SessionDefinition, rows: Rows, user: str, moments: Moments
) -> pl.DataFrame:
    """Float32 columns of NAMES without nulls: log(1 + rows) and log(1 + seconds) of the visit.

    Rows are those before the row's moment, seconds those since the first of them.
    """
    logs = [log_of(rows, moments, walk) for walk in walks(rows, moments)]
    return session_inputs_of(definition, user, logs, rows, moments)


def session_inputs_of(
    definition: SessionDefinition,
    user: str,
    logs: list[EventLog],
    rows: Rows,
    moments: Moments,
    before: Visits | None = None,
) -> pl.DataFrame:
    """The columns of `session_inputs` from logs of the rows, after the visits `before` them."""
    code_R = key_codes(rows, [user])
    value_RC = zeros(rows, len(NAMES))
    gap = moments.units(definition.gap)

    def use(log: EventLog, keyed: KeyedRows) -> None:
        first_S, num_S = earlier_visit(log, keyed, gap, before)
        seconds_S = (keyed.time_S - first_S) / moments.units_a_second
        write(value_RC, log, keyed, visit_inputs(num_S, seconds_S))

    for log in logs:
        for_rows_of_keys(log, code_R, partial(use, log))
    return frame_of(NAMES, value_RC, rows)


def visit_inputs(num_S: Integers, seconds_S: Floats) -> Iterator[Floats]:
    """Yield the columns of NAMES."""
    yield np.log1p(num_S)
    yield np.log1p(seconds_S)


def earlier_visit(
    log: EventLog, keyed: KeyedRows, gap: int, before: Visits | None = None
) -> tuple[Integers, Integers]:
    """The first moment of each row's visit (S,), and the number of its rows before the row's own.

    The visit is that of the last row before which is seen, be it in the log or `before` it. Where
    that has ended, or there is none, the row's own moment is the first.
    """
    seen = seen_rows(keyed, log)
    moment_S = seen.position(keyed.moment_S)
    start_S = seen.position(keyed.start_S)
    begin_N = visit_begins(seen.time_N, seen.only(start_S), gap)
    of_rows = None if before is None else before.of(log.row_E[keyed.place_S])
    times = VisitTimes(seen.time_N, begin_N, gap)
    return visit_at(times, keyed.time_S, start_S, moment_S, of_rows)


@dataclass(frozen=True)
class VisitTimes:
    """The moments of some users' rows (N) and the position of the first row of each one's visit."""

    time_N: Integers
    begin_N: Integers
    gap: int


def visit_begins(time_N: Integers, start_N: Integers, gap: int) -> Integers:
    """The position of the first row of each row's visit; `start_N` that of its user."""
    begins_N = (np.arange(start_N.size) == start_N) | (np.diff(time_N, prepend=0) > gap)
    return last_position(begins_N)


def visit_at(
    visits: VisitTimes,
    time_S: Integers,
    start_S: Integers,
    moment_S: Integers,
    before: Visits | None,
) -> tuple[Integers, Integers]:
    """What `earlier_visit` returns of rows (S) at some moments.

    Among the rows of visits those of the row's user begin at `start_S`, and `moment_S` is the first
    that is not before its moment. `before` are the visits before those, of each row's user.
    """
    has_S = moment_S > start_S
    newest_S = np.maximum(moment_S - 1, 0)
    begin_S = np.where(has_S, _at(visits.begin_N, newest_S), start_S)
    first_S = np.where(has_S, _at(visits.time_N, begin_S), NO_TIME)
    last_S = np.where(has_S, _at(visits.time_N, newest_S), NO_TIME)
    num_S = np.where(has_S, moment_S - begin_S, 0)
    if before is not None:
        is_soon_S = ~has_S | (first_S - before.last_R <= visits.gap)
        goes_on_S = (before.last_R != NO_TIME) & (begin_S == start_S) & is_soon_S
        first_S = np.where(goes_on_S, before.first_R, first_S)
        num_S = num_S + np.where(goes_on_S, before.num_R, 0)
        last_S = np.where(has_S, last_S, before.last_R)
    is_open_S = (last_S != NO_TIME) & (time_S - last_S <= visits.gap)
    return np.where(is_open_S, first_S, time_S), np.where(is_open_S, num_S, 0)


def _at(value_N: Integers, position_S: Integers) -> Integers:
    """The values at positions (S,); where there is none, any value."""
    if not value_N.size:
        return position_S
    value_S: Integers = value_N[np.minimum(position_S, value_N.size - 1)]
    return value_S
