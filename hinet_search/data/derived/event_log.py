"""Event log: the rows of a table in the order of time, and the rows of one key among them.

Rows of the same moment are ordered by their number in the source, so the order of the table does
not matter. A key's rows are found by sorting one number a row, which holds the key above the row's
place in the log.

Shape legend: R rows of the table, E rows of the log, S rows of some keys, sorted by key and time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.blocks import blocks_of
from hinet_search.data.derived.moments import NO_TIME, Moments
from hinet_search.data.mapped_array import mapped_array
from hinet_search.data.rows import Rows

CHUNK_ROWS = 2**18  # computed at once; more only where a single key has more

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class EventLog:
    """Rows with a time, ordered by it: the position of each in the table, and its moment."""

    rows: Rows
    row_E: Integers
    time_E: Integers

    @property
    def num_rows(self) -> int:
        """The number of rows, E."""
        return self.row_E.size

    @property
    def place_bits(self) -> int:
        """Bits that hold any place in the log, and their number."""
        return self.num_rows.bit_length()

    def num_before(self, length: int) -> Integers:
        """For each row (E,) the number of rows that are more than `length` earlier."""
        length = min(length, int(self.time_E[-1]) + 1) if self.num_rows else 0
        return mapped_array(
            (
                np.searchsorted(self.time_E, self.time_E[block] - length, side="left")
                for block in blocks_of(self.num_rows)
            ),
            self.rows.cache,
        )


def log_of(rows: Rows, moments: Moments, last_split: int) -> EventLog:
    """The rows with a time in the splits up to the last one."""
    is_in_R = rows.mapped(
        (moments.time_R[block] != NO_TIME) & (rows.split_R[block] <= last_split)
        for block in rows.blocks()
    )
    row_E = np.flatnonzero(is_in_R)
    row_E = row_E[np.lexsort((rows.row_R[row_E], moments.time_R[row_E]))]
    row_E = mapped_array((row_E[block] for block in blocks_of(row_E.size)), rows.cache)
    time_E = mapped_array(
        (moments.time_R[row_E[block]] for block in blocks_of(row_E.size)), rows.cache
    )
    return EventLog(rows, row_E, time_E)


@dataclass(frozen=True)
class KeyedRows:
    """All rows of some keys, sorted by key and then by time.

    `place_S` is a row's place in the log, `sorted_S` the ascending number that holds key and place,
    `start_S` the position of the first row of its key.
    """

    place_S: Integers
    sorted_S: Integers
    start_S: Integers

    def first_from(self, place_E: Integers) -> Integers:
        """For each row (S,) the position of the first row of its key from a place in the log.

        `place_E` is the place for every row of the log. Without such a row it is the position after
        the key's last one.
        """
        key_S = self.sorted_S - self.place_S
        position_S: Integers = np.searchsorted(self.sorted_S, key_S + place_E[self.place_S])
        return position_S


def keyed_rows(log: EventLog, code_R: Integers) -> Iterator[KeyedRows]:
    """Yield the rows of every key, those of several keys at once; a code below 0 is no key."""
    sorted_E = _sorted(log, code_R)
    start = 0
    while start < sorted_E.size:
        end = min(start + CHUNK_ROWS, sorted_E.size)
        if end < sorted_E.size:
            end = _end_of_keys(sorted_E, start, end, log.place_bits)
        yield _keyed(np.array(sorted_E[start:end]), log.place_bits)
        start = end


def _sorted(log: EventLog, code_R: Integers) -> Integers:
    bits = log.place_bits

    def numbers(block: slice) -> Integers:
        code_B = code_R[log.row_E[block]]
        place_B = np.flatnonzero(code_B >= 0) + block.start
        sorted_B: Integers = (code_B[code_B >= 0] << bits) | place_B
        return sorted_B

    sorted_E = mapped_array(map(numbers, blocks_of(log.num_rows)), log.rows.cache)
    sorted_E.sort()
    return sorted_E


def _end_of_keys(sorted_E: Integers, start: int, end: int, bits: int) -> int:
    """The last end of a key up to `end`, or that of the only key which goes on."""
    first_of_key = (sorted_E[end] >> bits) << bits
    before = start + int(np.searchsorted(sorted_E[start:end], first_of_key))
    if before > start:
        return before
    next_key = first_of_key + (1 << bits)
    return end + int(np.searchsorted(sorted_E[end:], next_key))


def _keyed(sorted_S: Integers, bits: int) -> KeyedRows:
    place_S = sorted_S & ((1 << bits) - 1)
    code_S = sorted_S >> bits
    position_S = np.arange(sorted_S.size)
    is_first_S = np.ones(sorted_S.size, dtype=np.bool_)
    np.not_equal(code_S[1:], code_S[:-1], out=is_first_S[1:])
    start_S = np.maximum.accumulate(np.where(is_first_S, position_S, 0))
    return KeyedRows(place_S, sorted_S, start_S)
