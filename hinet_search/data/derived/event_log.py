"""Event log: the rows of a table in the order of time, and the rows of one key among them.

The moment of a row is a whole number, counted from the first row's.

Rows of the same moment are ordered by their number in the source, so the order of the table does
not matter. A key's rows are found by sorting one number a row, which holds the key above the row's
place in the log.

Shape legend: R rows of the table, E rows of the log, S rows of some keys, sorted by key and time,
N of them that others see.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, overload

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import SPLITS
from hinet_search.data.lists import NONE, codes_of, distinct_values
from hinet_search.data.mapped import blocks_of
from hinet_search.data.rows import Rows
from hinet_search.data.splits import ASKING
from hinet_search.data.times import LARGEST, LONGEST, unit_of, whole_times
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.event_definition import NANOSECONDS, TimeSpan, TimeUnit

NO_TIME = -1
CODE_BITS = 62
CHUNK_ROWS = 2**16  # computed at once; more only where a single key has more

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Moments:
    """The moment of every row: units of the time column since the first row, or NO_TIME.

    The inputs of a row are as of `as_of_R`, of its group's first row; None if of its own moment.
    """

    time_R: NDArray[np.int64]
    unit: TimeUnit
    as_of_R: NDArray[np.int64] | None = None

    @property
    def units_a_second(self) -> int:
        """How many units are a second."""
        return NANOSECONDS["s"] // NANOSECONDS[self.unit]

    @overload
    def units(self, span: TimeSpan) -> int: ...

    @overload
    def units(self, span: object) -> int | None: ...

    def units(self, span: object) -> int | None:
        """A length of time in units; None without one, as of a window of all rows."""
        return span.whole(self.unit) if isinstance(span, TimeSpan) else None


def moments_of(definition: DataDefinition, rows: Rows) -> Moments:
    """The moments of rows whose time column was checked for events."""
    assert definition.time is not None, "the definition checks it"
    return moments_at(rows, definition.time, definition.time_unit)


def moments_at(rows: Rows, time: str, time_unit: TimeUnit | None) -> Moments:
    """The moments of rows by their column `time`; `time_unit` is what numbers of it count.

    The first row is that of the log: rows that ask count as if they were not before it, and not
    more than LONGEST after it.
    """
    values = rows.frame[time]
    first = whole_times(values.filter(pl.Series(rows.split_R != ASKING))).min()
    assert isinstance(first, int), "checked with the values"
    last = min(first + LONGEST, LARGEST)
    blocks = (whole_times(values[block]).clip(first, last) - first for block in rows.blocks())
    time_R = rows.mapped(times.fill_null(NO_TIME).to_numpy() for times in blocks)
    moments = Moments(time_R, unit_of(values.dtype, time_unit))
    if rows.groups is None or not rows.groups.as_of_first:
        return moments
    first_R = rows.groups.first_R

    def as_of(block: slice) -> Integers:
        first_B = first_R[block]
        return np.where(first_B < 0, time_R[block], time_R[np.maximum(first_B, 0)])

    return replace(moments, as_of_R=rows.mapped(map(as_of, rows.blocks())))


@dataclass(frozen=True)
class Walk:
    """A log of the rows up to a split, from which the inputs of the rows of some splits are."""

    last_split: int
    splits: tuple[int, ...]


@dataclass(frozen=True)
class EventLog:
    """Rows with a time, ordered by it: the position of each in the table, and its moment.

    It gives the inputs of the rows of `splits`; others are only seen by them. `is_seen_E` says
    which rows others see, None if all. Inputs are as of the moments `as_of_E`, None if of the rows'
    own.
    """

    rows: Rows
    splits: tuple[int, ...]
    row_E: Integers
    time_E: Integers
    is_seen_E: NDArray[np.bool_] | None = None
    as_of_E: Integers | None = None

    @property
    def num_rows(self) -> int:
        """The number of rows, E."""
        return self.row_E.size

    def gives_inputs(self, row_S: Integers) -> NDArray[np.bool_]:
        """Whether the log gives the inputs of each row of the sample (S,)."""
        is_given_S = np.isin(self.rows.split_R[row_S], self.splits)
        is_wanted_R = wanted_rows(self.rows)
        return is_given_S if is_wanted_R is None else is_given_S & is_wanted_R[row_S]

    @cached_property
    def num_earlier(self) -> Integers:
        """The number of rows before the moment that each row's inputs are as of (E,)."""
        return self.num_before(0)

    @property
    def place_bits(self) -> int:
        """Bits that hold any place in the log, and their number."""
        return self.num_rows.bit_length()

    def num_before(self, length: int) -> Integers:
        """For each row (E,) the number of rows that are more than `length` earlier."""
        length = min(length, int(self.time_E[-1]) + 1) if self.num_rows else 0
        as_of_E = self.time_E if self.as_of_E is None else self.as_of_E
        return self.rows.mapped(
            np.searchsorted(self.time_E, as_of_E[block] - length, side="left")
            for block in blocks_of(self.num_rows)
        )


def wanted_rows(rows: Rows) -> NDArray[np.bool_] | None:
    """Whether the inputs of each row are wanted (R,), None if all are.

    Rows that ask are wanted, or if none asks, the rows of the sample.
    """
    asks_R: NDArray[np.bool_] = rows.split_R == ASKING
    if asks_R.any():
        return asks_R
    return None if rows.sample is None else rows.sample.is_drawn_R


def walks(rows: Rows, moments: Moments) -> tuple[Walk, ...]:
    """One walk if no row of a split is earlier than one of a split before, else one a split.

    Of rows of which some are ASKING it is the one that gives their inputs.
    """
    if (rows.split_R == ASKING).any():
        return (Walk(ASKING, (ASKING,)),)
    num_splits = len(SPLITS)
    first = np.full(num_splits, np.iinfo(np.int64).max)
    last = np.full(num_splits, NO_TIME)
    for block in rows.blocks():
        time_B = moments.time_R[block]
        split_B = rows.split_R[block]
        for split in range(num_splits):
            time_S = time_B[(split_B == split) & (time_B != NO_TIME)]
            first[split] = time_S.min(initial=first[split])
            last[split] = time_S.max(initial=last[split])
    if all(first[split] >= last[:split].max() for split in range(1, num_splits)):
        return (Walk(num_splits - 1, tuple(range(num_splits))),)
    return tuple(Walk(split, (split,)) for split in range(num_splits))


def log_of(rows: Rows, moments: Moments, walk: Walk) -> EventLog:
    """The rows with a time in the splits up to the last one."""
    is_in_R = rows.mapped(
        (moments.time_R[block] != NO_TIME) & (rows.split_R[block] <= walk.last_split)
        for block in rows.blocks()
    )
    row_E = np.flatnonzero(is_in_R)
    time_E = moments.time_R[row_E]
    if not _ascend(time_E) or not _ascend(rows.row_R[row_E]):
        row_E = row_E[np.lexsort((rows.row_R[row_E], time_E))]
    row_E = rows.mapped(row_E[block] for block in blocks_of(row_E.size))
    time_E = rows.mapped(moments.time_R[row_E[block]] for block in blocks_of(row_E.size))
    is_seen_E = rows.split_R[row_E] < ASKING if walk.last_split == ASKING else None
    as_of_E = None
    if moments.as_of_R is not None:
        blocks = (row_E[block] for block in blocks_of(row_E.size))
        as_of_E = rows.mapped(moments.as_of_R[row_B] for row_B in blocks)
    return EventLog(rows, walk.splits, row_E, time_E, is_seen_E, as_of_E)


def _ascend(number_E: NDArray[Any]) -> bool:
    return bool((number_E[:-1] <= number_E[1:]).all())


@dataclass(frozen=True)
class ColumnCodes:
    """The codes of a column from 0, NONE where it has no value, and how many values there are."""

    code_R: NDArray[np.int64]
    num_values: int


def column_codes(rows: Rows, columns: Sequence[str]) -> Mapping[str, ColumnCodes]:
    """The codes of columns, each once."""
    codes = {}
    for name in dict.fromkeys(columns):
        values = rows.frame[name]
        distinct = distinct_values(values)
        code_R = rows.mapped(codes_of(values[block], distinct) for block in rows.blocks())
        codes[name] = ColumnCodes(code_R, len(distinct))
    return codes


def key_codes(
    rows: Rows, key: Sequence[str], columns: Mapping[str, ColumnCodes] | None = None
) -> NDArray[np.int64]:
    """A code for every combination of values of a key (R,), NONE where a column has no value.

    A code and the number of a row together fit into CODE_BITS. `columns` are the codes of its
    columns, where they are known.
    """
    if columns is None:
        columns = column_codes(rows, key)
    codes = columns[key[0]]
    for name in key[1:]:
        if codes.num_values * columns[name].num_values >= 1 << CODE_BITS:
            codes = _renumbered(codes)
        codes = _combined(rows, codes, columns[name])
    if codes.num_values << rows.num_rows.bit_length() >= 1 << CODE_BITS:
        codes = _renumbered(codes)
    return codes.code_R


def _combined(rows: Rows, left: ColumnCodes, right: ColumnCodes) -> ColumnCodes:
    def combined(block: slice) -> NDArray[np.int64]:
        left_B = left.code_R[block]
        right_B = right.code_R[block]
        is_known_B = (left_B != NONE) & (right_B != NONE)
        return np.where(is_known_B, left_B * right.num_values + right_B, NONE)

    code_R = rows.mapped(map(combined, rows.blocks()))
    return ColumnCodes(code_R, left.num_values * right.num_values)


def _renumbered(codes: ColumnCodes) -> ColumnCodes:
    """Number only the codes that occur."""
    values, code_R = np.unique(codes.code_R, return_inverse=True)
    num_none = int(values[0] == NONE)  # the least, if it is there
    return ColumnCodes(code_R - num_none, len(values) - num_none)


@dataclass(frozen=True)
class KeyedRows:
    """All rows of some keys, sorted by key and then by time.

    `place_S` is a row's place in the log, `sorted_S` the ascending number that holds key and place.
    Inputs are as of `as_of_S`: the moment of the row, or of its group's first row. Of positions
    among these rows, `start_S` is the first of the row's key, and `moment_S` the first of that
    moment or later.
    """

    place_S: Integers
    sorted_S: Integers
    time_S: Integers
    as_of_S: Integers
    start_S: Integers
    moment_S: Integers

    def first_from(self, place_E: Integers) -> Integers:
        """For each row (S,) the position of the first row of its key from a place in the log.

        `place_E` is the place for every row of the log. Without such a row it is the position after
        the key's last one.
        """
        key_S = self.sorted_S - self.place_S
        position_S: Integers = np.searchsorted(self.sorted_S, key_S + place_E[self.place_S])
        return position_S


def for_rows_of_keys(log: EventLog, code_R: Integers, use: Callable[[KeyedRows], None]) -> None:
    """Call a function with the rows of every key, of several keys at once, in threads.

    A code below 0 is no key.
    """
    bits = log.place_bits

    def numbers(block: slice) -> Integers:
        code_B = code_R[log.row_E[block]]
        place_B = np.flatnonzero(code_B >= 0) + block.start
        sorted_B: Integers = (code_B[code_B >= 0] << bits) | place_B
        return sorted_B

    sorted_E = log.rows.mapped(map(numbers, blocks_of(log.num_rows)))
    sorted_E.sort()

    def use_part(part: slice) -> None:
        use(_keyed(log, np.array(sorted_E[part])))

    with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
        for _ in threads.map(use_part, _parts(sorted_E, bits)):
            pass  # what a part raised is raised here


def _parts(sorted_E: Integers, bits: int) -> Iterator[slice]:
    """Yield the rows of whole keys: about CHUNK_ROWS, or a single key."""
    start = 0
    while start < sorted_E.size:
        end = min(start + CHUNK_ROWS, sorted_E.size)
        if end < sorted_E.size:  # the last end of a key, or that of the only key, which goes on
            first_of_key = (sorted_E[end] >> bits) << bits
            before = start + int(np.searchsorted(sorted_E[start:end], first_of_key))
            next_key = first_of_key + (1 << bits)
            after = end + int(np.searchsorted(sorted_E[end:], next_key))
            end = before if before > start else after
        yield slice(start, end)
        start = end


def _keyed(log: EventLog, sorted_S: Integers) -> KeyedRows:
    place_S = sorted_S & ((1 << log.place_bits) - 1)
    code_S = sorted_S >> log.place_bits
    time_S = log.time_E[place_S]
    is_first_S = np.ones(sorted_S.size, dtype=np.bool_)
    np.not_equal(code_S[1:], code_S[:-1], out=is_first_S[1:])
    is_new_S = is_first_S.copy()
    is_new_S[1:] |= time_S[1:] != time_S[:-1]
    start_S = last_position(is_first_S)
    if log.as_of_E is None:
        return KeyedRows(place_S, sorted_S, time_S, time_S, start_S, last_position(is_new_S))
    moment_S = np.searchsorted(sorted_S, sorted_S - place_S + log.num_earlier[place_S])
    return KeyedRows(place_S, sorted_S, time_S, log.as_of_E[place_S], start_S, moment_S)


def last_position(is_mark_S: NDArray[np.bool_]) -> Integers:
    """The position of the last mark up to each row; the first row has one."""
    position_S = np.arange(is_mark_S.size)
    return np.maximum.accumulate(np.where(is_mark_S, position_S, 0))


@dataclass(frozen=True)
class SeenRows:
    """Of some keys' rows (S) those that others see (N): their moments, and where they stand.

    `before_S` has how many of them are before each position and before the end; None if all are.
    """

    time_N: Integers
    is_seen_S: NDArray[np.bool_] | slice
    before_S: Integers | None

    def position(self, position_S: Integers) -> Integers:
        """Positions among all rows as positions among those that are seen."""
        return position_S if self.before_S is None else self.before_S[position_S]

    def only(self, value_S: Integers) -> Integers:
        """The values of those that are seen (N,)."""
        return value_S[self.is_seen_S]


def seen_rows(keyed: KeyedRows, log: EventLog) -> SeenRows:
    """The rows of some keys that others see."""
    if log.is_seen_E is None:
        return SeenRows(keyed.time_S, slice(None), None)
    is_seen_S = log.is_seen_E[keyed.place_S]
    return SeenRows(keyed.time_S[is_seen_S], is_seen_S, sums_before(is_seen_S))


def sums_before(number_S: NDArray[Any]) -> Integers:
    """The sum of all numbers before each position, and of all."""
    return np.concatenate([[0], np.cumsum(number_S, dtype=np.int64)])
