"""Log index: the inputs of a few rows from the state of a log, without reading all of it.

What a row may count of its keys is looked up by their hashes in rows that are recent, those that
came since the index was made, and what was added up of older ones.

Shape legend: Q rows that ask, K keys, A = K * Q pairs of a key and a row, V values of keys,
U users that ask, N rows of these users, P pending rows, C columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.added_up import (
    FIRST,
    LAST,
    NUM_ROWS,
    Keys,
    OlderRows,
    older_of_table,
    with_older,
)
from hinet_search.data.derived.countable_labels import key_columns
from hinet_search.data.derived.earlier_rows import Horizons, lengths
from hinet_search.data.derived.events import inputs_of
from hinet_search.data.derived.key_hashes import (
    MISSING,
    Hashes,
    column_hashes,
    found,
    hashes_of_key,
    key_hashes,
)
from hinet_search.data.derived.keyed_log import (
    Asked,
    KeyedLog,
    earlier_of_parts,
    keyed_log,
    logged_rows,
)
from hinet_search.data.derived.moments import NO_TIME, Moments
from hinet_search.data.derived.pending_rows import PendingRows, nothing_pending
from hinet_search.data.derived.rows_of_log import with_rows
from hinet_search.data.derived.seen_sequences import (
    SeenSequence,
    SequenceIndex,
    TimedRows,
    sequence_index,
)
from hinet_search.data.derived.sessions import (
    Visits,
    VisitTimes,
    visit_at,
    visit_begins,
    visit_inputs,
)
from hinet_search.data.rows import Rows
from hinet_search.study.event_definition import EventsDefinition

if TYPE_CHECKING:
    from hinet_search.data.derived.log_state import LogState

PAIRS_AT_ONCE = 2**17  # of a key and a row, in memory


@dataclass(frozen=True)
class _OlderOfKeys:
    """What was added up for the values of all keys, in the order of their hashes."""

    hash_V: Hashes
    rows: OlderRows

    def of(self, hash_A: Hashes) -> OlderRows:
        """What was added up for some values."""
        return self.rows.of(found(self.hash_V, hash_A, self.hash_V.size))


@dataclass(frozen=True)
class _OlderVisits:
    """The last visits of users, in the order of their hashes."""

    hash_V: Hashes
    visits: Visits

    def of(self, hash_Q: Hashes) -> Visits:
        """The visits of some users."""
        return self.visits.of(found(self.hash_V, hash_Q, self.hash_V.size))


@dataclass(frozen=True)
class LogIndex:
    """A state, its rows by key, and the rows that came since."""

    state: "LogState"
    recent: KeyedLog
    older: _OlderOfKeys | None
    visits: _OlderVisits | None
    pending: PendingRows
    sequences: SequenceIndex

    def with_later(
        self, rows: Rows, moments: Moments, is_seen_R: NDArray[np.bool_] | None = None
    ) -> "LogIndex":
        """The index with further rows pending, which it must not have.

        Of those that are not seen, which it has, the labels are new.
        """
        state = self.state
        later = logged_rows(state.keys, state.recent.has_task_MT, rows, moments, is_seen_R)
        hashes = _hashes_of_sequences(state, rows.frame)
        return replace(
            self,
            pending=self.pending.with_later(later),
            sequences=self.sequences.with_later(rows, moments, is_seen_R, hashes),
        )

    def seen_sequences(self, frame: pl.DataFrame, moments: Moments) -> tuple[SeenSequence, ...]:
        """The sequences of rows that see the log, not one another."""
        return self.sequences.seen(_hashes_of_sequences(self.state, frame), moments)

    def inputs(self, frame: pl.DataFrame, moments: Moments) -> NDArray[np.float32]:
        """The columns of `inputs_after` (Q, C) of rows that see the log, not one another."""
        if not self.state.keys:
            return np.zeros((len(frame), 0), dtype=np.float32)
        num_rows = max(PAIRS_AT_ONCE // len(self.state.keys), 1)
        parts = []
        for start in range(0, max(len(frame), 1), num_rows):
            part = slice(start, start + num_rows)
            of_part = Moments(moments.time_R[part], moments.unit)
            parts.append(self._inputs(frame[part], of_part))
        return np.concatenate(parts)

    def _inputs(self, frame: pl.DataFrame, moments: Moments) -> NDArray[np.float32]:
        events = self.state.definition.events
        session = self.state.definition.session
        asked = Asked(key_hashes(frame, self.state.keys), moments.time_R)
        blocks = []
        if events is not None:
            of_events = Asked(asked.hash_KQ[: len(events.keys)], asked.time_Q)
            blocks.append(self._of_events(events, of_events, moments))
        if session is not None:
            user = self.state.keys.index((self.state.definition.user,))
            blocks.append(self._of_visits(asked.hash_KQ[user], moments))
        value_QC = np.concatenate(blocks, axis=1)
        value_QC[moments.time_R == NO_TIME] = 0
        return value_QC

    @property
    def last_moment(self) -> int:
        """The moment of the last row, also a pending one; NO_TIME without one."""
        return int(self.pending.rows.time_R.max(initial=self.state.last_moment))

    @property
    def _parts(self) -> tuple[KeyedLog, ...]:
        return (self.recent, *self.pending.parts)

    def _of_events(
        self, events: EventsDefinition, asked: Asked, moments: Moments
    ) -> NDArray[np.float32]:
        """The inputs of all keys (Q, C), those of a key side by side."""
        horizons: Horizons = lengths(events, moments)
        hash_A = asked.hash_KQ.ravel()
        together = earlier_of_parts(self._parts, asked, horizons, events.last)
        if self.older is not None:
            older = self.older.of(hash_A)
            together = with_older(events, together, older, np.arange(hash_A.size), asked.moments)
        columns = inputs_of(together, self.state.priors, events.smoothing, moments.units_a_second)
        value_CA = np.array(list(columns), dtype=np.float32)
        value_CA[:, hash_A == MISSING] = 0
        num_columns = len(value_CA)
        num_keys, num_rows = asked.hash_KQ.shape
        value_QKC = value_CA.reshape(num_columns, num_keys, num_rows).transpose(2, 1, 0)
        return value_QKC.reshape(num_rows, num_keys * num_columns)

    def _of_visits(self, hash_Q: Hashes, moments: Moments) -> NDArray[np.float32]:
        """The inputs of sessions (Q, 2)."""
        hash_U, user_Q = np.unique(hash_Q, return_inverse=True)
        times = []
        users = []
        for part in self._parts:
            place_N, user_N = part.rows_of(hash_U)
            times.append(part.rows.time_R[place_N])
            users.append(user_N)
        log = _user_times(np.concatenate(times), np.concatenate(users), self.state.gap)
        before = None if self.visits is None else self.visits.of(hash_Q)
        start_Q, moment_Q = log.positions(user_Q, moments.time_R)
        first_Q, num_Q = visit_at(log.visits, moments.time_R, start_Q, moment_Q, before)
        seconds_Q = (moments.time_R - first_Q) / moments.units_a_second
        value_Q2 = np.array(list(visit_inputs(num_Q, seconds_Q)), dtype=np.float32).T
        value_Q2[hash_Q == MISSING] = 0
        return value_Q2


@dataclass(frozen=True)
class _UserTimes:
    """The moments of some users' rows (N), in the order of user and time, and their visits.

    `sorted_N` holds the number of the user above the place of the moment in `ascending_N`.
    """

    ascending_N: NDArray[np.int64]
    sorted_N: NDArray[np.int64]
    visits: VisitTimes

    def positions(
        self, user_Q: NDArray[np.int64], time_Q: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The position of the first row of each user, and of the first not before a moment."""
        first_Q = user_Q << self.ascending_N.size.bit_length()
        place_Q = np.searchsorted(self.ascending_N, time_Q)
        start_Q, moment_Q = np.searchsorted(self.sorted_N, [first_Q, first_Q + place_Q])
        return start_Q, moment_Q


def _user_times(time_N: NDArray[np.int64], user_N: NDArray[np.int64], gap: int) -> _UserTimes:
    ascending_N = np.sort(time_N)
    bits = time_N.size.bit_length()
    sorted_N = np.sort((user_N << bits) | np.searchsorted(ascending_N, time_N))
    user_N = sorted_N >> bits
    time_N = ascending_N[sorted_N & ((1 << bits) - 1)]
    begin_N = visit_begins(time_N, np.searchsorted(sorted_N, user_N << bits), gap)
    return _UserTimes(ascending_N, sorted_N, VisitTimes(time_N, begin_N, gap))


def log_index(state: "LogState") -> LogIndex:
    """The index of a state, with nothing pending."""
    rows = logged_rows(state.keys, state.recent.has_task_MT, state.recent, state.moments).in_order
    events = state.definition.events
    shown_rows = with_rows(state.shown, state.recent)
    time_R = np.append(state.shown_moments.time_R, state.moments.time_R)
    shown = TimedRows(
        shown_rows,
        Moments(time_R, state.moments.unit),
        _hashes_of_sequences(state, shown_rows.frame),
    )
    return LogIndex(
        state=state,
        recent=keyed_log(rows),
        older=None if events is None else _older_of_keys(state, events, state.older),
        visits=None if state.visits is None else _older_visits(state, state.visits),
        pending=nothing_pending(rows),
        sequences=sequence_index(state.definition.sequences, state.tasks, shown),
    )


def _hashes_of_sequences(state: "LogState", frame: pl.DataFrame) -> Mapping[Keys, Hashes]:
    keys = [*dict.fromkeys(sequence.key for sequence in state.definition.sequences.values())]
    return dict(zip(keys, key_hashes(frame, keys), strict=True))


def _older_of_keys(
    state: "LogState", events: EventsDefinition, tables: Mapping[Keys, pl.DataFrame]
) -> _OlderOfKeys:
    hashes = [_hashes_of_table(state, key, table) for key, table in tables.items()]
    numbers = [table.drop(key_columns(key)) for key, table in tables.items()]
    hash_V = np.concatenate(hashes)
    order_V = np.argsort(hash_V)
    older = older_of_table(events, len(state.tasks), pl.concat(numbers), order_V)
    return _OlderOfKeys(hash_V[order_V], older)


def _older_visits(state: "LogState", visits: pl.DataFrame) -> _OlderVisits:
    hash_V = _hashes_of_table(state, (state.definition.user,), visits)
    order_V = np.argsort(hash_V)
    of_visits = Visits(
        first_R=np.append(visits[FIRST].to_numpy()[order_V], 0),
        last_R=np.append(visits[LAST].to_numpy()[order_V], NO_TIME),
        num_R=np.append(visits[NUM_ROWS].to_numpy()[order_V], 0),
    )
    return _OlderVisits(hash_V[order_V], of_visits)


def _hashes_of_table(state: "LogState", key: Keys, table: pl.DataFrame) -> Hashes:
    """The hash of a key of every row of a table with `key_columns`."""
    columns = [column_hashes(table[name]) for name in key_columns(key)]
    return hashes_of_key(columns, state.keys.index(key))
