"""Target statistics: label rates and counts of a key's other rows, counted without leaking.

For every key (a user, a video, a user in a tab) a row gets log(1 + n) and, for every task, a
smoothed label rate minus the mean rate: (p + smoothing * prior) / (n + smoothing) - prior, with n
counted rows of the key, p positives among them, and the prior the rate of all rows that may be
counted, whatever their key. Of amounts, p is their sum in the task's unit. So 0 means that nothing
is known. A row whose scenario does not have a task is no row of that task: n and the prior of its
rate count rows that have the task.

Which labels a row counts decides whether the statistics help or leak:
    with a clock      labels of strictly earlier days (or hours), never of the row's own, and only
                      those known by then, `labels_after` their rows (days.py says what a day is).
                      `refresh` says how often production counts anew. By `day` or `hour`, rows of
                      train count labels of train, those of valid also labels of valid, and those of
                      test all. By `never`, a later split counts none of its own: rows of valid
                      labels of train only, rows of test those of train and valid.
    without a clock   labels of train only. A training row counts those of other folds; its fold is
                      a hash of its row number in the source, so it does not depend on row order.
No row counts labels of a later split. A row without a day counts nothing and is not counted; a row
with a null in the key has no statistics of that key.

Rows that are newer than the study count by label_counts.py.

Shape legend: R rows, T tasks, M scenarios.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.days import delayed, period
from hinet_search.data.encode import known_column
from hinet_search.data.hashing import uniform
from hinet_search.data.mapped_array import column_of
from hinet_search.data.reading import OWN
from hinet_search.data.rows import Rows
from hinet_search.data.splits import SPLIT
from hinet_search.study.feature_definition import StatisticsDefinition, key_name

TRAIN, VALID, TEST = range(len(SPLITS))
# Unlike the seed of any split: the hash of the split would give folds of unequal size.
FOLD_SEED = 7_046_029_254

PERIOD, COUNTED_PERIOD = "period", "counted period"
FOLD = f"{OWN}fold"  # beside the columns of the table
ROWS = "rows"
PARTS = 2**16  # of the unit of amounts, which are counted in whole parts: sums have no order
EVERYONE = ()  # the key of any row

Splits = tuple[int, ...]
# From a key to the quantities (R rows) that every row may count of it.
Counted = Callable[[tuple[str, ...]], pl.DataFrame]


@dataclass(frozen=True)
class CountableLabels:
    """The labels that may be counted.

    `frame` (R rows) has the columns of the table, and as columns of our own the split and the whole
    number that a row adds to every quantity but ROWS: 0 or 1, or parts of an amount. `period` is a
    row's day, hour or fold. Rows of split s count those of the splits `counted[s]`: of all other
    periods, or, if `earlier`, of those that are more than `delay` periods earlier.
    """

    frame: pl.DataFrame
    period: pl.Expr
    quantities: tuple[str, ...]
    counted: tuple[Splits, ...]
    earlier: bool
    delay: int = 0

    def of_key(self, key: tuple[str, ...], *others: pl.Expr) -> pl.LazyFrame:
        """The columns of a key, named by `key_columns`, the period, and further ones."""
        names = zip(key_columns(key), key, strict=True)
        known = [known_column(name, self.frame[name].dtype).alias(new) for new, name in names]
        return self.frame.lazy().select(*known, self.period.alias(PERIOD), *others)

    @property
    def added_by_split(self) -> list[pl.Expr]:
        """What a row adds to every quantity if it is in a split, for every split that counts."""
        return [
            (added * (pl.col(SPLIT) == split)).cast(pl.Int64).alias(_of_split(split, name))
            for split in self.last_counted
            for name, added in zip(self.quantities, self.added, strict=True)
        ]

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
        _sum_of(task) if task in amounts else _positives(task)
        for task in range(has_task_MT.shape[1])
    )
    return (ROWS, *sums, *(_rows_of(task) for task in _partial(has_task_MT)))


def _positives(task: int) -> str:
    return f"positives {task}"


def _sum_of(task: int) -> str:
    return f"amounts {task}"


def _rows_of(task: int) -> str:
    return f"rows {task}"


def _partial(has_task_MT: NDArray[np.bool_]) -> list[int]:
    """The tasks that some scenario lacks."""
    return [int(task) for task in np.flatnonzero(~has_task_MT.all(axis=0))]


def statistic_names(definition: StatisticsDefinition, tasks: Sequence[str]) -> tuple[str, ...]:
    """The columns of `target_statistics`, in order: per key `KEY rows` and `KEY TASK rate`."""
    names: list[str] = []
    for key in definition.keys:
        names += [_rows_name(key), *_rate_names(key, tasks)]
    return tuple(names)


def growing_statistics(definition: StatisticsDefinition | None) -> tuple[str, ...]:
    """The counts of rows: larger on test by nature, as of more days, or of one fold more."""
    if definition is None:
        return ()
    return tuple(_rows_name(key) for key in definition.keys)


def clocked_statistics(
    definition: StatisticsDefinition | None, tasks: Sequence[str]
) -> tuple[str, ...]:
    """The statistics that count labels of earlier days only: all of a clock."""
    if definition is None or definition.clock is None:
        return ()
    return statistic_names(definition, tasks)


def counted_splits(definition: StatisticsDefinition, *, is_frozen: bool) -> tuple[Splits, ...]:
    """For rows of every split, the splits whose labels they count."""
    if definition.clock is None:
        return ((TRAIN,),) * len(SPLITS)
    if is_frozen:
        return (TRAIN,), (TRAIN,), (TRAIN, VALID)
    return (TRAIN,), (TRAIN, VALID), (TRAIN, VALID, TEST)


def target_statistics(
    definition: StatisticsDefinition,
    rows: Rows,
    tasks: Sequence[str],
    *,
    is_frozen: bool | None = None,
) -> pl.DataFrame:
    """Float32 columns of `statistic_names` without nulls, aligned with `rows.frame`.

    `tasks` are the names of the columns of `rows.labels_RT`. `is_frozen` says whether a later split
    counts none of its own labels; by default the definition says it.
    """
    labels = countable_labels(definition, rows, is_frozen=is_frozen)
    everyone = _of_periods(labels, EVERYONE)
    everyone = everyone.select(PERIOD, pl.exclude(PERIOD).name.map(_of_all))
    tables = []
    for key in definition.keys:
        of_periods = _of_periods(labels, key).join(everyone, on=PERIOD, how="left")
        tables.append(rows.collected(_of_rows(labels, definition, tasks, key, of_periods)))
    return pl.concat(tables, how="horizontal")


def _statistics(
    definition: StatisticsDefinition,
    tasks: Sequence[str],
    key: tuple[str, ...],
    counted: Sequence[str],
) -> list[pl.Expr]:
    """The columns of a key in `statistic_names`, from its `counted` quantities and of EVERYONE."""
    rates = []
    for task, name in enumerate(_rate_names(key, tasks)):
        rows = _rows_of(task) if _rows_of(task) in counted else ROWS
        if _sum_of(task) in counted:
            rate = _rate(_sum_of(task), rows, definition.smoothing, PARTS)
        else:
            rate = _rate(_positives(task), rows, definition.smoothing)
        rates.append(rate.alias(name))
    return [pl.col(ROWS).log1p().cast(pl.Float32).alias(_rows_name(key)), *rates]


def smoothed(
    definition: StatisticsDefinition, tasks: Sequence[str], counted: Counted
) -> pl.DataFrame:
    """The columns of `statistic_names` from what rows may count of every key."""
    everyone = counted(EVERYONE)
    of_all = everyone.rename(_of_all)
    tables = [
        counted(key).hstack(of_all).select(_statistics(definition, tasks, key, everyone.columns))
        for key in definition.keys
    ]
    return pl.concat(tables, how="horizontal")


def counted_within(definition: StatisticsDefinition, rows: Rows) -> Counted:
    """What every row of train and valid may count of the other rows, 0 without key or day."""
    labels = countable_labels(definition, rows)

    def counted(key: tuple[str, ...]) -> pl.DataFrame:
        of_key = labels.of_key(key, pl.col(SPLIT)).join(
            _of_periods(labels, key).lazy(),
            on=[*key_columns(key), PERIOD],
            how="left",
            maintain_order="left",
        )
        of_splits = {name: partial(_sum_of_splits, quantity=name) for name in labels.quantities}
        return of_key.select(
            _by_split(labels, count).fill_null(0).alias(name) for name, count in of_splits.items()
        ).collect()

    return counted


def countable_labels(
    definition: StatisticsDefinition, rows: Rows, *, is_frozen: bool | None = None
) -> CountableLabels:
    """The labels of a study's rows, with the period of each row; see `target_statistics`."""
    frozen = definition.is_frozen if is_frozen is None else is_frozen
    columns = [column_of(SPLIT, rows.split_R), *_added(rows)]
    clock = definition.clock
    if clock is None:
        columns.append(column_of(FOLD, rows.mapped(_folds(definition, rows))))
        of_row = pl.col(FOLD)
    else:
        dtype = rows.frame[clock].dtype
        of_row = period(known_column(clock, dtype), dtype, definition)
    return CountableLabels(
        frame=rows.frame.with_columns(columns),
        period=of_row,
        quantities=quantities(rows.has_task_MT, rows.units),
        counted=counted_splits(definition, is_frozen=frozen),
        earlier=clock is not None,
        delay=definition.delay,
    )


def _added(rows: Rows) -> Iterator[pl.Series]:
    """Yield the whole number that every row adds to each quantity but ROWS."""
    for task in range(rows.labels_RT.shape[1]):
        blocks = (rows.labels_RT[block, task] for block in rows.blocks())
        if task in rows.units:
            yield column_of(_own(_sum_of(task)), rows.mapped(map(_parts, blocks)))
        else:
            yield column_of(_own(_positives(task)), rows.mapped(blocks))
    for task in _partial(rows.has_task_MT):
        has_task_M = rows.has_task_MT[:, task].astype(np.uint8)
        has_label_R = rows.mapped(has_task_M[rows.scenario_R[block]] for block in rows.blocks())
        yield column_of(_own(_rows_of(task)), has_label_R)


def _parts(amount_B: NDArray[Any]) -> NDArray[np.int64]:
    return np.rint(amount_B.astype(np.float64) * PARTS).astype(np.int64)


def _folds(definition: StatisticsDefinition, rows: Rows) -> Iterator[NDArray[np.int16]]:
    """Yield the fold of every row; valid and test share one of their own.

    So they count every fold, and not one another.
    """
    for block in rows.blocks():
        fold_R = (uniform(rows.row_R[block], FOLD_SEED) * definition.folds).astype(np.int16)
        yield np.where(rows.split_R[block] == TRAIN, fold_R, np.int16(-1))


def _of_periods(labels: CountableLabels, key: tuple[str, ...]) -> pl.DataFrame:
    """What a row of a key and period may count, for every key and period with a row.

    They are summed over the periods of the key that count, without the row's own period.
    """
    names = list(key_columns(key))
    counts = pl.exclude(*names, PERIOD)
    of_periods = (
        labels.of_key(key, *labels.added_by_split)
        .drop_nulls([*names, PERIOD])
        .group_by(*names, PERIOD)
        .agg(counts.sum())
        .collect(engine="streaming")
    )
    if not labels.earlier:
        total = counts.sum().over(names) if names else counts.sum()
        return of_periods.with_columns(total - counts)
    before = counts.cum_sum() - counts  # of this key and of those that are sorted before it
    if names:  # `over` takes seven times as long
        is_first = pl.any_horizontal(pl.col(names).ne_missing(pl.col(names).shift()))
        before -= pl.when(is_first).then(before).forward_fill()
    of_periods = of_periods.sort(*names, PERIOD)
    if labels.delay:
        return _of_delayed_periods(of_periods.with_columns(before + counts), names, labels.delay)
    return of_periods.with_columns(before)


def _of_delayed_periods(up_to: pl.DataFrame, key: Sequence[str], delay: int) -> pl.DataFrame:
    """For every key and period the counts `up_to` the last period whose labels are known by it."""
    known = up_to.rename({PERIOD: COUNTED_PERIOD}).sort(COUNTED_PERIOD)
    before = delayed(pl.col(PERIOD), up_to.schema[PERIOD], delay).alias(COUNTED_PERIOD)
    joined = (
        up_to.select(*key, PERIOD, before)
        .sort(COUNTED_PERIOD)
        .join_asof(
            known,
            on=COUNTED_PERIOD,
            by=list(key) or None,
            allow_exact_matches=False,
            check_sortedness=False,
        )
    )
    return joined.drop(COUNTED_PERIOD).with_columns(pl.exclude(*key, PERIOD).fill_null(0))


def _of_rows(
    labels: CountableLabels,
    definition: StatisticsDefinition,
    tasks: Sequence[str],
    key: tuple[str, ...],
    of_periods: pl.DataFrame,
) -> pl.LazyFrame:
    """The statistics of a key (R rows), 0 without key or day.

    `of_periods` has the counts of the key, and as `all ...` those of all keys together. The
    statistics are computed once for every key and period, which are fewer than rows.
    """
    on = [*key_columns(key), PERIOD]
    table, names = of_periods.select(on), []
    for splits in dict.fromkeys(labels.counted):
        counts = of_periods.select(_countable(labels.quantities, splits))
        statistics = counts.select(_statistics(definition, tasks, key, labels.quantities))
        names = statistics.columns
        table = table.hstack(statistics.rename(partial(_counting, splits)))
    rows = labels.of_key(key, pl.col(SPLIT))
    joined = rows.join(table.lazy(), on=on, how="left", maintain_order="left")
    of_splits = {name: partial(_counting_column, name) for name in names}
    return joined.select(
        _by_split(labels, column).fill_null(0).alias(name) for name, column in of_splits.items()
    )


def _by_split(labels: CountableLabels, of_splits: Callable[[Splits], pl.Expr]) -> pl.Expr:
    """For every row, what is counted in the splits that rows of its split count."""
    train, valid, test = (of_splits(splits) for splits in labels.counted)
    split = pl.col(SPLIT)
    return pl.when(split == TRAIN).then(train).when(split == VALID).then(valid).otherwise(test)


def _countable(names: Sequence[str], splits: Splits) -> list[pl.Expr]:
    """The quantities of a key, each followed by that of all keys together, in these splits."""
    counts = []
    for name in names:
        counts.append(_sum_of_splits(splits, name).alias(name))
        of_all = [_of_all(_of_split(split, name)) for split in splits]
        counts.append(pl.sum_horizontal(of_all).alias(_of_all(name)))
    return counts


def _sum_of_splits(splits: Splits, quantity: str) -> pl.Expr:
    return pl.sum_horizontal(_of_split(split, quantity) for split in splits)


def _rate(positives: str, rows: str, smoothing: float, parts: int = 1) -> pl.Expr:
    """The smoothed rate minus the prior, as (p * N - n * P) / (N * (n + smoothing)).

    N and P are the rows and positives of all keys, n and N of rows that have the task (`rows`). The
    products are exact, or are rounded alike (of amounts, counted in `parts`, in float64), so a key
    with exactly the mean rate gets exactly 0, not a rounding error that would be standardised.
    """
    count, all_count = pl.col(rows), pl.col(_of_all(rows))
    total, all_total = pl.col(positives), pl.col(_of_all(positives))
    if parts > 1:  # the products may be larger than int64
        total, all_total = total.cast(pl.Float64), all_total.cast(pl.Float64)
    excess = total * all_count - count * all_total
    rate = excess / (parts * all_count * (count + smoothing))
    return pl.when(count > 0).then(rate).otherwise(0.0).cast(pl.Float32)


def _of_split(split: int, quantity: str) -> str:
    return f"{SPLITS[split]} {quantity}"


def _of_all(name: str) -> str:
    return f"all {name}"


def _counting(splits: Splits, name: str) -> str:
    return f"{OWN}{name}, counted in splits {splits}"


def _counting_column(name: str, splits: Splits) -> pl.Expr:
    return pl.col(_counting(splits, name))


def _own(quantity: str) -> str:
    """A column of our own beside those of the table."""
    return f"{OWN}{quantity}"


def _rows_name(key: tuple[str, ...]) -> str:
    return f"{key_name(key)} rows"


def _rate_names(key: tuple[str, ...], tasks: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{key_name(key)} {task} rate" for task in tasks)


def key_columns(key: Sequence[object]) -> tuple[str, ...]:
    """Names of the columns of a key in a table of LabelCounts: `key 0`, `key 1`, ..."""
    return tuple(f"key {position}" for position in range(len(key)))
