"""Session state: the last visit of every user, so that later rows get the inputs of one table.

Shape legend: R rows, S rows of some users, sorted by user and time.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from hinet_search.common.amounts import counted
from hinet_search.common.errors import DataError
from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.event_log import (
    EventLog,
    Integers,
    KeyedRows,
    Walk,
    for_rows_of_keys,
    last_position,
    log_of,
)
from hinet_search.data.derived.events import frame_of, write, zeros
from hinet_search.data.derived.key_codes import column_codes, key_codes
from hinet_search.data.derived.moments import NO_TIME, Moments
from hinet_search.data.derived.sessions import NAMES, visit_begins, visit_inputs
from hinet_search.data.encode import known_values
from hinet_search.data.rows import Rows
from hinet_search.study.event_definition import SessionDefinition

EVERYTHING = Walk(len(SPLITS) - 1, tuple(range(len(SPLITS))))
USER, FIRST, LAST, NUM_ROWS, NUM_LAST = "user", "first", "last", "rows", "rows of the last moment"
NUMBERS = (FIRST, LAST, NUM_ROWS, NUM_LAST)


@dataclass(frozen=True)
class SessionState:
    """The last visit of every user.

    A row of `visits` has a USER, the moments of the FIRST and LAST rows of the visit, the number of
    its rows, and how many of these are of the last moment. `gap` is in units of time.
    """

    user: str
    gap: int
    visits: pl.DataFrame


@dataclass(frozen=True)
class _Visits:
    """The visit of each row's user that is in a state (R,); LAST is NO_TIME where there is none."""

    first_R: Integers
    last_R: Integers
    num_R: Integers
    num_last_R: Integers


def session_state_of(
    definition: SessionDefinition, rows: Rows, user: str, moments: Moments
) -> SessionState:
    """The state of a log after all of these rows."""
    none = pl.DataFrame(
        {USER: known_values(rows.frame[user]).clear(), **{name: [] for name in NUMBERS}},
        schema_overrides=dict.fromkeys(NUMBERS, pl.Int64),
    )
    return rolled_sessions(SessionState(user, moments.units(definition.gap), none), rows, moments)


def sessions_after(state: SessionState, rows: Rows, moments: Moments) -> pl.DataFrame:
    """The columns of `session_inputs` of rows that follow a log, and see it and one another.

    DataError when a row is older than the last one of its user.
    """
    log, visits = log_of(rows, moments, EVERYTHING), _visits_of(state, rows)
    _refuse_old(visits, moments)
    value_RC = zeros(rows, len(NAMES))

    def use(keyed: KeyedRows) -> None:
        first_S, num_S = _visit(log, keyed, visits, state.gap)
        seconds_S = (keyed.time_S - first_S) / moments.units_a_second
        write(value_RC, log, keyed, visit_inputs(num_S, seconds_S))

    for_rows_of_keys(log, _codes(state, rows), use)
    return frame_of(NAMES, value_RC, rows)


def rolled_sessions(state: SessionState, rows: Rows, moments: Moments) -> SessionState:
    """The state after further rows, which must not be in it already.

    DataError when a row is older than the last one of its user.
    """
    log, visits = log_of(rows, moments, EVERYTHING), _visits_of(state, rows)
    _refuse_old(visits, moments)
    tables = [state.visits]

    def use(keyed: KeyedRows) -> None:
        tables.append(_last_visits(state, log, rows, keyed, visits))

    for_rows_of_keys(log, _codes(state, rows), use)
    newest = pl.concat(tables).group_by(USER, maintain_order=True).last()
    return SessionState(state.user, state.gap, newest)


def _refuse_old(visits: _Visits, moments: Moments) -> None:
    is_old_R = (moments.time_R != NO_TIME) & (moments.time_R < visits.last_R)
    num_old = int(is_old_R.sum())
    if num_old:
        raise DataError(
            "rows must follow those of the state, got "
            f"{counted(num_old, 'row')} from before the last row of the same user",
            remedy="give rows in the order of time, or make the state again from the whole log",
        )


def _codes(state: SessionState, rows: Rows) -> Integers:
    return key_codes(rows, [column_codes(rows, [state.user])[state.user]])


def _visits_of(state: SessionState, rows: Rows) -> _Visits:
    """The stored visit of each row's user."""
    users = pl.DataFrame({USER: known_values(rows.frame[state.user])})
    found = users.join(state.visits, on=USER, how="left", maintain_order="left")
    first_R, last_R, num_R, num_last_R = (
        found[name].fill_null(NO_TIME if name == LAST else 0).to_numpy() for name in NUMBERS
    )
    return _Visits(first_R, last_R, num_R, num_last_R)


def _visit(log: EventLog, keyed: KeyedRows, visits: _Visits, gap: int) -> tuple[Integers, Integers]:
    """The first moment of each row's visit, and the number of its rows before the row's moment."""
    row_S = log.row_E[keyed.place_S]
    begin_S = last_position(visit_begins(keyed, gap))
    last_S = visits.last_R[row_S]
    is_soon_S = (last_S != NO_TIME) & (keyed.time_S[keyed.start_S] - last_S <= gap)
    goes_on_S = is_soon_S & (begin_S == keyed.start_S)
    is_last_moment_S = keyed.time_S == last_S
    num_stored_S = visits.num_R[row_S] - np.where(is_last_moment_S, visits.num_last_R[row_S], 0)
    first_S = np.where(goes_on_S, visits.first_R[row_S], keyed.time_S[begin_S])
    num_S = keyed.moment_S - begin_S + np.where(goes_on_S, num_stored_S, 0)
    return first_S, num_S


def _last_visits(
    state: SessionState, log: EventLog, rows: Rows, keyed: KeyedRows, visits: _Visits
) -> pl.DataFrame:
    """The visit of the last row of every user, as the state has it."""
    first_S, num_S = _visit(log, keyed, visits, state.gap)
    is_end_S = np.append(keyed.start_S[1:] != keyed.start_S[:-1], True)
    end = np.flatnonzero(is_end_S)
    row, time = log.row_E[keyed.place_S[end]], keyed.time_S[end]
    num_stored = np.where(time == visits.last_R[row], visits.num_last_R[row], 0)
    num_last = end - keyed.moment_S[end] + 1 + num_stored
    return pl.DataFrame(
        {
            USER: known_values(rows.frame[state.user])[row],
            FIRST: first_S[end],
            LAST: time,
            NUM_ROWS: num_S[end] + num_last,
            NUM_LAST: num_last,
        }
    )
