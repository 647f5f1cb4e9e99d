"""Slopes: the derivative of the metric of a cell in the mean score of every row.

They decide which runs a greedy search evaluates (greedy.py), and no value that is reported. So
metrics of one kind share a slope: those of the order of scores have that of the AUC, or within
users that of pairs of rows of one user, and all errors that of the log loss. The AUC is a step
function, so its slope is smoothed: the density of other labels around a row, within SMOOTHING of
the ranks on each side.
Shape legend: N rows of a cell, P pairs of rows with different labels within users, K ties of labels
within users, G users.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinet_search.results.ensemble_records import Scale
from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.cell_rows import LEAST, CellRows, Means
from hinet_search.results.statistics.scored_cell import Floats, sums_by_unit

SMOOTHING = 1 / 16
MOST_PAIRS = 1_000_000

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
    num_rows, label_N = len(rows.label_N), rows.label_N.astype(np.float64)
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
    """Pairs of a user count by how near they are to a tie, on the scale of the median distance.

    Pairs weigh by the difference of their labels, and all pairs of a user by its rows.
    """
    row_N = np.argsort(rows.unit_N, kind="stable")  # largest labels first within a user
    unit_N, label_N = rows.unit_N[row_N], rows.label_N[row_N].astype(np.float64)
    is_new_user_N = np.diff(unit_N, prepend=-1) != 0
    first_G = np.flatnonzero(is_new_user_N)
    size_G = np.diff(first_G, append=len(row_N))
    group_N = np.cumsum(is_new_user_N) - 1
    is_new_tie_N = is_new_user_N | (np.diff(label_N, prepend=np.nan) != 0)
    first_K = np.flatnonzero(is_new_tie_N)
    next_N = np.append(first_K, len(row_N))[np.cumsum(is_new_tie_N)]
    lower_N = (first_G + size_G)[group_N] - next_N  # rows of the user with smaller labels
    up_to_N = np.cumsum(lower_N)
    number_P = _sampled(int(up_to_N[-1]))
    higher_P = np.searchsorted(up_to_N, number_P, side="right")
    lower_P = next_N[higher_P] + number_P - (up_to_N - lower_N)[higher_P]
    place_N = np.arange(len(row_N)) - first_G[group_N]
    most_G = np.add.reduceat(label_N * (size_G[group_N] - 1 - 2 * place_N), first_G)
    group_P = group_N[higher_P]
    weight_P = (label_N[higher_P] - label_N[lower_P]) * size_G[group_P] / most_G[group_P]
    return _near_ties(row_N[higher_P], row_N[lower_P], weight_P / weight_P.sum())


def _sampled(num_pairs: int) -> NDArray[np.int64]:
    """(P,): the numbers of all pairs, or of a random sample if there are more than MOST_PAIRS."""
    if num_pairs <= MOST_PAIRS:
        return np.arange(num_pairs)
    return np.random.default_rng(0).choice(num_pairs, MOST_PAIRS, replace=False)


def _near_ties(higher_P: NDArray[Any], lower_P: NDArray[Any], weight_P: Floats) -> Slope:
    def slope(mean_N: Means) -> Floats:
        distance_P = mean_N[higher_P].astype(np.float64) - mean_N[lower_P]
        scale = max(float(np.median(np.abs(distance_P))), LEAST)
        near_P = weight_P * np.exp(-((distance_P / scale) ** 2)) / scale
        rising_N = sums_by_unit(higher_P, near_P, len(mean_N))
        return rising_N - sums_by_unit(lower_P, near_P, len(mean_N))

    return slope
