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

Shape legend: R rows, K keys, A pairs of a key and a row, C columns.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.countable_labels import (
    EVERYONE,
    PARTS,
    PERIOD,
    ROWS,
    TRAIN,
    VALID,
    CountableLabels,
    Splits,
    countable_labels,
    key_columns,
    of_split,
    positives_of,
    rows_of,
    sum_of,
)
from hinet_search.data.derived.days import delayed
from hinet_search.data.reading import OWN
from hinet_search.data.rows import Rows
from hinet_search.data.splits import SPLIT
from hinet_search.study.event_definition import key_name
from hinet_search.study.statistics_definition import StatisticsDefinition

COUNTED_PERIOD = "counted period"

# From a key to the quantities (R rows) that every row may count of it.
Counted = Callable[[tuple[str, ...]], pl.DataFrame]


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
        rows = rows_of(task) if rows_of(task) in counted else ROWS
        if sum_of(task) in counted:
            rate = _rate(sum_of(task), rows, definition.smoothing, PARTS)
        else:
            rate = _rate(positives_of(task), rows, definition.smoothing)
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


def smoothed_values(
    definition: StatisticsDefinition,
    tasks: Sequence[str],
    counted: Mapping[str, NDArray[np.int64]],
    everyone: Mapping[str, NDArray[np.int64]],
) -> NDArray[np.float32]:
    """The values of `smoothed` (C, R), all keys at once.

    `counted` are the quantities of every key (K, R), `everyone` those of all keys together (R,).
    """
    num_keys = len(definition.keys)
    columns = {name: number_KR.ravel() for name, number_KR in counted.items()}
    columns |= {_of_all(name): np.tile(number_R, num_keys) for name, number_R in everyone.items()}
    of_any = definition.keys[0]  # the columns of all keys are computed alike
    table = pl.DataFrame(columns).select(_statistics(definition, tasks, of_any, list(everyone)))
    value_CA = np.array([column.to_numpy() for column in table])
    value_CKR = value_CA.reshape(table.width, num_keys, -1)
    return value_CKR.swapaxes(0, 1).reshape(num_keys * table.width, value_CKR.shape[2])


def counted_within(definition: StatisticsDefinition, rows: Rows) -> Counted:
    """What every row of train and valid may count of the other rows, 0 without key or day."""
    labels = countable_labels(definition, rows)

    def counted(key: tuple[str, ...]) -> pl.DataFrame:
        of_key = labels.of_key(key, [pl.col(SPLIT)]).join(
            _of_periods(labels, key).lazy(),
            on=[*key_columns(key), PERIOD],
            how="left",
            maintain_order="left",
        )
        counts = []
        for name in labels.quantities:
            of_splits = [_sum_of_splits(splits, name) for splits in labels.counted]
            counts.append(_by_split(of_splits).fill_null(0).alias(name))
        return of_key.select(counts).collect()

    return counted


def _of_periods(labels: CountableLabels, key: tuple[str, ...]) -> pl.DataFrame:
    """What a row of a key and period may count, for every key and period with a row.

    They are summed over the periods of the key that count, without the row's own period.
    """
    names = list(key_columns(key))
    by = [*names, PERIOD]
    counts = pl.exclude(by)
    known = labels.of_key(key, labels.added_by_split).drop_nulls(by)
    of_periods = known.group_by(by).agg(counts.sum()).collect(engine="streaming")
    if not labels.earlier:
        total = counts.sum().over(names) if names else counts.sum()
        return of_periods.with_columns(total - counts)
    before = counts.cum_sum() - counts  # of this key and of those that are sorted before it
    if names:  # `over` takes seven times as long
        is_first = pl.any_horizontal(pl.col(names).ne_missing(pl.col(names).shift()))
        before -= pl.when(is_first).then(before).forward_fill()
    of_periods = of_periods.sort(by)
    if labels.delay:
        return _of_delayed_periods(of_periods.with_columns(before + counts), names, labels.delay)
    return of_periods.with_columns(before)


def _of_delayed_periods(up_to: pl.DataFrame, key: Sequence[str], delay: int) -> pl.DataFrame:
    """For every key and period the counts `up_to` the last period whose labels are known by it."""
    known = up_to.rename({PERIOD: COUNTED_PERIOD}).sort(COUNTED_PERIOD)
    before = delayed(pl.col(PERIOD), up_to.schema[PERIOD], delay).alias(COUNTED_PERIOD)
    asking = up_to.select([*key, PERIOD, before]).sort(COUNTED_PERIOD)
    joined = asking.join_asof(
        known,
        on=COUNTED_PERIOD,
        by=list(key) or None,
        allow_exact_matches=False,
        check_sortedness=False,
    )
    return joined.drop(COUNTED_PERIOD).with_columns(pl.exclude([*key, PERIOD]).fill_null(0))


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
    table = of_periods.select(on)
    names = []
    for splits in dict.fromkeys(labels.counted):
        quantities = []  # of the key, each followed by that of all keys together
        for name in labels.quantities:
            quantities.append(_sum_of_splits(splits, name).alias(name))
            of_all = [_of_all(of_split(split, name)) for split in splits]
            quantities.append(pl.sum_horizontal(of_all).alias(_of_all(name)))
        counts = of_periods.select(quantities)
        statistics = counts.select(_statistics(definition, tasks, key, labels.quantities))
        names = statistics.columns
        table = table.hstack(statistics.rename(partial(_counting, splits)))
    rows = labels.of_key(key, [pl.col(SPLIT)])
    joined = rows.join(table.lazy(), on=on, how="left", maintain_order="left")
    columns = []
    for name in names:
        of_splits = [pl.col(_counting(splits, name)) for splits in labels.counted]
        columns.append(_by_split(of_splits).fill_null(0).alias(name))
    return joined.select(columns)


def _by_split(of_splits: Sequence[pl.Expr]) -> pl.Expr:
    """For every row that of the expressions which is for the rows of its split."""
    train, valid, test = of_splits
    split = pl.col(SPLIT)
    return pl.when(split == TRAIN).then(train).when(split == VALID).then(valid).otherwise(test)


def _sum_of_splits(splits: Splits, quantity: str) -> pl.Expr:
    return pl.sum_horizontal(of_split(split, quantity) for split in splits)


def _rate(positives: str, rows: str, smoothing: float, parts: int = 1) -> pl.Expr:
    """The smoothed rate minus the prior, as (p * N - n * P) / (N * (n + smoothing)).

    N and P are the rows and positives of all keys, n and N of rows that have the task (`rows`). The
    products are exact, or are rounded alike (of amounts, counted in `parts`, in float64), so a key
    with exactly the mean rate gets exactly 0, not a rounding error that would be standardised.
    """
    count = pl.col(rows)
    all_count = pl.col(_of_all(rows))
    total = pl.col(positives)
    all_total = pl.col(_of_all(positives))
    if parts > 1:  # the products may be larger than int64
        total = total.cast(pl.Float64)
        all_total = all_total.cast(pl.Float64)
    excess = total * all_count - count * all_total
    rate = excess / (parts * all_count * (count + smoothing))
    return pl.when(count > 0).then(rate).otherwise(0.0).cast(pl.Float32)


def _of_all(name: str) -> str:
    return f"all {name}"


def _counting(splits: Splits, name: str) -> str:
    return f"{OWN}{name}, counted in splits {splits}"


def _rows_name(key: tuple[str, ...]) -> str:
    return f"{key_name(key)} rows"


def _rate_names(key: tuple[str, ...], tasks: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{key_name(key)} {task} rate" for task in tasks)
