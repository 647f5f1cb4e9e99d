"""RMSE: the root mean squared error of expected amounts, in the unit of their column."""

import numpy as np

from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.scored_cell import Floats, Prepared, ScoredCell, mean_over_rows


def prepare(cell: ScoredCell) -> Prepared:
    """Compute the squared error of every row once."""
    error_C = cell.amount * (cell.expected - cell.label_C)
    mean_square = mean_over_rows(cell, error_C**2)

    def value(weight_UB: Floats | None) -> Floats:
        return np.sqrt(mean_square(weight_UB))

    return value


METRIC = Metric(
    words="RMSE",
    prepare=prepare,
    maximize=False,
    is_of_cell=True,
    always=True,
    labels="amounts",
    is_root=True,
    in_units=True,
)
