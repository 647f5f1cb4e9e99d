"""Slopes: the derivative of the metric of a cell in the mean score of every row.

They decide which runs a greedy search evaluates (greedy.py), and no value that is reported. So
metrics of one kind share a slope: those of the order of scores have that of the AUC, or within
users that of pairs of rows of one user, and all errors that of the log loss. The AUC is a step
function, so its slope is smoothed: the density of other labels around a row, within SMOOTHING of
the ranks on each side.
Shape legend: N rows of a cell, P pairs of rows with different labels within users.
"""

from collections.abc import Callable

import numpy as np

from hinet_search.results.ensemble_records import Scale
from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.cell_rows import LEAST, CellRows, Means
from hinet_search.results.statistics.many_scores import pairs_within_users
from hinet_search.results.statistics.scored_cell import Floats, sums_by_unit

SMOOTHING = 1 / 16

Slope = Callable[[Means], Floats]  # mean_N -> slope_N


def slope_of(metric: Metric, rows: CellRows, scale: Scale) -> Slope:
    """Prepare the slope of a metric; labels of the rows must differ if it is a ranking."""
    if metric.within_users:
        return _slope_of_pairs(rows)
    if metric.is_ranking:
        return _slope_of_ranks(rows)
    return lambda mean_N: rows.slope_of_loss(mean_N, scale)


def _slope_of_ranks(rows: CellRows) -> Slope:
    """The sum of label - other label over the rows around each, by the width they span."""
    num_rows = len(rows.label_N)
    label_N = rows.label_N.astype(np.float64)
    most = float(label_N @ (num_rows - 1 - 2 * np.arange(num_rows)))  # largest labels come first
    reach = max(1, int(num_rows * SMOOTHING))
    low_N = np.maximum(np.arange(num_rows) - reach, 0)
    high_N = np.minimum(np.arange(num_rows) + reach, num_rows - 1)

    def slope(mean_N: Means) -> Floats:
        order_N = np.argsort(mean_N)
        sorted_label_N = label_N[order_N]
        before_N = np.concatenate([[0.0], np.cumsum(sorted_label_N)])
        total_N = before_N[high_N + 1] - before_N[low_N]
        excess_N = (high_N + 1 - low_N) * sorted_label_N - total_N
        sorted_N = mean_N[order_N].astype(np.float64)
        width_N = np.maximum(sorted_N[high_N] - sorted_N[low_N], LEAST)
        density_N = np.empty(num_rows)
        density_N[order_N] = excess_N / width_N
        return density_N / most

    return slope


def _slope_of_pairs(rows: CellRows) -> Slope:
    """Pairs of a user count by how near they are to a tie, on the scale of the median distance."""
    pairs = pairs_within_users(rows.label_N, rows.unit_N)
    assert pairs is not None, "a cell with a value has such pairs"

    def slope(mean_N: Means) -> Floats:
        distance_P = mean_N[pairs.higher_P].astype(np.float64) - mean_N[pairs.lower_P]
        scale = max(float(np.median(np.abs(distance_P))), LEAST)
        near_P = pairs.weight_P * np.exp(-((distance_P / scale) ** 2)) / scale
        rising_N = sums_by_unit(pairs.higher_P, near_P, len(mean_N))
        return rising_N - sums_by_unit(pairs.lower_P, near_P, len(mean_N))

    return slope
