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
                      With a `half_life`, a label of a days ago counts 2^(-a / half_life) in rates.
                      `refresh` says how often production counts anew. By `day` or `hour`, rows of
                      train count labels of train, those of valid also labels of valid, and those of
                      test all. By `never`, a later split counts none of its own: rows of valid
                      labels of train only, rows of test labels of train and valid.
    without a clock   labels of train only. A training row counts labels of other folds; its fold is
                      a hash of its row number in the source, so it does not depend on row order.
                      Where the split keeps users whole, it is a hash of the user.

Inputs of training rows are as of new rows. A label of F - 1 folds counts F / (F - 1) times
before the smoothing, which is written as less smoothing. The number of rows is no label: without a
clock, n of log(1 + n) is all other rows of train, where users are whole the rows of other users.

By groups of a ranking (rank_groups.py), a row asks as of the day of its group's first row; without
a clock, the rows of a group share a fold. No row counts labels of a later split. A row without a
day counts nothing and is not counted; a row with a null in the key has no statistics of that key.

Rows that are newer than the study count as rows of test, and are counted by none (event_log.py).

Shape legend: R rows, K keys, A pairs of a key and a row, C columns.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import polars as pl

from hinet_search.data.derived.countable_labels import (
    EVERYONE,
    NO_FOLD,
    OWN_ROWS,
    PARTS,
    PERIOD,
    ROWS,
    TRAIN,
    VALID,
    CountableLabels,
    Floats,
    Splits,
    countable_labels,
    fading,
    key_columns,
    of_split,
    positives_of,
    rate,
    rows_of,
    sum_of,
)
from hinet_search.data.derived.days import delayed
from hinet_search.data.derived.event_log import Integers
from hinet_search.data.derived.fading import fading_sums
from hinet_search.data.reading import OWN
from hinet_search.data.rows import Rows
from hinet_search.data.splits import SPLIT
from hinet_search.study.event_definition import key_name
from hinet_search.study.statistics_definition import StatisticsDefinition

COUNTED_PERIOD = "counted period"
LAST_PERIOD = "last period"  # that is counted
POSITION = "position"
TOTAL = "total rows"  # of a key in train
SHARE = "share"  # of the labels that a new row counts

Quantities = Mapping[str, Integers | Floats]


def statistic_names(definition: StatisticsDefinition, tasks: Sequence[str]) -> tuple[str, ...]:
    """The columns of `target_statistics`, in order: per key `KEY rows` and `KEY TASK rate`."""
    names: list[str] = []
    for key in definition.keys:
        names += [_rows_name(key), *_rate_names(key, tasks)]
    return tuple(names)


def target_statistics(
    definition: StatisticsDefinition, rows: Rows, tasks: Sequence[str], whole: str | None = None
) -> pl.DataFrame:
    """Float32 columns of `statistic_names` without nulls, aligned with `rows.frame`.

    `tasks` are the names of the columns of `rows.labels_RT`. `whole` is the column of users if the
    split keeps them whole.
    """
    labels = countable_labels(definition, rows, whole)
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
    counted: Quantities,
    of_all: Quantities,
) -> pl.DataFrame:
    """The columns of a key in `statistic_names`, from `counted` quantities of it and of all."""
    names = (_rows_name(key), *_rate_names(key, tasks))
    values = [np.log1p(counted[ROWS])]
    share = counted.get(SHARE, np.ones(1))
    of_rate = fading if fading(ROWS) in counted else str
    for task in range(len(tasks)):
        rows = ROWS
        if rows_of(task) in counted:
            rows = rows_of(task)
        total, parts = positives_of(task), 1
        if sum_of(task) in counted:
            total, parts = sum_of(task), PARTS
        values.append(
            rate(
                counted[of_rate(rows)],
                counted[of_rate(total)],
                of_all[of_rate(rows)],
                of_all[of_rate(total)],
                parts,
                definition.smoothing * share,
            )
        )
    return pl.DataFrame(
        {name: value.astype(np.float32) for name, value in zip(names, values, strict=True)}
    )


def _arrays(table: pl.DataFrame) -> Quantities:
    return {name: table[name].to_numpy() for name in table.columns}


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
        total = _within(names, counts.sum())
        return of_periods.with_columns(total - counts, *_of_folds(labels, names))
    before = counts.cum_sum() - counts  # of this key and of those that are sorted before it
    if names:  # `over` takes seven times as long
        is_first = pl.any_horizontal(pl.col(names).ne_missing(pl.col(names).shift()))
        before -= pl.when(is_first).then(before).forward_fill()
    of_periods = of_periods.sort(by)
    if not labels.delay and labels.half_life is None and labels.asked is labels.period:
        return of_periods.with_columns(before)
    asked = labels.of_key(key, [], asking=True).drop_nulls(by).unique().collect(engine="streaming")
    up_to = of_periods.with_columns(before + counts)
    if labels.half_life is not None:
        up_to = up_to.hstack(_faded(of_periods, names, labels, labels.half_life))
    return _of_delayed_periods(up_to, asked, names, labels)


def _faded(
    of_periods: pl.DataFrame, key: Sequence[str], labels: CountableLabels, half_life: float
) -> pl.DataFrame:
    """The fading sums up to each period, as of it, of counts that are sorted by key and period."""
    first = _within(key, pl.col(POSITION).min())
    start = of_periods.with_row_index(POSITION).with_columns(first)[POSITION]
    counted = [(split, name) for split in labels.last_counted for name in labels.quantities]
    sums = fading_sums(
        of_periods.select(of_split(*each) for each in counted).to_numpy().T,
        of_periods[PERIOD].to_physical().cast(pl.Float64).to_numpy(),
        start.cast(pl.Int64).to_numpy(),
        half_life,
    )
    names = (of_split(split, fading(name)) for split, name in counted)
    return pl.DataFrame(dict(zip(names, sums.sum_VN, strict=True)))


def _within(key: Sequence[str], expression: pl.Expr) -> pl.Expr:
    """The expression for the rows of each key; for all rows without one."""
    return expression.over(key) if key else expression


def _of_folds(labels: CountableLabels, names: Sequence[str]) -> list[pl.Expr]:
    """The TOTAL of a key, and the SHARE of its labels that rows of a fold count."""
    total = _within(names, pl.col(of_split(TRAIN, ROWS)).sum())
    share = pl.when(pl.col(PERIOD) == NO_FOLD).then(1.0).otherwise(1 - 1 / labels.folds)
    return [total.alias(TOTAL), share.alias(SHARE)]


def _of_delayed_periods(
    up_to: pl.DataFrame, asked: pl.DataFrame, key: Sequence[str], labels: CountableLabels
) -> pl.DataFrame:
    """For every key and period that is `asked` for, the counts of what is known by it.

    These are the counts `up_to` the last of the key's periods that are earlier by more than the
    delay of labels; those that fade have faded since.
    """
    known = up_to.rename({PERIOD: COUNTED_PERIOD}).sort(COUNTED_PERIOD)
    known = known.with_columns(pl.col(COUNTED_PERIOD).to_physical().alias(LAST_PERIOD))
    before = delayed(pl.col(PERIOD), up_to.schema[PERIOD], labels.delay).alias(COUNTED_PERIOD)
    asking = asked.select([*key, PERIOD, before]).sort(COUNTED_PERIOD)
    joined = asking.join_asof(
        known,
        on=COUNTED_PERIOD,
        by=list(key) or None,
        allow_exact_matches=False,
        check_sortedness=False,
    )
    if labels.half_life is not None:
        age = (pl.col(PERIOD).to_physical() - pl.col(LAST_PERIOD)).cast(pl.Float64)
        faded = pl.col(f"^.* {fading('.*')}$")
        joined = joined.with_columns(faded * 0.5 ** (age / labels.half_life))
    joined = joined.drop(COUNTED_PERIOD, LAST_PERIOD)
    return joined.with_columns(pl.exclude([*key, PERIOD]).fill_null(0))


def _of_rows(
    labels: CountableLabels,
    definition: StatisticsDefinition,
    tasks: Sequence[str],
    key: tuple[str, ...],
    of_periods: pl.DataFrame,
) -> pl.LazyFrame:
    """The statistics of a key (R rows), 0 without key or day.

    `of_periods` has the counts of the key, and as `all ...` those of all keys together. The
    statistics are computed once for every key and period: there are fewer than rows.
    """
    on = [*key_columns(key), PERIOD]
    of_fold = [] if labels.earlier else [TOTAL, SHARE]
    table = of_periods.select([*on, *of_fold])
    names = []
    for splits in dict.fromkeys(labels.counted):
        of_key, of_all = [], []
        for name in labels.summed:
            summed = [of_split(split, name) for split in splits]
            of_key.append(pl.sum_horizontal(summed).alias(name))
            of_all.append(pl.sum_horizontal(map(_of_all, summed)).alias(name))
        counts = _arrays(of_periods.select(*of_key, *of_fold))
        counts_of_all = _arrays(of_periods.select(of_all))
        statistics = _statistics(definition, tasks, key, counts, counts_of_all)
        names = statistics.columns
        table = table.hstack(statistics.rename(partial(_counting, splits)))
    rows = labels.of_key(key, [pl.col(SPLIT), labels.own_rows(key)], asking=True)
    joined = rows.join(table.lazy(), on=on, how="left", maintain_order="left")
    columns = []
    split = pl.col(SPLIT)
    for name in names:
        train, valid, test = (pl.col(_counting(splits, name)) for splits in labels.counted)
        of_row = pl.when(split == TRAIN).then(train).when(split == VALID).then(valid)
        columns.append(of_row.otherwise(test).fill_null(0).alias(name))
    if not labels.earlier:
        others = (pl.col(TOTAL) - pl.col(OWN_ROWS)).log1p().fill_null(0).cast(pl.Float32)
        columns[0] = pl.when(split == TRAIN).then(others).otherwise(columns[0]).alias(names[0])
    return joined.select(columns)


def _of_all(name: str) -> str:
    return f"all {name}"


def _counting(splits: Splits, name: str) -> str:
    return f"{OWN}{name}, counted in splits {splits}"


def _rows_name(key: tuple[str, ...]) -> str:
    return f"{key_name(key)} rows"


def _rate_names(key: tuple[str, ...], tasks: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{key_name(key)} {task} rate" for task in tasks)
