"""Log index: the inputs of a few rows from the state of a log, without reading all of it.

The rows of every key lie together in the order of time, as in a table whose inputs are computed,
and positions among them are found by binary search: what is counted from positions is the same.
A key is known by a hash of 64 bits: of a million keys two have the same one in one of 37 million
indices. Rows that came since the index was made are `pending`: the few keys that they have
are sorted again for those who ask.

Shape legend: Q rows that ask, K keys, E rows of a log, N rows of some keys, P pending rows,
C columns.
"""

import secrets
from collections.abc import Iterator, Mapping
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
    values_of_key,
    with_older,
)
from hinet_search.data.derived.countable_labels import key_columns
from hinet_search.data.derived.earlier_rows import (
    Horizons,
    LabelsOfKeys,
    SeenRows,
    lengths,
    rows_before,
    sums_before,
    whole_labels,
)
from hinet_search.data.derived.event_log import Integers, last_position
from hinet_search.data.derived.events import Floats, inputs_of
from hinet_search.data.derived.moments import NO_TIME, Moments
from hinet_search.data.derived.rows_of_log import joined_rows
from hinet_search.data.derived.seen_sequences import SeenSequence
from hinet_search.data.derived.sequence_index import SequenceIndex, TimedRows, sequence_index
from hinet_search.data.derived.sessions import (
    Visits,
    VisitTimes,
    visit_at,
    visit_begins,
    visit_inputs,
)
from hinet_search.data.rows import Rows

if TYPE_CHECKING:
    from hinet_search.data.derived.log_state import LogState

NONE = -1
_SEED = secrets.randbits(63)  # of hashes, so that no stranger can choose ids of one hash
BEFORE_ALL = -1  # a moment
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class LoggedRows:
    """Rows of a log: the hash of every key, the moment and number, and the labels of every task.

    `has_T` says which have the task. A row that is not seen is a label that came after its row: it
    is no exposure.
    """

    hash_K: Mapping[Keys, Hashes]
    time_R: Integers
    number_R: NDArray[np.uint64]
    is_seen_R: NDArray[np.bool_]
    added_T: tuple[NDArray[np.int64], ...]
    has_T: tuple[NDArray[np.bool_], ...]

    def of(self, row_N: NDArray[np.intp]) -> "LoggedRows":
        """Some of the rows."""
        return LoggedRows(
            {key: hashes[row_N] for key, hashes in self.hash_K.items()},
            self.time_R[row_N],
            self.number_R[row_N],
            self.is_seen_R[row_N],
            tuple(added_R[row_N] for added_R in self.added_T),
            tuple(has_R[row_N] for has_R in self.has_T),
        )

    def with_later(self, later: "LoggedRows") -> "LoggedRows":
        """These rows, then others."""
        return LoggedRows(
            {key: np.append(hashes, later.hash_K[key]) for key, hashes in self.hash_K.items()},
            np.append(self.time_R, later.time_R),
            np.append(self.number_R, later.number_R),
            np.append(self.is_seen_R, later.is_seen_R),
            tuple(map(np.append, self.added_T, later.added_T)),
            tuple(map(np.append, self.has_T, later.has_T)),
        )


def logged_rows(
    state: "LogState", rows: Rows, moments: Moments, is_seen_R: NDArray[np.bool_] | None = None
) -> LoggedRows:
    """Rows with a time as an index has them; all are seen unless `is_seen_R` says which."""
    is_timed_R = moments.time_R != NO_TIME
    tasks = range(len(state.tasks))
    has_task_MT = state.recent.has_task_MT
    return LoggedRows(
        {key: hashes_of(rows.frame, key) for key in state.keys},
        moments.time_R,
        rows.row_R,
        np.ones(rows.num_rows, dtype=np.bool_) if is_seen_R is None else is_seen_R,
        tuple(
            whole_labels(state.recent, rows.labels_RT[:, task], task).astype(np.int64)
            for task in tasks
        ),
        tuple(has_task_MT[rows.scenario_R, task] for task in tasks),
    ).of(np.flatnonzero(is_timed_R))


def hashes_of(frame: pl.DataFrame, key: Keys) -> Hashes:
    """The hash of a key of every row, 0 where a value is missing."""
    values = values_of_key(frame, key)
    hashes: Hashes = np.maximum(values.hash_rows(_SEED).to_numpy(), np.uint64(1))
    for column in values:
        if column.has_nulls():
            hashes = np.where(column.is_null().to_numpy(), np.uint64(0), hashes)
    return hashes


@dataclass(frozen=True)
class _KeyRows:
    """The rows of a key's values in the order of value and time, `sorted_N` holding both.

    `time_E` are the moments of the log, among which a moment has its place.
    """

    hash_K: Hashes
    time_E: Integers
    sorted_N: Integers
    seen: SeenRows
    labels_T: tuple[LabelsOfKeys, ...]
    visits: VisitTimes

    def codes(self, hash_Q: Hashes) -> Integers:
        """The number of each hash, NONE where it has no row."""
        return _found(self.hash_K, hash_Q, NONE)

    def first_from(self, code_Q: Integers, time_Q: Integers | int) -> Integers:
        """The position of the first row of a value that is not before a moment."""
        place_Q = np.searchsorted(self.time_E, time_Q)
        wanted_Q = (np.maximum(code_Q, 0) << self.bits) + np.where(code_Q == NONE, 0, place_Q)
        position_Q: Integers = np.searchsorted(self.sorted_N, wanted_Q)
        return position_Q

    @property
    def bits(self) -> int:
        """Bits that hold any place in the log, and their number."""
        return self.time_E.size.bit_length()


def _key_rows(rows: LoggedRows, key: Keys, gap: int) -> _KeyRows:
    """The rows of a key, in the order of a log."""
    row_E = np.lexsort((rows.number_R, rows.time_R))
    hash_E, time_E = rows.hash_K[key][row_E], rows.time_R[row_E]
    place_N = np.flatnonzero(hash_E > 0)
    hash_K, code_N = np.unique(hash_E[place_N], return_inverse=True)
    bits = time_E.size.bit_length()
    sorted_N = np.sort((code_N << bits) | place_N)
    place_N = sorted_N & ((1 << bits) - 1)
    row_N, time_N = row_E[place_N], time_E[place_N]
    labels = []
    for added_R, has_R in zip(rows.added_T, rows.has_T, strict=True):
        added_N, has_N = added_R[row_N], has_R[row_N]
        before_N = None if has_N.all() else sums_before(has_N)
        labels.append(LabelsOfKeys(added_N[has_N], sums_before(added_N[has_N]), before_N))
    code_N = sorted_N >> bits
    start_N, is_seen_N = last_position(np.diff(code_N, prepend=NONE) != 0), rows.is_seen_R[row_N]
    before_N = None if is_seen_N.all() else sums_before(is_seen_N)
    seen = SeenRows(time_N[is_seen_N], is_seen_N, before_N)
    visits = VisitTimes(
        seen.time_N, visit_begins(seen.time_N, seen.position(seen.only(start_N)), gap), gap
    )
    return _KeyRows(hash_K, time_E, sorted_N, seen, tuple(labels), visits)


@dataclass(frozen=True)
class _OlderOfKey:
    """What was added up for the values of a key, in the order of their hashes."""

    hash_K: Hashes
    rows: OlderRows

    def of(self, hash_Q: Hashes) -> OlderRows:
        """What was added up for some values."""
        return self.rows.of(_found(self.hash_K, hash_Q, self.hash_K.size))


@dataclass(frozen=True)
class _OlderVisits:
    """The last visits of users, in the order of their hashes."""

    hash_K: Hashes
    visits: Visits

    def of(self, hash_Q: Hashes) -> Visits:
        """The visits of some users."""
        return self.visits.of(_found(self.hash_K, hash_Q, self.hash_K.size))


def _found(hash_K: Hashes, hash_Q: Hashes, nowhere: int) -> Integers:
    """The position of each hash among others in ascending order, `nowhere` if it is not there."""
    if not hash_K.size:
        return np.full(hash_Q.size, nowhere)
    position_Q = np.searchsorted(hash_K, hash_Q)
    is_there_Q = hash_K[np.minimum(position_Q, hash_K.size - 1)] == hash_Q
    return np.where(is_there_Q & (hash_Q > 0), position_Q, nowhere)


@dataclass(frozen=True)
class LogIndex:
    """A state, its rows by key, and the rows that came since."""

    state: "LogState"
    rows: LoggedRows
    of_keys: Mapping[Keys, _KeyRows]
    older: Mapping[Keys, _OlderOfKey]
    visits: _OlderVisits | None
    pending: LoggedRows
    sequences: SequenceIndex

    def with_later(
        self, rows: Rows, moments: Moments, is_seen_R: NDArray[np.bool_] | None = None
    ) -> "LogIndex":
        """The index with further rows pending, which it must not have.

        Of those that are not seen, which it has, the labels are new.
        """
        later = logged_rows(self.state, rows, moments, is_seen_R)
        hashes = _hashes_of_sequences(self.state, rows.frame)
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
        columns = list(self._columns(frame, moments))
        value_CQ = np.empty((len(columns), len(frame)), dtype=np.float32)
        for number, value_Q in enumerate(columns):
            value_CQ[number] = value_Q
        value_CQ[:, moments.time_R == NO_TIME] = 0
        return np.ascontiguousarray(value_CQ.T)

    def _columns(self, frame: pl.DataFrame, moments: Moments) -> Iterator[Floats]:
        events, session = self.state.definition.events, self.state.definition.session
        hashes = {key: hashes_of(frame, key) for key in self.state.keys}
        if events is not None:
            horizons = lengths(events, moments)
            for key in events.keys:
                yield from self._of_key(key, hashes[key], moments, horizons)
        if session is not None:
            user = (self.state.definition.user,)
            yield from self._of_visits(user, hashes[user], moments)

    def _of_key(
        self, key: Keys, hash_Q: Hashes, moments: Moments, horizons: Horizons
    ) -> Iterator[Floats]:
        events = self.state.definition.events
        assert events is not None, "there is a key of events"
        rows = self._rows(key, hash_Q)
        time_Q, code_Q = moments.time_R, rows.codes(hash_Q)
        moment_Q = rows.first_from(code_Q, time_Q)
        wanted = {*horizons.rows_W, *horizons.labels_W, horizons.delay} - {None, 0}
        first_Q: dict[int | None, Integers] = {
            None: rows.first_from(code_Q, BEFORE_ALL),
            0: moment_Q,
        }
        for length in wanted:
            if length is not None:
                first_Q[length] = rows.first_from(code_Q, time_Q - length)
        labels = rows.labels_T if horizons.delay is not None else ()
        recent = rows_before(time_Q, first_Q, rows.seen, labels, horizons, events.last)
        older = self.older[key].of(hash_Q)
        together = with_older(events, recent, older, np.arange(time_Q.size), time_Q)
        for value_Q in inputs_of(
            together, self.state.priors, events.smoothing, moments.units_a_second
        ):
            yield np.where(hash_Q > 0, value_Q, 0.0)

    def _of_visits(self, user: Keys, hash_Q: Hashes, moments: Moments) -> Iterator[Floats]:
        rows, time_Q = self._rows(user, hash_Q), moments.time_R
        code_Q = rows.codes(hash_Q)
        start_Q = rows.seen.position(rows.first_from(code_Q, BEFORE_ALL))
        moment_Q = rows.seen.position(rows.first_from(code_Q, time_Q))
        before = None if self.visits is None else self.visits.of(hash_Q)
        first_Q, num_Q = visit_at(rows.visits, time_Q, start_Q, moment_Q, before)
        seconds_Q = (time_Q - first_Q) / moments.units_a_second
        for value_Q in visit_inputs(num_Q, seconds_Q):
            yield np.where(hash_Q > 0, value_Q, 0.0)

    def _rows(self, key: Keys, hash_Q: Hashes) -> _KeyRows:
        """The rows of a key; of these values alone if some of them are pending."""
        whole = self.of_keys[key]
        chosen_P = np.flatnonzero(np.isin(self.pending.hash_K[key], hash_Q))
        if not chosen_P.size:
            return whole
        code = np.unique(whole.codes(np.unique(hash_Q)))
        code = code[code != NONE]
        start = np.searchsorted(whole.sorted_N, code << whole.bits)
        stop = np.searchsorted(whole.sorted_N, (code + 1) << whole.bits)
        parts = [np.arange(*ends) for ends in zip(start, stop, strict=True)]
        position = np.concatenate([np.zeros(0, dtype=np.int64), *parts])
        place = whole.sorted_N[position] & ((1 << whole.bits) - 1)
        known = self.rows.of(place)
        return _key_rows(known.with_later(self.pending.of(chosen_P)), key, self.state.gap)


def log_index(state: "LogState") -> LogIndex:
    """The index of a state, with nothing pending."""
    rows = logged_rows(state, state.recent, state.moments)
    rows = rows.of(np.lexsort((rows.number_R, rows.time_R)))  # so that a place is a position
    nothing = np.zeros(0, dtype=np.intp)
    return LogIndex(
        state=state,
        rows=rows,
        of_keys={key: _key_rows(rows, key, state.gap) for key in state.keys},
        older={key: _older_of_key(state, key, table) for key, table in state.older.items()},
        visits=None if state.visits is None else _older_visits(state, state.visits),
        pending=rows.of(nothing),
        sequences=_sequence_index(state),
    )


def _sequence_index(state: "LogState") -> SequenceIndex:
    rows = joined_rows(state.shown, state.recent)
    time_R = np.append(state.shown_moments.time_R, state.moments.time_R)
    known = TimedRows(
        rows, Moments(time_R, state.moments.unit), _hashes_of_sequences(state, rows.frame)
    )
    return sequence_index(state.definition.sequences, state.tasks, known)


def _hashes_of_sequences(state: "LogState", frame: pl.DataFrame) -> Mapping[Keys, Hashes]:
    keys = (sequence.key for sequence in state.definition.sequences.values())
    return {key: hashes_of(frame, key) for key in dict.fromkeys(keys)}


def _older_of_key(state: "LogState", key: Keys, table: pl.DataFrame) -> _OlderOfKey:
    hash_K, order_K = _in_order(table, key)
    events = state.definition.events
    assert events is not None, "there is a key of events"
    return _OlderOfKey(hash_K, older_of_table(events, len(state.tasks), table, order_K))


def _older_visits(state: "LogState", visits: pl.DataFrame) -> _OlderVisits:
    hash_K, order_K = _in_order(visits, (state.definition.user,))
    first_K, last_K, num_K = (
        np.append(visits[name].to_numpy()[order_K], nothing)
        for name, nothing in ((FIRST, 0), (LAST, NO_TIME), (NUM_ROWS, 0))
    )
    return _OlderVisits(hash_K, Visits(first_K, last_K, num_K))


def _in_order(table: pl.DataFrame, key: Keys) -> tuple[Hashes, NDArray[np.intp]]:
    """The hashes of the keys of a table in ascending order, and the order."""
    hashes = hashes_of(table, key_columns(key))
    order = np.argsort(hashes)
    return hashes[order], order
