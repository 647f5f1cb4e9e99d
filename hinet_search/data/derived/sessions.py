"""Sessions: where a row stands in the visit of its user.

A visit ends when more than `gap` passes until the user's next moment. Its rows are those that
events.py lets a row see. A row without a user or a time has zeros.

Shape legend: R rows of the table, S rows of some users, sorted by user and time, N of them are
seen.
"""

from collections.abc import Iterator
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
from hinet_search.data.derived.moments import Moments
from hinet_search.data.derived.rates import Floats
from hinet_search.data.rows import Rows
from hinet_search.study.event_definition import SessionDefinition

NAMES = ("session position", "session seconds")


def session_inputs(
    definition: SessionDefinition, rows: Rows, user: str, moments: Moments
) -> pl.DataFrame:
    """Float32 columns of NAMES without nulls: log(1 + rows) and log(1 + seconds) of the visit.

    Rows are those before the row's moment, seconds those since the first of them.
    """
    code_R = key_codes(rows, [user])
    value_RC = zeros(rows, len(NAMES))
    gap = moments.units(definition.gap)

    def use(log: EventLog, keyed: KeyedRows) -> None:
        first_S, num_S = earlier_visit(log, keyed, gap)
        seconds_S = (keyed.time_S - first_S) / moments.units_a_second
        write(value_RC, log, keyed, visit_inputs(num_S, seconds_S))

    for log in [log_of(rows, moments, walk) for walk in walks(rows, moments)]:
        for_rows_of_keys(log, code_R, partial(use, log))
    return frame_of(NAMES, value_RC, rows)


def visit_inputs(num_S: Integers, seconds_S: Floats) -> Iterator[Floats]:
    """Yield the columns of NAMES."""
    yield np.log1p(num_S)
    yield np.log1p(seconds_S)


def earlier_visit(log: EventLog, keyed: KeyedRows, gap: int) -> tuple[Integers, Integers]:
    """The first moment of each row's visit (S,), and the number of its rows before the row's own.

    The visit is that of the last row before which is seen. Where that has ended, or there is none,
    the row's own moment is the first.
    """
    seen = seen_rows(keyed, log)
    moment_S = seen.position(keyed.moment_S)
    start_S = seen.position(keyed.start_S)
    begin_N = visit_begins(seen.time_N, seen.only(start_S), gap)
    newest_S = np.maximum(moment_S - 1, 0)
    begin_S = _at(begin_N, newest_S)
    is_open_S = (moment_S > start_S) & (keyed.time_S - _at(seen.time_N, newest_S) <= gap)
    first_S = np.where(is_open_S, _at(seen.time_N, begin_S), keyed.time_S)
    return first_S, np.where(is_open_S, moment_S - begin_S, 0)


def visit_begins(time_N: Integers, start_N: Integers, gap: int) -> Integers:
    """The position of the first row of each row's visit; `start_N` that of its user."""
    begins_N = (np.arange(start_N.size) == start_N) | (np.diff(time_N, prepend=0) > gap)
    return last_position(begins_N)


def _at(value_N: Integers, position_S: Integers) -> Integers:
    """The values at positions (S,); where there is none, any value."""
    if not value_N.size:
        return position_S
    value_S: Integers = value_N[np.minimum(position_S, value_N.size - 1)]
    return value_S
