"""MAE: the mean absolute error of expected amounts, in the unit of their column."""

import numpy as np

from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.scored_cell import Prepared, ScoredCell, mean_over_rows


def prepare(cell: ScoredCell) -> Prepared:
    """Compute the error of every row once."""
    error_C = cell.amount * (cell.expected - cell.label_C)
    return mean_over_rows(cell, np.abs(error_C))


METRIC = Metric(
    words="MAE",
    prepare=prepare,
    maximize=False,
    is_of_cell=True,
    always=True,
    labels="amounts",
    in_units=True,
)
