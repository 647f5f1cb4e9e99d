"""Seen sequences: what later rows see of a log, before the values of items have ids.

A log goes on while vocabularies may grow, so it keeps values. The slots of a sequence hold numbers
of rows of the log; the ids of these rows are looked up when the slots are encoded.

A sequence index has those of a few rows without reading all of the log. The rows that a sequence
may show lie by key and time, as in a table whose sequences are computed, so what is taken from
positions is the same. Keys are hashes, see `log_index.py`. Rows that came since the index was made
are `pending`: of the few keys that they have, rows are sorted again for those who ask.

Shape legend: R rows that see, N rows of the log (in an index those with a key), U of them that are
seen, I items, T labels, P parts (or pending rows), L slots of one part, Q rows that ask, K keys,
E rows of a log.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.event_log import EventLog, Integers
from hinet_search.data.derived.key_codes import key_codes
from hinet_search.data.derived.key_hashes import Hashes, found
from hinet_search.data.derived.moments import NO_TIME, Moments
from hinet_search.data.derived.rows_of_log import labelled_later, some_rows, with_rows
from hinet_search.data.derived.sequences import (
    EarlierSlots,
    Ids,
    LoggedParts,
    label_ids,
    sequence_slots,
)
from hinet_search.data.lists import NONE
from hinet_search.data.rows import Rows
from hinet_search.study.sequence_definition import SequenceDefinition

Keys = tuple[str, ...]
HashesByKey = Mapping[Keys, Hashes]
BEFORE_ALL = -1  # a moment
IdsOfItems = Callable[[pl.DataFrame], Ids]  # the ids (U, I) of rows with the columns of the items


@dataclass(frozen=True)
class SeenSequence:
    """A sequence of some rows: `items` are values of the N rows of a log.

    Of `slots_RPL` the first part is 1 + the number of the row in a slot, 0 without one; labels and
    gaps follow as ids.
    """

    items: pl.DataFrame
    slots_RPL: Ids

    def of(self, rows: slice | NDArray[np.bool_] | NDArray[np.intp]) -> "SeenSequence":
        """The sequence of some of the rows."""
        return replace(self, slots_RPL=self.slots_RPL[rows])

    def encoded(self, ids_of: IdsOfItems) -> Ids:
        """The slots (R, P * L) with the ids of the items, as training has them."""
        number_RL = self.slots_RPL[:, 0]
        others = self.slots_RPL[:, 1:]
        seen_U, place_RL = _seen_rows(number_RL, len(self.items))
        none_1I = np.zeros((1, self.items.width), dtype=np.int32)
        ids_RLI = np.concatenate([none_1I, ids_of(self.items[seen_U])])[place_RL]
        slots_RPL = np.concatenate([ids_RLI.transpose(0, 2, 1), others], axis=1)
        return slots_RPL.reshape(len(slots_RPL), -1)


def _seen_rows(number_RL: Ids, num_rows: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows (U,) that are in some slot, and 1 + the place of each slot's among them, or 0."""
    if number_RL.size < num_rows:  # the few rows of a request, of a large log
        number_U = np.unique(number_RL)
        number_U = number_U[number_U > 0]
        place_RL = np.searchsorted(number_U, number_RL) + (number_RL > 0)
        return number_U.astype(np.intp) - 1, place_RL
    is_seen_N = np.zeros(1 + num_rows, dtype=np.bool_)
    is_seen_N[number_RL] = True
    is_seen_N[0] = False
    place_N = np.where(is_seen_N, np.cumsum(is_seen_N), 0)
    return np.flatnonzero(is_seen_N) - 1, place_N[number_RL]


def seen_sequence(
    sequence: SequenceDefinition, log: EventLog, tasks: Sequence[str], moments: Moments
) -> SeenSequence:
    """The sequence of all rows of a log."""
    parts = numbered_parts(sequence, log.rows, tasks)
    slots_RS = sequence_slots(sequence, [log], moments, parts)
    num_parts = 1 + len(sequence.labels) + 1
    return SeenSequence(
        log.rows.frame.select(sequence.items),
        slots_RS.reshape(log.rows.num_rows, num_parts, sequence.length),
    )


def numbered_parts(sequence: SequenceDefinition, rows: Rows, tasks: Sequence[str]) -> LoggedParts:
    """What rows show of themselves, with 1 + their number in place of their items."""
    number_R1 = np.arange(1, rows.num_rows + 1, dtype=np.int32)[:, None]
    return LoggedParts(number_R1, label_ids(sequence, rows, tasks, slice(None)))


def still_shown(
    sequences: Sequence[SequenceDefinition], rows: Rows, moments: Moments
) -> NDArray[np.bool_]:
    """Which rows (R,) are among the last ones of their key that some sequence is long."""
    is_shown_R = np.zeros(rows.num_rows, dtype=np.bool_)
    for sequence in sequences:
        code_R = key_codes(rows, sequence.key)
        order_R = np.lexsort((rows.row_R, moments.time_R, code_R))
        code_R = code_R[order_R]
        end_R = np.searchsorted(code_R, code_R, side="right")
        is_last_R = end_R - np.arange(code_R.size) <= sequence.length
        is_shown_R[order_R] |= is_last_R & (code_R >= 0)
    return is_shown_R


@dataclass(frozen=True)
class TimedRows:
    """Rows of a log, their moments, and the hash of every key of a sequence."""

    rows: Rows
    moments: Moments
    hashes: HashesByKey

    def of(self, number: NDArray[np.intp]) -> "TimedRows":
        """Some of the rows."""
        return TimedRows(
            some_rows(self.rows, number),
            Moments(self.moments.time_R[number], self.moments.unit),
            {key: hash_R[number] for key, hash_R in self.hashes.items()},
        )

    def followed_by(self, later: "TimedRows") -> "TimedRows":
        """These rows, then others."""
        return TimedRows(
            with_rows(self.rows, later.rows),
            Moments(np.append(self.moments.time_R, later.moments.time_R), self.moments.unit),
            {key: np.append(hash_R, later.hashes[key]) for key, hash_R in self.hashes.items()},
        )


@dataclass(frozen=True)
class _KeyedTimes:
    """Rows of the hashes of a key in the order of hash and time, `sorted_N` holding both."""

    hash_K: Hashes
    time_E: Integers
    sorted_N: Integers
    row_N: Integers

    @staticmethod
    def of(timed: TimedRows, key: Keys) -> "_KeyedTimes":
        """Sort the rows that have the key."""
        time_R = timed.moments.time_R
        row_E = np.lexsort((timed.rows.row_R, time_R))
        hash_E = timed.hashes[key][row_E]
        place_N = np.flatnonzero(hash_E > 0)
        hash_K, code_N = np.unique(hash_E[place_N], return_inverse=True)
        bits = row_E.size.bit_length()
        sorted_N = np.sort((code_N << bits) | place_N)
        return _KeyedTimes(hash_K, time_R[row_E], sorted_N, row_E[sorted_N & ((1 << bits) - 1)])

    def first_from(self, code_Q: Integers, time_Q: Integers | int) -> Integers:
        """The position of the first row of a key that is not before a moment."""
        place_Q = np.where(code_Q == NONE, 0, np.searchsorted(self.time_E, time_Q))
        bits = self.time_E.size.bit_length()
        position_Q: Integers = np.searchsorted(
            self.sorted_N, (np.maximum(code_Q, 0) << bits) + place_Q
        )
        return position_Q

    def rows_of(self, hash_K: Hashes) -> Integers:
        """The rows of some keys."""
        code_K = found(self.hash_K, hash_K)
        code_K = code_K[code_K != NONE]
        start_K = self.first_from(code_K, BEFORE_ALL)
        stop_K = self.first_from(code_K + 1, BEFORE_ALL)
        ranges = [np.arange(start, stop) for start, stop in zip(start_K, stop_K, strict=True)]
        position_N = np.concatenate([np.zeros(0, dtype=np.int64), *ranges])
        row_N: Integers = self.row_N[position_N]
        return row_N


@dataclass(frozen=True)
class SequenceIndex:
    """The rows that sequences may show, by key, and the rows that came since.

    Of pending rows those that are not `is_row_P` are labels of others, which came later.
    """

    sequences: Mapping[str, SequenceDefinition]
    tasks: tuple[str, ...]
    known: TimedRows
    by_key: Mapping[Keys, _KeyedTimes]
    parts: Mapping[str, LoggedParts]
    pending: TimedRows
    is_row_P: NDArray[np.bool_]

    def with_later(
        self, rows: Rows, moments: Moments, is_row_R: NDArray[np.bool_] | None, hashes: HashesByKey
    ) -> "SequenceIndex":
        """The index with further rows pending, or labels of rows that it has."""
        if not self.sequences:
            return self
        is_row_R = np.ones(rows.num_rows, dtype=np.bool_) if is_row_R is None else is_row_R
        timed = np.flatnonzero(moments.time_R != NO_TIME)
        later = TimedRows(rows, moments, hashes).of(timed)
        return replace(
            self,
            pending=self.pending.followed_by(later),
            is_row_P=np.append(self.is_row_P, is_row_R[timed]),
        )

    def seen(self, hashes: HashesByKey, moments: Moments) -> tuple[SeenSequence, ...]:
        """The sequences of rows with these keys, which see the log and none of one another."""
        return tuple(self._seen(name, hashes, moments) for name in self.sequences)

    def _seen(self, name: str, hashes: HashesByKey, moments: Moments) -> SeenSequence:
        sequence = self.sequences[name]
        hash_Q = hashes[sequence.key]
        timed = self.known
        keyed = self.by_key[sequence.key]
        parts = self.parts[name]
        is_asked_P = np.isin(self.pending.hashes[sequence.key], hash_Q[hash_Q > 0])
        if is_asked_P.any():
            timed = self._with_pending(keyed.rows_of(np.unique(hash_Q)), is_asked_P)
            keyed = _KeyedTimes.of(timed, sequence.key)
            parts = numbered_parts(sequence, timed.rows, self.tasks)
        time_Q = moments.time_R
        code_Q = found(keyed.hash_K, hash_Q)
        moment_Q = known_Q = keyed.first_from(code_Q, time_Q)
        if sequence.labels_after is not None:
            known_Q = keyed.first_from(code_Q, time_Q - moments.units(sequence.labels_after))
        start_Q = keyed.first_from(code_Q, BEFORE_ALL)
        earlier = EarlierSlots(
            keyed.row_N, timed.moments.time_R[keyed.row_N], parts, moments.units_a_second
        )
        slots_QPL = earlier.slots(time_Q, start_Q, moment_Q, known_Q, sequence.length)
        return SeenSequence(timed.rows.frame.select(sequence.items), slots_QPL)

    def _with_pending(self, known: Integers, is_asked_P: NDArray[np.bool_]) -> TimedRows:
        """Some of the known rows, then those that are pending, with labels that came later."""
        rows = np.flatnonzero(is_asked_P & self.is_row_P)
        timed = self.known.of(known).followed_by(self.pending.of(rows))
        labels = self.pending.of(np.flatnonzero(is_asked_P & ~self.is_row_P)).rows
        is_there = np.isin(labels.row_R, timed.rows.row_R)  # else its row is shown no longer
        labels = some_rows(labels, np.flatnonzero(is_there))
        return replace(timed, rows=labelled_later(timed.rows, labels))


def sequence_index(
    sequences: Mapping[str, SequenceDefinition], tasks: tuple[str, ...], known: TimedRows
) -> SequenceIndex:
    """The index of the rows of a state, with nothing pending."""
    nothing = np.zeros(0, dtype=np.intp)
    keys = dict.fromkeys(sequence.key for sequence in sequences.values())
    return SequenceIndex(
        sequences=sequences,
        tasks=tasks,
        known=known,
        by_key={key: _KeyedTimes.of(known, key) for key in keys},
        parts={
            name: numbered_parts(sequence, known.rows, tasks)
            for name, sequence in sequences.items()
        },
        pending=known.of(nothing),
        is_row_P=np.zeros(0, dtype=np.bool_),
    )
