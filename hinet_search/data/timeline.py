"""Timeline: count rows by split and average labels of every task, a day or some days at a time.

Shape legend: R rows of a block, M scenarios, T tasks, P periods.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.days import day
from hinet_search.data.raw_values import known_column
from hinet_search.data.rows import Rows
from hinet_search.results.data_record import Timeline
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.event_definition import NANOSECONDS

MOST_PERIODS = 60  # of a timeline: longer times have periods of several days


def timeline_of(definition: DataDefinition, rows: Rows) -> Timeline | None:
    """Count the rows of every period; None without a time column, or if its unit is not known."""
    if definition.time is None:
        return None
    dtype = rows.frame.schema[definition.time]
    length = None
    if dtype.is_numeric() and definition.time_unit is not None:
        length = NANOSECONDS["d"] / NANOSECONDS[definition.time_unit]
    elif not isinstance(dtype, pl.Date | pl.Datetime):
        return None
    number = day(known_column(definition.time, dtype), dtype, length).cast(pl.Int64, strict=False)
    lazy = rows.frame.lazy().select(first=number.min(), last=number.max())
    first, last = lazy.collect(engine="streaming").row(0)
    if first is None:
        return None
    days = -(-(last - first + 1) // MOST_PERIODS)
    num_periods = (last - first) // days + 1
    num_tasks = len(definition.tasks)
    rows_PS = np.zeros((num_periods, len(SPLITS)), np.int64)
    rows_TP = np.zeros((num_tasks, num_periods))
    total_TP = np.zeros((num_tasks, num_periods))
    for block in rows.blocks():
        day_R = rows.frame[block].select(number).to_series()
        place_R = ((day_R - first) // days).fill_null(num_periods).to_numpy()
        group_R = place_R * len(SPLITS) + rows.split_R[block]
        rows_PS += np.bincount(group_R, minlength=rows_PS.size)[: rows_PS.size].reshape(-1, 3)
        has_task_RT = rows.has_task_MT[rows.scenario_R[block]]
        for task, (label_R, has_R) in enumerate(
            zip(rows.labels_RT[block].T, has_task_RT.T, strict=True)
        ):
            rows_TP[task] += np.bincount(place_R, has_R, num_periods + 1)[:-1]
            total_TP[task] += np.bincount(place_R, label_R * has_R, num_periods + 1)[:-1]
    means = {}
    for task, name in enumerate(definition.tasks):
        means[name] = _means(rows.units.get(task, 1.0) * total_TP[task], rows_TP[task])
    begin = "" if dtype.is_numeric() else str(pl.Series([first]).cast(pl.Date)[0])
    counts = [(train, valid, test) for train, valid, test in rows_PS.tolist()]
    return Timeline(begin, days, tuple(counts), means)


def _means(total_P: NDArray[np.float64], rows_P: Sequence[float]) -> tuple[float | None, ...]:
    """Divide; None where a period has no row."""
    pairs = zip(total_P.tolist(), rows_P, strict=True)
    return tuple(float(f"{total / rows:.6g}") if rows else None for total, rows in pairs)
