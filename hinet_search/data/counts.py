"""Counts: labels of a study's rows added up by key and day, from which later rows get their target statistics.

A row gets what a row of the test split with its key and day has: with a clock it counts labels of train and valid of
strictly earlier days, without one those of train. So a row of the day after the last one counts all of them.

Shape legend: R rows, T tasks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from hinet_search.data.agreement import codes_of, distinct_values
from hinet_search.data.encode import known_values
from hinet_search.data.rows import Rows
from hinet_search.data.statistics import EVERYONE, TRAIN, VALID, quantities, smoothed
from hinet_search.features import StatisticsDefinition

DAY, ROW = "number of the day", "row"


@dataclass(frozen=True)
class LabelCounts:
    """What labels of the study say of every key, day by day.

    `days` are those that have a counted row, in order. A table of `of_keys` has the columns of its key as `key 0`, `key 1`
    and so on, the number of a day on which it has a counted row, and its quantities up to and with that day; the key of
    any row is EVERYONE.
    """

    days: pl.Series
    of_keys: Mapping[tuple[str, ...], pl.DataFrame]


def label_counts(definition: StatisticsDefinition, rows: Rows) -> LabelCounts:
    """The counts of a study's rows."""
    clock = definition.clock
    is_counted = pl.Series(rows.split_R <= VALID if clock is not None else rows.split_R == TRAIN)
    day = rows.frame[clock].filter(is_counted) if clock is not None else _one_day(int(is_counted.sum()))
    days = distinct_values(day)
    number = pl.Series(DAY, codes_of(day, days))
    names, labels_RT = quantities(rows.labels_RT.shape[1]), rows.labels_RT[is_counted.to_numpy()]
    amounts = [np.ones(len(labels_RT), dtype=np.int64), *labels_RT.T.astype(np.int64)]
    counted = pl.DataFrame([number, *map(pl.Series, names, amounts)])

    def of_key(key: tuple[str, ...]) -> pl.DataFrame:
        columns = _key_columns([rows.frame[column].filter(is_counted) for column in key])
        table = counted.hstack(columns).drop_nulls([column.name for column in columns]).filter(pl.col(DAY) >= 0)
        by = [column.name for column in columns]
        of_days = table.group_by(*by, DAY).agg(pl.col(names).sum()).sort(DAY, *by)
        up_to_day = pl.col(names).cum_sum()
        return of_days.with_columns(up_to_day.over(by) if by else up_to_day)

    return LabelCounts(days, {key: of_key(key) for key in (EVERYONE, *definition.keys)})


def later_statistics(
    counts: LabelCounts, definition: StatisticsDefinition, frame: pl.DataFrame, tasks: Sequence[str]
) -> pl.DataFrame:
    """The columns of `target_statistics` for rows that come with the types of the study's."""
    clock = definition.clock
    if clock is None:
        last_R = np.zeros(len(frame), dtype=np.int64)
    else:  # a row without a day counts nothing, as one before all days
        last_R = counts.days.search_sorted(known_values(frame[clock]), side="left").to_numpy().astype(np.int64) - 1
    number = pl.Series(DAY, last_R)

    def counted(key: tuple[str, ...]) -> pl.DataFrame:
        columns = _key_columns([frame[column] for column in key])
        return _up_to(counts.of_keys[key], pl.DataFrame([number, *columns]), quantities(len(tasks)))

    return smoothed(definition, tasks, counted)


def _up_to(table: pl.DataFrame, wanted: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """For every row the quantities of its key at the last day that is not after the row's, 0 where there is none."""
    by = [name for name in wanted.columns if name != DAY]
    numbered = wanted.with_row_index(ROW)
    found = (
        numbered.drop_nulls(by or None)
        .sort(DAY)
        .join_asof(table, on=DAY, by=by or None, strategy="backward", check_sortedness=False)
    )
    joined = numbered.select(ROW).join(found, on=ROW, how="left", maintain_order="left")
    return joined.select(pl.col(name).fill_null(0) for name in names)


def _key_columns(values: Sequence[pl.Series]) -> list[pl.Series]:
    return [known_values(column).alias(f"key {place}") for place, column in enumerate(values)]


def _one_day(num_rows: int) -> pl.Series:
    return pl.Series(np.zeros(num_rows, dtype=np.int64))
