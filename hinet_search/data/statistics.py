"""Target statistics: what the labels of a key's other rows say of it, counted only where that is fair.

For every key (a user, a video, a user in a tab) a row gets log(1 + n) and, for every task, a smoothed label rate less
the mean rate: (p + smoothing * prior) / (n + smoothing) - prior, with n counted rows of the key, p positive ones among
them, and the prior the rate of all rows that may be counted, of any key. So 0 = nothing is known.

Which labels a row counts decides whether the statistics help or leak:
    with a clock      labels of strictly earlier days, never of its own day. Rows of train and valid count training
                      labels alone; rows of test count those of train and valid.
    without a clock   training labels alone. A training row counts those of other folds; its fold is a hash of its row
                      number in the source, so it does not depend on the order of the rows.
Labels of test rows are counted by no row. A row without a day counts nothing and is not counted; a row with a null in
the key has no statistics of that key.

Shape legend: R rows, T tasks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from hinet_search.data.columns import SPLITS
from hinet_search.data.encode import known_values
from hinet_search.data.hashing import uniform
from hinet_search.data.rows import Rows
from hinet_search.features import StatisticsDefinition, key_name

TRAIN, VALID, TEST = range(len(SPLITS))
FOLD_SEED = 7_046_029_254  # of no split that somebody writes: the split's own hash would leave folds of unequal size

PERIOD, IS_TEST = "period", "is test"
TRAIN_AMOUNT, VALID_AMOUNT = "train", "valid"
ROWS = "rows"
EVERYONE = ()  # the key of any row

Counted = Callable[[tuple[str, ...]], pl.DataFrame]  # of a key, the quantities that every row may count


@dataclass(frozen=True)
class _Labels:
    """What may be counted. `table` (R rows) has the period, whether the row is of test, and the amounts of its label.

    A period is a day, or a fold. Amounts are the 0/1 that a row adds to a count when it is of train, and those when it
    is of valid; `quantities` names what is counted: rows, then the positives of every task.
    """

    table: pl.DataFrame
    quantities: tuple[str, ...]
    earlier: bool  # whether earlier periods count, or all others

    @property
    def amounts(self) -> list[str]:
        """Names of all amounts, those of train first."""
        return [_amount(split, one) for split in (TRAIN_AMOUNT, VALID_AMOUNT) for one in self.quantities]


def quantities(num_tasks: int) -> tuple[str, ...]:
    """What is counted: rows, then the positives of every task."""
    return (ROWS, *(f"positives {task}" for task in range(num_tasks)))


def statistic_names(definition: StatisticsDefinition, tasks: Sequence[str]) -> tuple[str, ...]:
    """The columns of `target_statistics`, in order: per key `KEY rows` and `KEY TASK rate`."""
    return tuple(name for key in definition.keys for name in (_rows_name(key), *_rate_names(key, tasks)))


def target_statistics(definition: StatisticsDefinition, rows: Rows, tasks: Sequence[str]) -> pl.DataFrame:
    """Float32 columns of `statistic_names`, a row per row of `rows.frame` in its order, without nulls.

    `tasks` are the names of the columns of `rows.labels_RT`.
    """
    labels = _labels(definition, rows)
    everyone = pl.Series(np.zeros(len(rows.frame), dtype=np.uint8))
    return smoothed(
        definition, tasks, lambda key: _counted(labels, [rows.frame[column] for column in key] or [everyone])
    )


def smoothed(definition: StatisticsDefinition, tasks: Sequence[str], counted: Counted) -> pl.DataFrame:
    """The columns of `statistic_names` from what rows may count of every key."""
    overall = counted(EVERYONE).rename(lambda quantity: f"all {quantity}")
    return pl.concat(
        [_of_key(definition, tasks, key, counted(key).hstack(overall)) for key in definition.keys], how="horizontal"
    )


def _of_key(
    definition: StatisticsDefinition, tasks: Sequence[str], key: tuple[str, ...], counted: pl.DataFrame
) -> pl.DataFrame:
    names = zip(quantities(len(tasks))[1:], _rate_names(key, tasks), strict=True)
    return counted.select(
        pl.col(ROWS).log1p().cast(pl.Float32).alias(_rows_name(key)),
        *(_rate(positives, definition.smoothing).alias(name) for positives, name in names),
    )


def _labels(definition: StatisticsDefinition, rows: Rows) -> _Labels:
    """Periods and amounts."""
    clock = definition.clock
    if clock is None:
        fold_R = (uniform(rows.row_R, FOLD_SEED) * definition.folds).astype(np.int16)
        # Rows of valid and test share a period of their own: they count every fold, and not one another.
        period = pl.Series(np.where(rows.split_R == TRAIN, fold_R, -1))
    else:
        period = known_values(rows.frame[clock])
    ones_R = np.ones(len(rows.frame), dtype=np.uint8)
    amounts = dict(zip(quantities(rows.labels_RT.shape[1]), [ones_R, *rows.labels_RT.T], strict=True))
    train_R = (rows.split_R == TRAIN).astype(np.uint8)
    valid_R = (rows.split_R == VALID).astype(np.uint8)
    table = pl.DataFrame(
        [
            period.alias(PERIOD),
            pl.Series(IS_TEST, rows.split_R == TEST),
            *(pl.Series(_amount(TRAIN_AMOUNT, name), amount_R * train_R) for name, amount_R in amounts.items()),
            *(pl.Series(_amount(VALID_AMOUNT, name), amount_R * valid_R) for name, amount_R in amounts.items()),
        ]
    )
    return _Labels(table, tuple(amounts), earlier=clock is not None)


def _counted(labels: _Labels, key: list[pl.Series]) -> pl.DataFrame:
    """The quantities (R rows, int64) that every row may count of its key, 0 where it has no key or no day.

    Amounts are added up per key and period, then over the key's periods, less the row's own period. Labels of valid
    are added for rows of test alone.
    """
    columns = [known_values(values).alias(f"key {place}") for place, values in enumerate(key)]
    names = [column.name for column in columns]
    amounts = pl.col(labels.amounts)
    table = labels.table.with_columns(columns)
    of_periods = (
        table.lazy()
        .drop_nulls([*names, PERIOD])
        .group_by(*names, PERIOD)
        .agg(amounts.cast(pl.Int64).sum())
        .sort(PERIOD)
        .with_columns((amounts.cum_sum() if labels.earlier else amounts.sum()).over(names) - amounts)
    )
    return (
        table.lazy()
        .select(*names, PERIOD, IS_TEST)
        .join(of_periods, on=[*names, PERIOD], how="left", maintain_order="left")
        .select(
            (pl.col(_amount(TRAIN_AMOUNT, one)) + pl.col(IS_TEST) * pl.col(_amount(VALID_AMOUNT, one)))
            .fill_null(0)
            .alias(one)
            for one in labels.quantities
        )
        .collect()
    )


def _rate(positives: str, smoothing: float) -> pl.Expr:
    """The smoothed rate less the prior, as one fraction: (p * N - n * P) / (N * (n + smoothing)) for N rows, P positives.

    Its upper part is of whole numbers, so a key with exactly the mean rate has exactly 0, and no rounding to standardise.
    """
    count, all_count = pl.col(ROWS), pl.col(f"all {ROWS}")
    excess = pl.col(positives) * all_count - count * pl.col(f"all {positives}")
    return pl.when(count > 0).then(excess / (all_count * (count + smoothing))).otherwise(0.0).cast(pl.Float32)


def _amount(split: str, quantity: str) -> str:
    return f"{split} {quantity}"


def _rows_name(key: tuple[str, ...]) -> str:
    return f"{key_name(key)} rows"


def _rate_names(key: tuple[str, ...], tasks: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{key_name(key)} {task} rate" for task in tasks)
