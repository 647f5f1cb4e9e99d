"""Sessions: where a row stands in the visit of its user.

A visit ends when more than `gap` passes until the user's next moment. Its rows are those that
events.py lets a row see. A row without a user or a time has zeros.

Shape legend: R rows of the table, S rows of some users, sorted by user and time.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.event_log import (
    EventLog,
    Integers,
    KeyedRows,
    for_rows_of_keys,
    last_position,
    log_of,
    walks,
)
from hinet_search.data.derived.events import Floats, frame_of, write, zeros
from hinet_search.data.derived.key_codes import column_codes, key_codes
from hinet_search.data.derived.moments import Moments
from hinet_search.data.rows import Rows
from hinet_search.study.event_definition import SessionDefinition

NAMES = ("session position", "session seconds")


def session_inputs(
    definition: SessionDefinition, rows: Rows, user: str, moments: Moments
) -> pl.DataFrame:
    """Float32 columns of NAMES without nulls: log(1 + rows) and log(1 + seconds) of the visit.

    Rows are those before the row's moment, seconds those since the first of them.
    """
    code_R = key_codes(rows, [column_codes(rows, [user])[user]])
    value_RC = zeros(rows, len(NAMES))
    gap = moments.units(definition.gap)

    def use(log: EventLog, keyed: KeyedRows) -> None:
        write(value_RC, log, keyed, _of_visits(keyed, gap, moments.units_a_second))

    for walk in walks(rows, moments):
        log = log_of(rows, moments, walk)
        for_rows_of_keys(log, code_R, partial(use, log))
    return frame_of(NAMES, value_RC, rows)


def _of_visits(keyed: KeyedRows, gap: int, units_a_second: int) -> Iterator[Floats]:
    begin_S = last_position(visit_begins(keyed, gap))
    seconds_S = (keyed.time_S - keyed.time_S[begin_S]) / units_a_second
    return visit_inputs(keyed.moment_S - begin_S, seconds_S)


def visit_begins(keyed: KeyedRows, gap: int) -> NDArray[np.bool_]:
    """Whether each row (S,) is the first of a visit, of what these rows show."""
    is_first_S = keyed.start_S == np.arange(keyed.start_S.size)
    begins_S: NDArray[np.bool_] = is_first_S | (np.diff(keyed.time_S, prepend=0) > gap)
    return begins_S


def visit_inputs(num_S: Integers, seconds_S: Floats) -> Iterator[Floats]:
    """Yield the columns of NAMES."""
    yield np.log1p(num_S)
    yield np.log1p(seconds_S)
