"""Sequence index: the sequences of a few rows from the state of a log, without reading all of it.

The rows that a sequence may show lie by key and time, as in a table whose sequences are computed,
so what is taken from positions is the same. Keys are hashes, see `log_index.py`. Rows that came
since the index was made are `pending`: of the few keys that they have, rows are sorted again for
those who ask.

Shape legend: Q rows that ask, K keys, E rows of a log, N rows with a key, P pending rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.derived.event_log import Integers
from hinet_search.data.derived.moments import NO_TIME, Moments
from hinet_search.data.derived.rows_of_log import labelled_later, some_rows, with_rows
from hinet_search.data.derived.seen_sequences import SeenSequence, numbered_parts
from hinet_search.data.derived.sequences import EarlierSlots, LoggedParts
from hinet_search.data.rows import Rows
from hinet_search.study.sequence_definition import SequenceDefinition

Keys = tuple[str, ...]
Hashes = NDArray[np.uint64]
HashesByKey = Mapping[Keys, Hashes]
NONE = -1
BEFORE_ALL = -1


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

    def codes(self, hash_Q: Hashes) -> Integers:
        """The number of each hash, NONE where it has no row."""
        if not self.hash_K.size:
            return np.full(hash_Q.size, NONE)
        code_Q = np.minimum(np.searchsorted(self.hash_K, hash_Q), self.hash_K.size - 1)
        return np.where(self.hash_K[code_Q] == hash_Q, code_Q, NONE)

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
        code_K = self.codes(hash_K)
        code_K = code_K[code_K != NONE]
        start_K = self.first_from(code_K, BEFORE_ALL)
        stop_K = self.first_from(code_K + 1, BEFORE_ALL)
        ranges = [np.arange(*ends) for ends in zip(start_K, stop_K, strict=True)]
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
        return tuple(
            self._seen(name, sequence, hashes[sequence.key], moments)
            for name, sequence in self.sequences.items()
        )

    def _seen(
        self, name: str, sequence: SequenceDefinition, hash_Q: Hashes, moments: Moments
    ) -> SeenSequence:
        timed = self.known
        keyed = self.by_key[sequence.key]
        parts = self.parts[name]
        is_asked_P = np.isin(self.pending.hashes[sequence.key], hash_Q[hash_Q > 0])
        if is_asked_P.any():
            timed = self._with_pending(keyed.rows_of(np.unique(hash_Q)), is_asked_P)
            keyed = _KeyedTimes.of(timed, sequence.key)
            parts = numbered_parts(sequence, timed.rows, self.tasks)
        time_Q = moments.time_R
        code_Q = keyed.codes(hash_Q)
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
