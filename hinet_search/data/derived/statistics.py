"""Target statistics: label rates and counts of a key's other rows, counted without leaking.

For every key (a user, a video, a user in a tab) a row gets log(1 + n) and, for every task, a
smoothed label rate minus the mean rate: (p + smoothing * prior) / (n + smoothing) - prior, with n
counted rows of the key, p positives among them, and the prior the rate of all rows that may be
counted, whatever their key. So 0 means that nothing is known.

Which labels a row counts decides whether the statistics help or leak:
    with a clock      labels of strictly earlier days, never of the row's own day (days.py says what
                      a day is). Rows of train and valid count labels of train only; rows of test
                      count those of train and valid.
    without a clock   labels of train only. A training row counts those of other folds; its fold is
                      a hash of its row number in the source, so it does not depend on row order.
No row counts labels of test. A row without a day counts nothing and is not counted; a row with a
null in the key has no statistics of that key.

For rows that are newer than the study, labels are added up by key and day. A new row gets the
statistics that a test row with its key and day would get: with a clock it counts labels of train
and valid from strictly earlier days, without a clock all labels of train. So a row after the
study's last day counts all labels.

Shape legend: R rows, T tasks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.days import days_of
from hinet_search.data.encode import known_values
from hinet_search.data.hashing import uniform
from hinet_search.data.lists import codes_of, distinct_values
from hinet_search.data.rows import Rows
from hinet_search.study.feature_definition import StatisticsDefinition, key_name

TRAIN, VALID, TEST = range(len(SPLITS))
# Unlike the seed of any split: the hash of the split would give folds of unequal size.
FOLD_SEED = 7_046_029_254

PERIOD, IS_TEST = "period", "is test"
TRAIN_AMOUNT, VALID_AMOUNT = "train", "valid"
ROWS = "rows"
EVERYONE = ()  # the key of any row

# From a key to the quantities (R rows) that every row may count of it.
Counted = Callable[[tuple[str, ...]], pl.DataFrame]
DAY, ROW = "number of the day", "row"


@dataclass(frozen=True)
class _Labels:
    """The labels that may be counted.

    `table` (R rows) has the period of the row (a day or a fold), whether it is in test, and its
    amounts: the 0/1 that it adds to every quantity, in one column if it is in train and in another
    if it is in valid. `quantities` are rows, then the positives of every task.
    """

    table: pl.DataFrame
    quantities: tuple[str, ...]
    earlier: bool  # count earlier periods only, else all other periods

    @property
    def amounts(self) -> list[str]:
        """Names of all amounts, those of train first."""
        of_train = [_amount(TRAIN_AMOUNT, quantity) for quantity in self.quantities]
        return of_train + [_amount(VALID_AMOUNT, quantity) for quantity in self.quantities]


def quantities(num_tasks: int) -> tuple[str, ...]:
    """Names of what is counted: rows, then the positives of every task."""
    return (ROWS, *(f"positives {task}" for task in range(num_tasks)))


def statistic_names(definition: StatisticsDefinition, tasks: Sequence[str]) -> tuple[str, ...]:
    """The columns of `target_statistics`, in order: per key `KEY rows` and `KEY TASK rate`."""
    names: list[str] = []
    for key in definition.keys:
        names += [_rows_name(key), *_rate_names(key, tasks)]
    return tuple(names)


def growing_statistics(definition: StatisticsDefinition | None) -> tuple[str, ...]:
    """The statistics that grow from day to day: the counts of rows up to a clock's day."""
    if definition is None or definition.clock is None:
        return ()
    return tuple(_rows_name(key) for key in definition.keys)


def target_statistics(
    definition: StatisticsDefinition, rows: Rows, tasks: Sequence[str]
) -> pl.DataFrame:
    """Float32 columns of `statistic_names` without nulls, aligned with `rows.frame`.

    `tasks` are the names of the columns of `rows.labels_RT`.
    """
    labels = _labels(definition, rows)
    everyone = pl.Series(np.zeros(len(rows.frame), dtype=np.uint8))

    def counted(key: tuple[str, ...]) -> pl.DataFrame:
        columns = [rows.frame[column] for column in key] or [everyone]
        return _counted(labels, columns)

    return smoothed(definition, tasks, counted)


def smoothed(
    definition: StatisticsDefinition, tasks: Sequence[str], counted: Counted
) -> pl.DataFrame:
    """The columns of `statistic_names` from what rows may count of every key."""
    overall = counted(EVERYONE).rename(lambda quantity: f"all {quantity}")
    tables = [
        _of_key(definition, tasks, key, counted(key).hstack(overall)) for key in definition.keys
    ]
    return pl.concat(tables, how="horizontal")


def _of_key(
    definition: StatisticsDefinition,
    tasks: Sequence[str],
    key: tuple[str, ...],
    counted: pl.DataFrame,
) -> pl.DataFrame:
    positives = quantities(len(tasks))[1:]
    rates = [
        _rate(quantity, definition.smoothing).alias(name)
        for quantity, name in zip(positives, _rate_names(key, tasks), strict=True)
    ]
    return counted.select(pl.col(ROWS).log1p().cast(pl.Float32).alias(_rows_name(key)), *rates)


def _labels(definition: StatisticsDefinition, rows: Rows) -> _Labels:
    clock = definition.clock
    if clock is None:
        fold_R = (uniform(rows.row_R, FOLD_SEED) * definition.folds).astype(np.int16)
        # Valid and test share a period of their own: they count every fold, and not one another.
        period = pl.Series(np.where(rows.split_R == TRAIN, fold_R, -1))
    else:
        period = days_of(rows.frame[clock], definition.day_length)
    names = quantities(rows.labels_RT.shape[1])
    amounts = [np.ones(len(rows.frame), dtype=np.uint8), *rows.labels_RT.T]
    columns = [period.alias(PERIOD), pl.Series(IS_TEST, rows.split_R == TEST)]
    for split, split_name in ((TRAIN, TRAIN_AMOUNT), (VALID, VALID_AMOUNT)):
        is_in_split_R = (rows.split_R == split).astype(np.uint8)
        for name, amount_R in zip(names, amounts, strict=True):
            columns.append(pl.Series(_amount(split_name, name), amount_R * is_in_split_R))
    return _Labels(pl.DataFrame(columns), names, earlier=clock is not None)


def _counted(labels: _Labels, key: list[pl.Series]) -> pl.DataFrame:
    """The quantities (R rows, int64) that every row may count of its key, 0 without key or day.

    Amounts are summed per key and period, then over the periods of the key that count, without the
    row's own period. Rows of test also count the labels of valid.
    """
    columns = [known_values(values).alias(f"key {number}") for number, values in enumerate(key)]
    names = [column.name for column in columns]
    amounts = pl.col(labels.amounts)
    up_to_period = amounts.cum_sum() if labels.earlier else amounts.sum()
    table = labels.table.with_columns(columns)
    of_periods = (
        table.lazy()
        .drop_nulls([*names, PERIOD])
        .group_by(*names, PERIOD)
        .agg(amounts.cast(pl.Int64).sum())
        .sort(PERIOD)
        .with_columns(up_to_period.over(names) - amounts)
    )
    of_rows = (
        table.lazy()
        .select(*names, PERIOD, IS_TEST)
        .join(of_periods, on=[*names, PERIOD], how="left", maintain_order="left")
    )
    return of_rows.select(_countable(quantity) for quantity in labels.quantities).collect()


def _countable(quantity: str) -> pl.Expr:
    """The amounts of train, and for a row of test also those of valid."""
    of_train, of_valid = pl.col(_amount(TRAIN_AMOUNT, quantity)), _amount(VALID_AMOUNT, quantity)
    return (of_train + pl.col(IS_TEST) * pl.col(of_valid)).fill_null(0).alias(quantity)


def _rate(positives: str, smoothing: float) -> pl.Expr:
    """The smoothed rate minus the prior, as (p * N - n * P) / (N * (n + smoothing)).

    N and P are the rows and positives of all keys. The numerator is a whole number, so a key with
    exactly the mean rate gets exactly 0, not a rounding error that would be standardised.
    """
    count, all_count = pl.col(ROWS), pl.col(f"all {ROWS}")
    excess = pl.col(positives) * all_count - count * pl.col(f"all {positives}")
    rate = excess / (all_count * (count + smoothing))
    return pl.when(count > 0).then(rate).otherwise(0.0).cast(pl.Float32)


def _amount(split: str, quantity: str) -> str:
    return f"{split} {quantity}"


def _rows_name(key: tuple[str, ...]) -> str:
    return f"{key_name(key)} rows"


def _rate_names(key: tuple[str, ...], tasks: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{key_name(key)} {task} rate" for task in tasks)


@dataclass(frozen=True)
class LabelCounts:
    """Counted labels of a study by key and day.

    `days` are the days with a counted row, in order. A table of `of_keys` has the columns of its
    key (`key 0`, `key 1`, ...), the number of a day on which that key has a counted row, and the
    quantities up to and including that day. EVERYONE is the key that every row has.
    """

    days: pl.Series
    of_keys: Mapping[tuple[str, ...], pl.DataFrame]


def label_counts(definition: StatisticsDefinition, rows: Rows) -> LabelCounts:
    """Count the labels of a study's rows."""
    clock = definition.clock
    if clock is None:
        is_counted = pl.Series(rows.split_R == TRAIN)
        day = pl.Series(np.zeros(int(is_counted.sum()), dtype=np.int64))
    else:
        is_counted = pl.Series(rows.split_R <= VALID)
        day = days_of(rows.frame[clock].filter(is_counted), definition.day_length)
    days = distinct_values(day)
    number = pl.Series(DAY, codes_of(day, days))
    labels_RT = rows.labels_RT[is_counted.to_numpy()]
    names = quantities(labels_RT.shape[1])
    amounts = [np.ones(len(labels_RT), dtype=np.int64), *labels_RT.T.astype(np.int64)]
    counted = pl.DataFrame([number, *map(pl.Series, names, amounts)])

    def of_key(key: tuple[str, ...]) -> pl.DataFrame:
        columns = _key_columns([rows.frame[column].filter(is_counted) for column in key])
        by = [column.name for column in columns]
        table = counted.hstack(columns).drop_nulls(by).filter(pl.col(DAY) >= 0)
        of_days = table.group_by(*by, DAY).agg(pl.col(names).sum()).sort(DAY, *by)
        up_to_day = pl.col(names).cum_sum()
        return of_days.with_columns(up_to_day.over(by) if by else up_to_day)

    return LabelCounts(days, {key: of_key(key) for key in (EVERYONE, *definition.keys)})


def later_statistics(
    counts: LabelCounts, definition: StatisticsDefinition, frame: pl.DataFrame, tasks: Sequence[str]
) -> pl.DataFrame:
    """The columns of `target_statistics` for new rows, which have the column types of the study."""
    clock = definition.clock
    if clock is None:
        last_R = np.zeros(len(frame), dtype=np.int64)
    else:  # a row without a day counts nothing, like a row before all days
        day = frame[clock]
        if not isinstance(counts.days.dtype, pl.Datetime):  # models of old: a day is a moment
            day = days_of(day, definition.day_length)
        next_day = counts.days.search_sorted(day, side="left")
        last_R = next_day.to_numpy().astype(np.int64) - 1
    number = pl.Series(DAY, last_R)

    def counted(key: tuple[str, ...]) -> pl.DataFrame:
        columns = _key_columns([frame[column] for column in key])
        return _up_to(counts.of_keys[key], pl.DataFrame([number, *columns]), quantities(len(tasks)))

    return smoothed(definition, tasks, counted)


def _up_to(table: pl.DataFrame, rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """For every row the quantities of its key up to the row's day, 0 where there are none.

    `rows` has the columns of a key and DAY.
    """
    by = [name for name in rows.columns if name != DAY]
    numbered = rows.with_row_index(ROW)
    latest = (
        numbered.drop_nulls(by or None)
        .sort(DAY)
        .join_asof(table, on=DAY, by=by or None, strategy="backward", check_sortedness=False)
    )
    joined = numbered.select(ROW).join(latest, on=ROW, how="left", maintain_order="left")
    return joined.select(pl.col(name).fill_null(0) for name in names)


def key_columns(key: Sequence[object]) -> tuple[str, ...]:
    """Names of the columns of a key in a table of LabelCounts: `key 0`, `key 1`, ..."""
    return tuple(f"key {position}" for position in range(len(key)))


def _key_columns(values: Sequence[pl.Series]) -> list[pl.Series]:
    names = key_columns(values)
    return [known_values(column).alias(name) for name, column in zip(names, values, strict=True)]
