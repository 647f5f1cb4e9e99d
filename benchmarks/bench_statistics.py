"""Speed of target statistics: six keys, two of them pairs, with a clock and out of fold."""

import time
from dataclasses import dataclass
from statistics import median

import numpy as np
import polars as pl

from hinet_search.data.derived.statistics import target_statistics
from hinet_search.data.rows import Rows
from hinet_search.study.statistics_definition import StatisticsDefinition
from layout import aligned
from work import SCHEMA, TEST_FROM, VALID_FROM, draw_rows

NUM_DAYS = 28
ITEM, AUTHOR, TAG = "field_19", "field_16", "field_10"  # of 100,000, 23,357 and 1,274 values
KEYS = ("user", ITEM, AUTHOR, TAG, ("user", TAG), (ITEM, "scenario"))


@dataclass(frozen=True)
class StatisticsFigure:
    """Seconds, medians over rounds."""

    num_rows: int
    num_keys: int
    clock_seconds: float
    fold_seconds: float


def bench_statistics(num_rows: int, *, rounds: int) -> StatisticsFigure:
    """Time statistics of rows in memory; users are uniform, other keys follow Zipf's law."""
    rows = _rows(num_rows)
    by_day, by_fold = StatisticsDefinition(by=KEYS, clock="day"), StatisticsDefinition(by=KEYS)
    return StatisticsFigure(
        num_rows=num_rows,
        num_keys=len(KEYS),
        clock_seconds=median(_seconds(by_day, rows) for _ in range(rounds)),
        fold_seconds=median(_seconds(by_fold, rows) for _ in range(rounds)),
    )


def _rows(num_rows: int) -> Rows:
    drawn = draw_rows(num_rows, seed=0)
    place_R = np.arange(num_rows) / num_rows
    frame = pl.DataFrame(
        {
            "user": drawn.user_R,
            "scenario": drawn.scenario_R,
            "day": (place_R * NUM_DAYS).astype(np.int8),
            **{
                name: drawn.ids_RF[:, SCHEMA.categorical.index(name)]
                for name in (ITEM, AUTHOR, TAG)
            },
        }
    )
    return Rows(
        frame=frame,
        row_R=np.arange(num_rows, dtype=np.uint64),
        scenarios=SCHEMA.scenarios,
        scenario_R=drawn.scenario_R,
        labels_RT=drawn.labels_RT,
        has_task_MT=SCHEMA.has_task,
        split_R=np.digitize(place_R, (VALID_FROM, TEST_FROM)).astype(np.uint8),
        truth_RT=None,
        notes=(),
    )


def _seconds(definition: StatisticsDefinition, rows: Rows) -> float:
    began = time.perf_counter()
    target_statistics(definition, rows, SCHEMA.tasks)
    return time.perf_counter() - began


def table(figure: StatisticsFigure) -> str:
    """The figure as text, a line each."""
    what = f"{figure.num_rows:,} x {figure.num_keys} keys"
    lines = [
        (f"statistics by day {what}, s", f"{figure.clock_seconds:.2f}"),
        (f"statistics by fold {what}, s", f"{figure.fold_seconds:.2f}"),
    ]
    return aligned(lines)
