"""Countable labels: whose labels a row may count, and when; and rates of what was counted.

A row counts labels of certain splits, and of these the labels of earlier days (or hours), or of
other folds. The rules and their reasons are in statistics.py.

Shape legend: R rows, T tasks, M scenarios, S rows that count, or several such axes.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.days import period
from hinet_search.data.derived.event_log import Integers
from hinet_search.data.hashing import keys_of_values, uniform
from hinet_search.data.mapped import column_of
from hinet_search.data.raw_values import known_column
from hinet_search.data.reading import OWN
from hinet_search.data.rows import Rows
from hinet_search.data.splits import SPLIT
from hinet_search.study.statistics_definition import StatisticsDefinition

TRAIN, VALID, TEST = range(len(SPLITS))
# Unlike the seed of any split: the hash of the split would give folds of unequal size.
FOLD_SEED = 7_046_029_254

PERIOD = "period"
FOLD = f"{OWN}fold"  # beside the columns of the table
NO_FOLD = -1  # of rows of valid and test, which count every fold, and not one another
GROUP = f"{OWN}group"
ROWS = "rows"
OWN_ROWS = "own rows"
PARTS = 2**16  # of the unit of amounts, which are counted in whole parts: sums have no order
EVERYONE = ()  # the key of any row

Splits = tuple[int, ...]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CountableLabels:
    """The labels that may be counted.

    `frame` (R rows) has the columns of the table, and as columns of our own the split and the whole
    number that a row adds to every quantity but ROWS: 0 or 1, or parts of an amount. `period` is a
    row's day, hour or fold, and `asked` the one that its statistics are as of: its own, or the
    first of its group in a ranking. Rows of split s count those of the splits `counted[s]`: of all
    other periods, or, if `earlier`, of those that are more than `delay` periods earlier. Without a
    clock there are so many `folds`, in which rows with the same value in column `whole` are
    together. Labels of earlier periods fade by `half_life` periods, if it is not None.
    """

    frame: pl.DataFrame
    period: pl.Expr
    asked: pl.Expr
    quantities: tuple[str, ...]
    counted: tuple[Splits, ...]
    earlier: bool
    delay: int
    half_life: float | None
    folds: int
    whole: str | None

    def of_key(
        self, key: tuple[str, ...], others: Sequence[pl.Expr], *, asking: bool = False
    ) -> pl.LazyFrame:
        """The columns of a key, named by `key_columns`, the period, and further ones.

        The period is that in which a row counts, or for rows that are `asking` the one asked for.
        """
        period = self.asked if asking else self.period
        names = zip(key_columns(key), key, strict=True)
        known = [known_column(name, self.frame[name].dtype).alias(new) for new, name in names]
        return self.frame.lazy().select([*known, period.alias(PERIOD), *others])

    def own_rows(self, key: tuple[str, ...]) -> pl.Expr:
        """How many rows of a key can only be in one fold with a row, itself included."""
        is_train = pl.col(SPLIT) == TRAIN
        number = pl.lit(1) if self.whole is None else is_train.sum().over(*key, self.whole)
        return number.cast(pl.Int64).alias(OWN_ROWS)

    @property
    def added_by_split(self) -> list[pl.Expr]:
        """What a row adds to every quantity if it is in a split, for every split that counts."""
        columns = []
        for split in self.last_counted:
            is_in_split = pl.col(SPLIT) == split
            for name, added in zip(self.quantities, self.added, strict=True):
                columns.append((added * is_in_split).cast(pl.Int64).alias(of_split(split, name)))
        return columns

    @property
    def summed(self) -> tuple[str, ...]:
        """What the sums of a key are called: the quantities, and those that fade."""
        faded = () if self.half_life is None else map(fading, self.quantities)
        return (*self.quantities, *faded)

    @property
    def last_counted(self) -> Splits:
        """The splits that rows of test, and later ones, count."""
        return self.counted[TEST]

    @property
    def added(self) -> list[pl.Expr]:
        """The whole number that a row adds to every quantity."""
        _, *others = self.quantities
        return [pl.lit(1, dtype=pl.Int64), *(pl.col(_own(name)).cast(pl.Int64) for name in others)]


def quantities(has_task_MT: NDArray[np.bool_], amounts: Collection[int] = ()) -> tuple[str, ...]:
    """Names of what is counted.

    These are rows, the positives of every task or the sum of its `amounts`, and the rows of tasks
    that some scenario lacks.
    """
    sums = (
        sum_of(task) if task in amounts else positives_of(task)
        for task in range(has_task_MT.shape[1])
    )
    return (ROWS, *sums, *(rows_of(task) for task in _partial(has_task_MT)))


def positives_of(task: int) -> str:
    """The name of the number of positives of a task."""
    return f"positives {task}"


def sum_of(task: int) -> str:
    """The name of the sum of the amounts of a task."""
    return f"amounts {task}"


def rows_of(task: int) -> str:
    """The name of the number of rows that have a task."""
    return f"rows {task}"


def fading(quantity: str) -> str:
    """The name of a quantity in which labels fade."""
    return f"fading {quantity}"


def _partial(has_task_MT: NDArray[np.bool_]) -> list[int]:
    """The tasks that some scenario lacks."""
    return [int(task) for task in np.flatnonzero(~has_task_MT.all(axis=0))]


def key_columns(key: Sequence[object]) -> tuple[str, ...]:
    """Names of the columns of a key in a table of LabelCounts: `key 0`, `key 1`, ..."""
    return tuple(f"key {position}" for position in range(len(key)))


def of_split(split: int, quantity: str) -> str:
    """The name of a quantity that is counted in one split."""
    return f"{SPLITS[split]} {quantity}"


def _own(quantity: str) -> str:
    """A column of our own beside the columns of the table."""
    return f"{OWN}{quantity}"


def countable_labels(
    definition: StatisticsDefinition, rows: Rows, whole: str | None
) -> CountableLabels:
    """The labels of a study's rows, with the period of each row; see `target_statistics`."""
    columns = [column_of(SPLIT, rows.split_R), *_added(rows)]
    clock = definition.clock
    by_group = rows.groups is not None and rows.groups.as_of_first
    if by_group:
        columns.append(column_of(GROUP, rows.mapped(_first_numbers(rows))))
    if clock is None:
        whole = GROUP if by_group and whole is None else whole
        columns.append(column_of(FOLD, rows.mapped(_folds(definition, rows, whole))))
        of_row = pl.col(FOLD)
    else:
        dtype = rows.frame[clock].dtype
        of_row = period(known_column(clock, dtype), dtype, definition)
    asked = of_row
    if by_group and clock is not None:
        asked = of_row.min().over(GROUP)
    return CountableLabels(
        frame=rows.frame.with_columns(columns),
        period=of_row,
        asked=asked,
        quantities=quantities(rows.has_task_MT, rows.units),
        counted=_counted_splits(definition),
        earlier=clock is not None,
        delay=definition.delay,
        half_life=definition.half_life_periods,
        folds=definition.folds,
        whole=whole,
    )


def _counted_splits(definition: StatisticsDefinition) -> tuple[Splits, ...]:
    """The splits whose labels rows of each split may count; frozen, a later one none of its own."""
    if definition.clock is None:
        return ((TRAIN,),) * len(SPLITS)
    if definition.is_frozen:
        return ((TRAIN,), (TRAIN,), (TRAIN, VALID))
    return ((TRAIN,), (TRAIN, VALID), (TRAIN, VALID, TEST))


def _added(rows: Rows) -> Iterator[pl.Series]:
    """Yield the whole number that every row adds to each quantity but ROWS."""
    for task in range(rows.labels_RT.shape[1]):
        blocks = (rows.labels_RT[block, task] for block in rows.blocks())
        if task in rows.units:
            yield column_of(_own(sum_of(task)), rows.mapped(map(whole_amounts, blocks)))
        else:
            yield column_of(_own(positives_of(task)), rows.mapped(blocks))
    for task in _partial(rows.has_task_MT):
        has_task_M = rows.has_task_MT[:, task].astype(np.uint8)
        has_label_R = rows.mapped(has_task_M[rows.scenario_R[block]] for block in rows.blocks())
        yield column_of(_own(rows_of(task)), has_label_R)


def whole_amounts(amount_B: NDArray[Any]) -> NDArray[np.int64]:
    """Amounts in PARTS of their unit."""
    return np.rint(amount_B.astype(np.float64) * PARTS).astype(np.int64)


def _first_numbers(rows: Rows) -> Iterator[NDArray[np.uint64]]:
    """Yield for every row the number of its group's first row in the source, else its own."""
    assert rows.groups is not None, "the caller checked it"
    for block in rows.blocks():
        first_B = rows.groups.first_R[block]
        yield np.where(first_B < 0, rows.row_R[block], rows.row_R[np.maximum(first_B, 0)])


def _folds(
    definition: StatisticsDefinition, rows: Rows, whole: str | None
) -> Iterator[NDArray[np.int16]]:
    """Yield the fold of every row; rows with the same value in column `whole` share one."""
    keys: Callable[[slice], NDArray[np.uint64]]
    if whole is None or whole == GROUP:
        number_R = rows.row_R if whole is None else rows.mapped(_first_numbers(rows))
        keys = number_R.__getitem__
    else:
        keys = keys_of_values(rows.frame[whole])
    for block in rows.blocks():
        fold_B = (uniform(keys(block), FOLD_SEED) * definition.folds).astype(np.int16)
        yield np.where(rows.split_R[block] == TRAIN, fold_B, np.int16(NO_FOLD))


def rate(
    num_S: Integers | Floats,
    sum_S: Integers | Floats,
    num_of_all: int | Integers | Floats,
    sum_of_all: int | Integers | Floats,
    parts: int,
    smoothing: float | NDArray[np.floating[Any]],
) -> Floats:
    """The rate (p + smoothing * P / N) / (n + smoothing) - P / N, 0 without a counted row.

    It is (p * N - n * P) / (N * (n + smoothing)) of n rows and the sum p of their labels; N
    rows of all keys have the sum P. Sums are in `parts` of their unit. The products are exact, or
    rounded alike (of amounts, in float64), so a key with exactly the mean rate gets exactly 0, not
    a rounding error that would be standardised.
    """
    is_exact = parts == 1 and num_S.dtype.kind == "i"  # products of parts may need more bits
    kind: Any = np.int64 if is_exact else np.float64
    all_num = np.asarray(num_of_all).astype(kind)
    all_sum = np.asarray(sum_of_all).astype(kind)
    excess_S = sum_S.astype(kind) * all_num - num_S.astype(kind) * all_sum
    divisor_S = parts * np.where(all_num > 0, all_num, 1) * (num_S + smoothing)
    rate_S = excess_S / divisor_S
    return np.where(num_S > 0, rate_S, 0.0)
