"""Rolled statistics: label counts of a study, continued with the labels of newer rows.

A newer row counts what a row of the study would count: with a clock, labels of strictly earlier
days, be they of the study or newer; without a clock, all labels that the study counted, and of the
newer rows those of other folds. So no row counts its own label, nor one of its own day. Labels of
held-out rows, which have the split `valid`, are counted by later rows only.

Statistics that are refreshed are counted up to a last day (or hour). Newer rows up to that day are
taken as counted: they add nothing, so rows that come twice are counted once.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.days import periods_of
from hinet_search.data.derived.label_counts import DAY, LabelCounts, counted_before, label_counts
from hinet_search.data.derived.statistics import counted_within, smoothed
from hinet_search.data.lists import codes_of, distinct_values
from hinet_search.data.rows import Rows
from hinet_search.data.splits import LEFT_OUT
from hinet_search.study.statistics_definition import StatisticsDefinition


def newer_statistics(
    before: LabelCounts, definition: StatisticsDefinition, rows: Rows, tasks: Sequence[str]
) -> pl.DataFrame:
    """The columns of `target_statistics` for newer rows, which have the column types of the study.

    The counts `before` must be of other rows.
    """
    earlier = counted_before(before, definition, rows.frame)
    newer = counted_within(definition, _uncounted(before, definition, rows))

    def counted(key: tuple[str, ...]) -> pl.DataFrame:
        of_earlier = earlier(key)
        of_newer = newer(key)
        return of_earlier.select(column + of_newer[column.name] for column in of_earlier)

    return smoothed(definition, tasks, counted)


def rolled_counts(before: LabelCounts, definition: StatisticsDefinition, rows: Rows) -> LabelCounts:
    """The counts `before` with those of newer rows added, key by key and day by day."""
    newer = label_counts(definition, _uncounted(before, definition, rows))
    days = distinct_values(pl.concat([before.days, newer.days]))
    names = before.quantities

    def of_key(key: tuple[str, ...]) -> pl.DataFrame:
        tables = []
        by = [name for name in before.of_keys[key].columns if name not in (DAY, *names)]
        of_day = pl.col(names).diff().fill_null(pl.col(names))
        for counts in (before, newer):
            table = counts.of_keys[key]
            number = codes_of(counts.days, days)[table[DAY].to_numpy().astype(np.intp)]
            of_days = table.with_columns(of_day.over(by) if by else of_day)
            tables.append(of_days.with_columns(pl.Series(DAY, number)))
        all_days = pl.concat(tables).group_by([*by, DAY]).agg(pl.col(names).sum()).sort([DAY, *by])
        up_to_day = pl.col(names).cum_sum()
        return all_days.with_columns(up_to_day.over(by) if by else up_to_day)

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
