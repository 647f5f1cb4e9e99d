"""Sessions: where a row stands in the visit of its user.

A visit ends when more than `gap` passes until the user's next moment. Its rows are those that
events.py lets a row see. A row without a user or a time has zeros.

Shape legend: R rows of the table, S rows of some users, sorted by user and time.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from hinet_search.data.derived.event_log import EventLog, Integers, KeyedRows, keyed_rows, log_of
from hinet_search.data.derived.events import Floats, frame_of, passes, write, zeros
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
    codes = column_codes(rows, [user])[user]
    value_CR = zeros(len(NAMES), rows)
    gap = moments.units(definition.gap)
    for each in passes(rows, moments):
        log = log_of(rows, moments, each.last_split)
        earlier_E = log.num_before(0)
        for keyed in keyed_rows(log, key_codes(rows, [codes], log.place_bits)):
            row_S = log.row_E[keyed.place_S]
            is_written_S = np.isin(rows.split_R[row_S], each.written)
            columns = _of_visits(log, keyed, earlier_E, gap, moments.units_a_second)
            write(value_CR, row_S, is_written_S, columns)
    return frame_of(NAMES, value_CR)


def _of_visits(
    log: EventLog, keyed: KeyedRows, earlier_E: Integers, gap: int, units_a_second: int
) -> Iterator[Floats]:
    """Yield the columns of NAMES."""
    moment_S = keyed.first_from(earlier_E)  # the first position of the row's own moment
    time_S = log.time_E[keyed.place_S]
    since_S = np.diff(time_S, prepend=0)
    position_S = np.arange(time_S.size)
    begins_S = (position_S == keyed.start_S) | (since_S > gap)
    first_S = np.maximum.accumulate(np.where(begins_S, position_S, 0))
    yield np.log1p(moment_S - first_S)
    yield np.log1p((time_S - time_S[first_S]) / units_a_second)
