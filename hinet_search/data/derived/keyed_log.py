"""Keyed log: the rows of a log by key, among which those who ask find what they may count.

Rows are kept without the values of their columns. Those of every value of every key lie together in
the order of time, as in a table whose inputs are computed, and positions among them are found by
binary search, of all keys and lengths of time at once. A log may have several parts; what is
counted of each is added.

Shape legend: R rows, M scenarios, E rows of a log, V values of all keys, N rows of all of them,
K keys, Q rows that ask, A = K * Q pairs of a key and a row, H lengths of time, L last labels,
T tasks, P parts of a log.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.derived.added_up import Keys
from hinet_search.data.derived.earlier_rows import (
    NO_ROW,
    EarlierRows,
    Horizons,
    KnownLabels,
    LabelsOfKeys,
    SeenRows,
    TaskLabels,
    labels_of_keys,
    rows_before,
    sums_before,
    whole_labels,
)
from hinet_search.data.derived.event_log import Integers
from hinet_search.data.derived.key_hashes import MISSING, Hashes, found, key_hashes
from hinet_search.data.derived.moments import NO_TIME, Moments
from hinet_search.data.lists import NONE
from hinet_search.data.rows import Rows

BEFORE_ALL = -1  # a moment
NEVER_SINCE = np.iinfo(np.int64).max


@dataclass(frozen=True)
class LoggedRows:
    """Rows of a log: the hash of every key, the moment and number, and what each task adds.

    `has_TR` says which have the task. A row that is not seen is a label that came after its row: it
    is no exposure.
    """

    hash_KR: Hashes
    time_R: Integers
    number_R: NDArray[np.uint64]
    is_seen_R: NDArray[np.bool_]
    added_TR: Integers
    has_TR: NDArray[np.bool_]

    @property
    def num_rows(self) -> int:
        """The number of rows, R."""
        return self.time_R.size

    def of(self, row_N: NDArray[np.intp] | slice) -> "LoggedRows":
        """Some of the rows."""
        return LoggedRows(
            self.hash_KR[:, row_N],
            self.time_R[row_N],
            self.number_R[row_N],
            self.is_seen_R[row_N],
            self.added_TR[:, row_N],
            self.has_TR[:, row_N],
        )

    @property
    def in_order(self) -> "LoggedRows":
        """The rows in the order of a log."""
        return self.of(np.lexsort((self.number_R, self.time_R)))


def logged_rows(
    keys: Sequence[Keys],
    has_task_MT: NDArray[np.bool_],
    rows: Rows,
    moments: Moments,
    is_seen_R: NDArray[np.bool_] | None = None,
) -> LoggedRows:
    """Rows with a time as an index has them; all are seen unless `is_seen_R` says which."""
    hash_KR = key_hashes(rows.frame, keys)
    logged = hashed_rows(hash_KR, has_task_MT, rows, moments.time_R, is_seen_R)
    is_timed_R = moments.time_R != NO_TIME
    return logged if is_timed_R.all() else logged.of(np.flatnonzero(is_timed_R))


def hashed_rows(
    hash_KR: Hashes,
    has_task_MT: NDArray[np.bool_],
    rows: Rows,
    time_R: Integers,
    is_seen_R: NDArray[np.bool_] | None = None,
) -> LoggedRows:
    """Rows with the hashes of keys, and their moments; see `logged_rows`."""
    labels = [
        whole_labels(rows, rows.labels_RT[:, task], task).astype(np.int64)
        for task in range(has_task_MT.shape[1])
    ]
    return LoggedRows(
        hash_KR,
        time_R,
        rows.row_R,
        np.ones(rows.num_rows, dtype=np.bool_) if is_seen_R is None else is_seen_R,
        np.stack(labels),
        has_task_MT[rows.scenario_R].T,
    )


def no_rows(num_keys: int, num_tasks: int) -> LoggedRows:
    """No rows, of this form."""
    return LoggedRows(
        np.zeros((num_keys, 0), dtype=np.uint64),
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=np.uint64),
        np.zeros(0, dtype=np.bool_),
        np.zeros((num_tasks, 0), dtype=np.int64),
        np.zeros((num_tasks, 0), dtype=np.bool_),
    )


def joined_rows(parts: Sequence[LoggedRows]) -> LoggedRows:
    """The rows of all parts, one part after the other."""
    return LoggedRows(
        np.concatenate([part.hash_KR for part in parts], axis=1),
        np.concatenate([part.time_R for part in parts]),
        np.concatenate([part.number_R for part in parts]),
        np.concatenate([part.is_seen_R for part in parts]),
        np.concatenate([part.added_TR for part in parts], axis=1),
        np.concatenate([part.has_TR for part in parts], axis=1),
    )


@dataclass(frozen=True)
class Asked:
    """Rows that ask: the hash of every key (K, Q), and their moments."""

    hash_KQ: Hashes
    time_Q: Integers

    @property
    def moments(self) -> Integers:
        """The moment of every pair of a key and a row (A,)."""
        return np.tile(self.time_Q, len(self.hash_KQ))


@dataclass(frozen=True)
class KeyedLog:
    """Rows in the order of a log (E), and those of every value of every key (N).

    `hash_V` ascend, and `code_V` has the number of each. `sorted_N` ascends, and holds the number
    of the value above the place of the row in the log.
    """

    rows: LoggedRows
    hash_V: Hashes
    code_V: Integers
    sorted_N: Integers
    seen: SeenRows
    labels_T: tuple[LabelsOfKeys, ...]

    @property
    def bits(self) -> int:
        """Bits that hold any place in the log, and their number."""
        return self.rows.num_rows.bit_length()

    def places(self, position: Integers) -> Integers:
        """The places in the log of rows of values."""
        return self.sorted_N[position] & ((1 << self.bits) - 1)

    def codes(self, hash_A: Hashes) -> Integers:
        """The number of each value, NONE where it has no row."""
        place_A = found(self.hash_V, hash_A)
        if not self.code_V.size:
            return place_A
        return np.where(place_A == NONE, NONE, self.code_V[place_A])

    def positions(self, code_A: Integers, place_HA: Integers) -> Integers:
        """The positions of the first rows of values that are not before places in the log.

        Of a value without rows all are the same.
        """
        has_rows_A = code_A != NONE
        wanted_HA = (np.maximum(code_A, 0) << self.bits) + np.where(has_rows_A, place_HA, 0)
        position_HA: Integers = np.searchsorted(self.sorted_N, wanted_HA)
        return position_HA

    def rows_of(self, hash_U: Hashes) -> tuple[Integers, Integers]:
        """The places of the seen rows of some values (U,), and the number of the value of each."""
        code_U = self.codes(hash_U)
        places = np.array([[0], [self.rows.num_rows]])
        start_U, stop_U = self.positions(code_U, np.broadcast_to(places, (2, code_U.size)))
        num_U = stop_U - start_U
        value_N = np.repeat(np.arange(code_U.size), num_U)
        first_U = np.cumsum(num_U) - num_U
        place_N = self.places(np.arange(value_N.size) + (start_U - first_U)[value_N])
        is_seen_N = self.rows.is_seen_R[place_N]
        return place_N[is_seen_N], value_N[is_seen_N]


def keyed_log(rows: LoggedRows) -> KeyedLog:
    """Rows in the order of a log, by key."""
    bits = rows.num_rows.bit_length()
    hashes = [np.zeros(0, dtype=np.uint64)]
    sorted_parts = [np.zeros(0, dtype=np.int64)]
    num_values = 0
    for hash_E in rows.hash_KR:
        place_N = np.flatnonzero(hash_E != MISSING)
        of_key, code_N = np.unique(hash_E[place_N], return_inverse=True)
        sorted_parts.append(np.sort(((code_N + num_values) << bits) | place_N))
        hashes.append(of_key)
        num_values += of_key.size
    sorted_N = np.concatenate(sorted_parts)
    hash_V = np.concatenate(hashes)
    code_V = np.argsort(hash_V)
    place_N = sorted_N & ((1 << bits) - 1)
    is_seen_N = rows.is_seen_R[place_N]
    before_N = None if is_seen_N.all() else sums_before(is_seen_N)
    return KeyedLog(
        rows=rows,
        hash_V=hash_V[code_V],
        code_V=code_V,
        sorted_N=sorted_N,
        seen=SeenRows(rows.time_R[place_N][is_seen_N], is_seen_N, before_N),
        labels_T=tuple(
            labels_of_keys(TaskLabels(added_E, has_E), place_N)
            for added_E, has_E in zip(rows.added_TR, rows.has_TR, strict=True)
        ),
    )


@dataclass(frozen=True)
class _LastRows:
    """The moments and numbers of the rows of the last labels of a task (L, A), or BEFORE_ALL."""

    time_LA: Integers
    number_LA: NDArray[np.uint64]


@dataclass(frozen=True)
class _SeenOfPart:
    """What those who ask may count of one part of a log."""

    earlier: EarlierRows
    last_T: tuple[_LastRows, ...]


def earlier_of_parts(
    parts: Sequence[KeyedLog], asked: Asked, horizons: Horizons, num_last: int
) -> EarlierRows:
    """What those who ask (A) may count of the rows of their keys in all parts of a log."""
    with_rows = [part for part in parts if part.rows.num_rows] or parts[:1]
    has_others = len(with_rows) > 1
    seen = [_of_part(part, asked, horizons, num_last, has_others=has_others) for part in with_rows]
    if not has_others:
        return seen[0].earlier
    since_PA = np.array([part.earlier.since_S for part in seen])
    since_A = np.where(since_PA == NO_ROW, NEVER_SINCE, since_PA).min(axis=0)
    return EarlierRows(
        num_WS=_sums([part.earlier.num_WS for part in seen]),
        since_S=np.where(since_A == NEVER_SINCE, NO_ROW, since_A),
        labels_T=tuple(_labels_of_parts(seen, task) for task in range(len(seen[0].last_T))),
    )


def _of_part(
    log: KeyedLog, asked: Asked, horizons: Horizons, num_last: int, *, has_others: bool
) -> _SeenOfPart:
    """What is counted of a part; if it has others, also of which rows the last labels are."""
    wanted = {*horizons.rows_W, *horizons.labels_W, horizons.delay, 0}
    lengths = [length for length in wanted if length is not None]
    moment_HQ = asked.time_Q - np.array(lengths)[:, np.newaxis]
    place_HQ = np.searchsorted(log.rows.time_R, moment_HQ)
    place_HQ = np.concatenate([np.zeros_like(place_HQ[:1]), place_HQ])
    place_HA = np.tile(place_HQ, len(asked.hash_KQ))
    first_HA = log.positions(log.codes(asked.hash_KQ.ravel()), place_HA)
    first_A: dict[int | None, Integers] = dict(zip((None, *lengths), first_HA, strict=True))
    labels_T = log.labels_T if horizons.delay is not None else ()
    earlier = rows_before(asked.moments, first_A, log.seen, labels_T, horizons, num_last)
    if not has_others:
        return _SeenOfPart(earlier, ())
    known_A = first_A[horizons.delay]
    pairs = zip(labels_T, earlier.labels_T, strict=True)
    last_T = tuple(_last_rows(log, labels, known_A, known) for labels, known in pairs)
    return _SeenOfPart(earlier, last_T)


def _last_rows(
    log: KeyedLog, labels: LabelsOfKeys, known_A: Integers, known: KnownLabels
) -> _LastRows:
    num_last = len(known.last_LS)
    if not num_last or not labels.added_N.size:
        nothing_LA = np.full((num_last, known_A.size), BEFORE_ALL)
        return _LastRows(nothing_LA, np.zeros(nothing_LA.shape, dtype=np.uint64))
    num_before_A = known_A if labels.before_S is None else labels.before_S[known_A]
    has_LA = np.array(known.has_last_LS)
    back_L1 = np.arange(1, num_last + 1)[:, np.newaxis]
    position_LA = np.where(has_LA, num_before_A - back_L1, 0)
    if labels.before_S is not None:  # positions among the rows that have the task
        position_LA = np.searchsorted(labels.before_S, position_LA, side="right") - 1
    place_LA = log.places(position_LA)
    time_LA = np.where(has_LA, log.rows.time_R[place_LA], BEFORE_ALL)
    return _LastRows(time_LA, log.rows.number_R[place_LA])


def _labels_of_parts(seen: Sequence[_SeenOfPart], task: int) -> KnownLabels:
    """The known labels of a task in all parts: the last ones are the newest of all."""
    labels = [part.earlier.labels_T[task] for part in seen]
    num_last = len(labels[0].last_LS)
    last_LS = labels[0].last_LS
    has_last_LS = labels[0].has_last_LS
    if num_last:
        time_LA = np.concatenate([part.last_T[task].time_LA for part in seen])
        number_LA = np.concatenate([part.last_T[task].number_LA for part in seen])
        newest_LA = np.lexsort((number_LA, time_LA), axis=0)[::-1][:num_last]
        added_LA = np.concatenate([each.last_LS for each in labels])
        last_LS = tuple(np.take_along_axis(added_LA, newest_LA, axis=0))
        has_last_LS = tuple(np.take_along_axis(time_LA, newest_LA, axis=0) != BEFORE_ALL)
    return KnownLabels(
        num_WS=_sums([each.num_WS for each in labels]),
        sum_WS=_sums([each.sum_WS for each in labels]),
        last_LS=last_LS,
        has_last_LS=has_last_LS,
    )


def _sums(of_parts: Sequence[Sequence[Integers]]) -> tuple[Integers, ...]:
    """Numbers of windows, those of all parts together."""
    return tuple(np.sum(of_parts, axis=0))
