"""Label counts: labels of a study added up by key and day, for the statistics of newer rows.

A new row gets the statistics that a test row of the study with its key and day would get: with a
clock it counts labels of strictly earlier days (or hours) that are known by then: of train and
valid, and of test too if statistics are refreshed; without a clock all labels of train. So a row
long enough after the study's last day counts all labels.

Counts are continued with the labels of newer rows. Such a row counts what a row of the study would
count, the labels of other newer rows too: without a clock those of other folds. So no row counts
its own label, nor one of its own day. Labels of held-out rows, which have the split `valid`, are
counted by later rows only. Statistics that are refreshed are counted up to a last day (or hour).
Newer rows up to that day are taken as counted: they add nothing, so rows that come twice are
counted once.

A table has a row for every key and day on which the key has a counted label. What a row may count
is that of its key's last such day up to the last day that it may count. An index looks all keys and
rows up at once.

Shape legend: R rows that ask, C columns, K keys, V values of all keys, N rows of all tables,
Q quantities.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.countable_labels import (
    EVERYONE,
    MOST_PARTS,
    PERIOD,
    CountableLabels,
    countable_labels,
    key_columns,
)
from hinet_search.data.derived.days import first_unknown, periods_of
from hinet_search.data.derived.event_log import Integers
from hinet_search.data.derived.key_hashes import (
    MOMENTS,
    WHOLE,
    Hashes,
    column_hashes,
    found,
    hashes_of_key,
    key_hashes,
)
from hinet_search.data.derived.statistics import counted_within, smoothed, smoothed_values
from hinet_search.data.lists import NONE, codes_of, distinct_values
from hinet_search.data.reading import OWN
from hinet_search.data.rows import Rows
from hinet_search.data.splits import LEFT_OUT, SPLIT
from hinet_search.study.statistics_definition import StatisticsDefinition

DAY = "number of the day"
ROWS_AT_ONCE = 2**14  # of all keys side by side
Quantities = Mapping[str, Integers]


@dataclass(frozen=True)
class CountsIndex:
    """The tables of keys by hash.

    `hash_V` ascend, and `code_V` has the number of each. `sorted_N` ascends and holds the number of
    a value above a day from 1, `row_N` is the row of its table. `columns` has the quantities of
    every key.
    """

    keys: tuple[tuple[str, ...], ...]
    hash_V: Hashes
    code_V: Integers
    bits: int
    sorted_N: Integers
    row_N: Integers
    columns: tuple[Quantities, ...]

    def of_keys(self, frame: pl.DataFrame, last_R: Integers) -> Quantities:
        """What every row may count of every key up to its last day (K, R), 0 where nothing is.

        `last_R` are numbers of days, -1 for a row that counts nothing.
        """
        row_KR = self._rows(key_hashes(frame, self.keys), last_R)
        names = self.columns[0]
        number_QKR = np.empty((len(names), *row_KR.shape), dtype=np.int64)
        for key, (columns, row_R) in enumerate(zip(self.columns, row_KR, strict=True)):
            for quantity, name in enumerate(names):
                number_QKR[quantity, key] = _values(columns[name], row_R)
        return dict(zip(names, number_QKR, strict=True))

    def of_key(self, key: tuple[str, ...], frame: pl.DataFrame, last_R: Integers) -> Quantities:
        """What every row may count of one key (R,)."""
        number = self.keys.index(key)
        hash_R = hashes_of_key([column_hashes(frame[name]) for name in key], number)
        (row_R,) = self._rows(hash_R[np.newaxis], last_R)
        return {name: _values(values, row_R) for name, values in self.columns[number].items()}

    def _rows(self, hash_KR: Hashes, last_R: Integers) -> Integers:
        """The row in the table of every key that is counted (K, R), NONE if there is none."""
        if not self.sorted_N.size:
            return np.full(hash_KR.shape, NONE)
        place_KR = found(self.hash_V, hash_KR.ravel()).reshape(hash_KR.shape)
        code_KR = self.code_V[place_KR]
        after_KR = (code_KR << self.bits) + last_R + 1
        position_KR = np.searchsorted(self.sorted_N, after_KR, side="right") - 1
        is_of_key_KR = (self.sorted_N[position_KR] >> self.bits == code_KR) & (position_KR != NONE)
        return np.where(is_of_key_KR & (place_KR != NONE), self.row_N[position_KR], NONE)


def _values(values_N: Integers, row_R: Integers) -> Integers:
    """The values of rows of a table, 0 for NONE."""
    if not values_N.size:
        return np.zeros(row_R.size, dtype=np.int64)
    return np.where(row_R == NONE, 0, values_N[row_R])


def counts_index(
    of_keys: Mapping[tuple[str, ...], pl.DataFrame],
    day: str,
    num_days: int,
    quantities: Sequence[str],
) -> CountsIndex:
    """The index of tables with the columns of a key, the number of a day, and quantities.

    No table has a key and day twice.
    """
    keys = tuple(of_keys)
    bits = (num_days + 1).bit_length()
    hashes = []
    sorted_parts = []
    row_parts = []
    num_values = 0
    for number, table in enumerate(of_keys.values()):
        columns = [column_hashes(table[name]) for name in key_columns(keys[number])]
        of_key, code_N = np.unique(hashes_of_key(columns, number), return_inverse=True)
        numbers_N = ((code_N + num_values) << bits) + table[day].to_numpy() + 1
        order_N = np.argsort(numbers_N)
        hashes.append(of_key)
        sorted_parts.append(numbers_N[order_N])
        row_parts.append(order_N)
        num_values += of_key.size
    hash_V = np.concatenate(hashes)
    code_V = np.argsort(hash_V)
    return CountsIndex(
        keys=keys,
        hash_V=hash_V[code_V],
        code_V=code_V,
        bits=bits,
        sorted_N=np.concatenate(sorted_parts),
        row_N=np.concatenate(row_parts),
        columns=tuple(
            {name: table[name].rechunk().to_numpy() for name in quantities}
            for table in of_keys.values()
        ),
    )


@dataclass(frozen=True)
class CountedLabels:
    """What rows may count: of every key (K, R), and of all keys together (R,)."""

    of_keys: Quantities
    everyone: Quantities


class Countable(Protocol):
    """Counted labels that rows ask for what they may count."""

    def counted(self, definition: StatisticsDefinition, frame: pl.DataFrame) -> CountedLabels:
        """What every row may count."""
        ...


@dataclass(frozen=True)
class LabelCounts:
    """Counted labels of a study by key and day.

    `days` are the days with a counted row, in order. A table of `of_keys` has the columns of its
    key (`key 0`, `key 1`, ...), the number of a day on which that key has a counted row, and the
    quantities up to and including that day. EVERYONE is the key that every row has.
    """

    days: pl.Series
    of_keys: Mapping[tuple[str, ...], pl.DataFrame]

    @property
    def quantities(self) -> list[str]:
        """Names of what is counted, see `quantities`."""
        return [name for name in self.of_keys[EVERYONE].columns if name != DAY]

    @cached_property
    def index(self) -> CountsIndex:
        """The tables of all keys for rows that ask, made when the first do."""
        tables = {key: table for key, table in self.of_keys.items() if key != EVERYONE}
        return counts_index(tables, DAY, len(self.days), self.quantities)

    def counted(self, definition: StatisticsDefinition, frame: pl.DataFrame) -> CountedLabels:
        """What every row may count."""
        return self.counted_before(_unknown_days(definition, frame), frame)

    def counted_before(self, unknown_R: pl.Series | None, frame: pl.DataFrame) -> CountedLabels:
        """What rows may count that count no day from one on; see `first_unknown`."""
        last_R = _last_days(self, unknown_R, len(frame))
        return CountedLabels(self.index.of_keys(frame, last_R), _of_everyone(self, last_R))


def label_counts(definition: StatisticsDefinition, rows: Rows) -> LabelCounts:
    """Count the labels of a study's rows."""
    labels = countable_labels(definition, rows)
    if definition.clock is None:
        labels = replace(labels, period=pl.lit(0, dtype=pl.Int64))
    keys = (EVERYONE, *definition.keys)
    tables = {key: _of_counted_periods(labels, key) for key in keys}
    days = tables[EVERYONE][PERIOD].sort()
    return LabelCounts(days, {key: _up_to_day(key, table, days) for key, table in tables.items()})


def _of_counted_periods(labels: CountableLabels, key: tuple[str, ...]) -> pl.DataFrame:
    """The quantities of every key and period, in the splits that later rows count."""
    names = labels.quantities
    counted = f"{OWN}is counted"
    added = [number.alias(name) for name, number in zip(names, labels.added, strict=True)]
    is_counted = pl.col(SPLIT).is_in(labels.last_counted).alias(counted)
    rows = labels.of_key(key, [is_counted, *added]).filter(counted)
    by = [*key_columns(key), PERIOD]
    return rows.drop_nulls(by).group_by(by).agg(pl.col(names).sum()).collect(engine="streaming")


def _up_to_day(key: tuple[str, ...], of_days: pl.DataFrame, days: pl.Series) -> pl.DataFrame:
    """The quantities up to and including each day, which is then numbered."""
    by = key_columns(key)
    names = [name for name in of_days.columns if name not in (*by, PERIOD)]
    number = pl.Series(DAY, codes_of(of_days[PERIOD], days))
    numbered = of_days.select([*by, number, *names]).sort([DAY, *by])
    return numbered.with_columns(_within(pl.col(names).cum_sum(), by))


def _within(counts: pl.Expr, by: Sequence[str]) -> pl.Expr:
    """Counts of every key alone; EVERYONE is the key without columns."""
    return counts.over(by) if by else counts


def later_values(
    counts: Countable, definition: StatisticsDefinition, frame: pl.DataFrame, tasks: Sequence[str]
) -> NDArray[np.float32]:
    """The columns of `target_statistics` (C, R) for new rows, which have types of the study."""
    blocks = []
    for start in range(0, max(len(frame), 1), ROWS_AT_ONCE):
        counted = counts.counted(definition, frame[start : start + ROWS_AT_ONCE])
        blocks.append(smoothed_values(definition, tasks, counted.of_keys, counted.everyone))
    return np.concatenate(blocks, axis=1)


def _of_everyone(counts: LabelCounts, last_R: Integers) -> Quantities:
    """What every row may count of all keys together (R,)."""
    table = counts.of_keys[EVERYONE]
    row_R = np.searchsorted(table[DAY].to_numpy(), last_R, side="right")
    return {name: np.append(0, table[name].to_numpy())[row_R] for name in counts.quantities}


def _unknown_days(definition: StatisticsDefinition, frame: pl.DataFrame) -> pl.Series | None:
    """The first day of which every row counts nothing (R,); None without a clock."""
    clock = definition.clock
    return None if clock is None else first_unknown(frame[clock], definition)


def _last_days(counts: LabelCounts, unknown_R: pl.Series | None, num_rows: int) -> Integers:
    """The number of the last day before one that is unknown (R,), -1 if that is before all days."""
    if unknown_R is None:
        return np.zeros(num_rows, dtype=np.int64)
    # A row without a day counts nothing, like a row before all days.
    if unknown_R.has_nulls() or unknown_R.dtype not in (*WHOLE, *MOMENTS):
        return counts.days.search_sorted(unknown_R, side="left").to_numpy().astype(np.int64) - 1
    return np.searchsorted(counts.days.to_numpy(), unknown_R.to_numpy()) - 1  # without threads


def newer_statistics(
    before: LabelCounts, definition: StatisticsDefinition, rows: Rows, tasks: Sequence[str]
) -> pl.DataFrame:
    """The columns of `target_statistics` for newer rows, which have the column types of the study.

    The counts `before` must be of other rows.
    """
    last_R = _last_days(before, _unknown_days(definition, rows.frame), rows.num_rows)
    newer = counted_within(definition, _uncounted(before, definition, rows))

    def counted(key: tuple[str, ...]) -> pl.DataFrame:
        if key == EVERYONE:
            of_earlier = _of_everyone(before, last_R)
        else:
            of_earlier = before.index.of_key(key, rows.frame, last_R)
        of_newer = newer(key)
        return pl.DataFrame(
            {name: number_R + of_newer[name].to_numpy() for name, number_R in of_earlier.items()}
        )

    return smoothed(definition, tasks, counted)


def rolled_counts(before: LabelCounts, definition: StatisticsDefinition, rows: Rows) -> LabelCounts:
    """The counts `before` with those of rows added that are not taken as counted."""
    return added_counts(before, definition, _uncounted(before, definition, rows))


def added_counts(before: LabelCounts, definition: StatisticsDefinition, rows: Rows) -> LabelCounts:
    """The counts `before` with those of further rows added, key by key and day by day."""
    newer = label_counts(definition, rows)
    days = distinct_values(pl.concat([before.days, newer.days]))
    names = before.quantities

    def of_key(key: tuple[str, ...]) -> pl.DataFrame:
        tables = []
        by = [name for name in before.of_keys[key].columns if name not in (DAY, *names)]
        of_day = pl.col(names).diff().fill_null(pl.col(names))
        for counts in (before, newer):
            table = counts.of_keys[key]
            number = codes_of(counts.days, days)[table[DAY].to_numpy().astype(np.intp)]
            of_days = table.with_columns(_within(of_day, by))
            tables.append(of_days.with_columns(pl.Series(DAY, number)))
        all_days = pl.concat(tables).group_by([*by, DAY]).agg(pl.col(names).sum()).sort([DAY, *by])
        up_to_day = _within(pl.col(names).cum_sum(), by)
        return all_days.with_columns(up_to_day.clip(upper_bound=MOST_PARTS))

    return LabelCounts(days, {key: of_key(key) for key in before.of_keys})


def is_counted(
    before: LabelCounts, definition: StatisticsDefinition, clock_R: pl.Series
) -> NDArray[np.bool_]:
    """Whether rows are of days up to the last one that is counted (R,), by their clock."""
    if before.days.is_empty():
        return np.zeros(len(clock_R), dtype=np.bool_)
    is_counted_R: pl.Series = periods_of(clock_R, definition) <= before.days[-1]
    return is_counted_R.fill_null(value=False).to_numpy()


def _uncounted(before: LabelCounts, definition: StatisticsDefinition, rows: Rows) -> Rows:
    """The rows, those that are taken as counted in no split."""
    if definition.clock is None or definition.is_frozen:
        return rows
    is_counted_R = is_counted(before, definition, rows.frame[definition.clock])
    return replace(rows, split_R=np.where(is_counted_R, np.uint8(LEFT_OUT), rows.split_R))
