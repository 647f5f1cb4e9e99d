"""Rows of a log: take some of them, add others, and give them labels that came later.

Shape legend: R rows.
"""

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import SPLITS
from hinet_search.data.rows import Rows

TEST = len(SPLITS) - 1  # the split that sees all others


def some_rows(rows: Rows, number: NDArray[np.intp]) -> Rows:
    """Some rows, without their lists, as rows of the split that sees all others."""
    return replace(
        rows,
        frame=rows.frame[number],
        row_R=rows.row_R[number],
        scenario_R=rows.scenario_R[number],
        labels_RT=rows.labels_RT[number],
        split_R=np.full(number.size, TEST, dtype=np.uint8),
        truth_RT=None,
        lists={},
        cache=None,
        sample=None,
    )


def like(recent: Rows, frame: pl.DataFrame) -> pl.DataFrame:
    """The columns of the rows of a log, in their types."""
    wanted = recent.frame.schema
    # Column by column, as a query would wake threads of Polars for a single row.
    return pl.DataFrame([frame[name].cast(dtype) for name, dtype in wanted.items()])


def with_rows(recent: Rows, rows: Rows) -> Rows:
    """The rows of a log, then others."""
    return replace(
        recent,
        frame=pl.concat([recent.frame, like(recent, rows.frame)]),
        row_R=np.concatenate([recent.row_R, rows.row_R]),
        scenario_R=np.concatenate([recent.scenario_R, rows.scenario_R]),
        labels_RT=np.concatenate([recent.labels_RT, rows.labels_RT]),
        split_R=np.full(recent.num_rows + rows.num_rows, TEST, dtype=np.uint8),
    )


def labelled_later(rows: Rows, labels: Rows) -> Rows:
    """The rows with the labels of others, which are known by their numbers.

    ValueError for a row that is not there.
    """
    if not np.isin(labels.row_R, rows.row_R).all():
        raise ValueError("labels must be of rows that are recent")
    order_R = np.argsort(rows.row_R)
    place = order_R[np.searchsorted(rows.row_R, labels.row_R, sorter=order_R)]
    scenario_R = rows.scenario_R.copy()
    labels_RT = rows.labels_RT.copy()
    scenario_R[place] = labels.scenario_R
    labels_RT[place] = labels.labels_RT
    return replace(rows, scenario_R=scenario_R, labels_RT=labels_RT)
