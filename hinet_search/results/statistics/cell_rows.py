"""Cell rows: labels and units of the rows of a cell, and what means of scores are worth for them.

A mean is one of logits or of probabilities (`Scale`), of amounts one of logs or of expected
amounts. The slope of a metric is its derivative in the mean score of every row. Slopes decide which
runs a greedy search evaluates (greedy.py), and no value that is reported. So metrics of one kind
share a slope: those of the order of scores have that of the AUC, or within users that of pairs of
rows of one user, and all errors that of the log loss. The AUC is a step function, so its slope is
smoothed: the density of other labels around a row, within SMOOTHING of the ranks on each side.
Shape legend: N rows of a cell, X candidate means, P pairs of rows with different labels within
users.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinet_search.results.cells import Labels
from hinet_search.results.ensemble_records import Scale
from hinet_search.results.families import BERNOULLI, POISSON, Family
from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.many_scores import OfMany, pairs_within_users
from hinet_search.results.statistics.scored_cell import Floats, ScoredCell, sums_by_unit

LEAST = 1e-7  # probabilities stay this far from 0 and 1
LEAST_AMOUNT = 1e-30  # expected amounts stay above 0, so that they have a log

SMOOTHING = 1 / 16  # of the ranks, on each side of a row

Means = NDArray[np.float32]
Slope = Callable[[Means], Floats]  # mean_N -> slope_N


@dataclass(frozen=True)
class CellRows:
    """Labels and units of the rows of a cell, largest labels first.

    `amount` is what a label of 1 stands for. `group_N` are the groups within which rows are
    ranked, None if these are the units.
    """

    label_N: Labels
    unit_N: NDArray[np.int64]
    family: Family = BERNOULLI
    amount: float = 1.0
    group_N: NDArray[Any] | None = None

    def ranked_within(self, metric: Metric) -> NDArray[Any]:
        """(N,): the user or group within which a metric ranks a row."""
        if metric.within == "groups" and self.group_N is not None:
            return self.group_N
        return self.unit_N

    def where(self, is_kept_N: NDArray[np.bool_]) -> "CellRows":
        """The kept rows."""
        group_N = None if self.group_N is None else self.group_N[is_kept_N]
        kept = replace(self, label_N=self.label_N[is_kept_N], unit_N=self.unit_N[is_kept_N])
        return replace(kept, group_N=group_N)

    def valued(self, metric: Metric, scale: Scale) -> OfMany:
        """Prepare the metric of candidate means on a scale; NaN if it has none."""
        if metric.of_many is not None and self.family is BERNOULLI and len(self.label_N):
            return metric.of_many(self.label_N, self.ranked_within(metric))
        return partial(self._values, metric, scale)

    def _values(self, metric: Metric, scale: Scale, mean_XN: Means) -> Floats:
        score_XN = mean_XN
        if scale == "probabilities" and not metric.is_ranking:
            expected_XN = self.expected(mean_XN, scale).astype(np.float64)
            score_XN = self.family.score(expected_XN).astype(np.float32)
        unit_N = self.ranked_within(metric)
        cells = (
            ScoredCell(score_N, self.label_N, unit_N, family=self.family, amount=self.amount)
            for score_N in score_XN
        )
        return np.array([metric.prepared(cell)(None)[0] for cell in cells], np.float64)

    def expected(self, mean: Means, scale: Scale) -> Means:
        """Return the expected labels of means on a scale: new, and inside of their range."""
        expected = self.family.mean(mean) if scale == "logits" else mean
        is_amount = self.family is POISSON
        least, most = (LEAST_AMOUNT, None) if is_amount else (LEAST, 1 - LEAST)
        inside: Means = np.clip(expected, least, most)
        return inside

    def slope_of_loss(self, mean_N: Means, scale: Scale) -> Floats:
        """(N,): (expected - label) / N for logits, divided by the variance for probabilities."""
        expected_N = self.expected(mean_N, scale).astype(np.float64)
        surprise_N: Floats = expected_N - self.label_N
        if scale == "probabilities":
            surprise_N /= self.family.variance(expected_N)
        return surprise_N / len(expected_N)


def slope_of(metric: Metric, rows: CellRows, scale: Scale) -> Slope:
    """Prepare the slope of a metric; labels of the rows must differ if it is a ranking."""
    if metric.within is not None:
        return _slope_of_pairs(rows, rows.ranked_within(metric))
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


def _slope_of_pairs(rows: CellRows, unit_N: NDArray[Any]) -> Slope:
    """Pairs of a user count by how near they are to a tie, on the scale of the median distance."""
    pairs = pairs_within_users(rows.label_N, unit_N)
    assert pairs is not None, "a cell with a value has such pairs"

    def slope(mean_N: Means) -> Floats:
        distance_P = mean_N[pairs.higher_P].astype(np.float64) - mean_N[pairs.lower_P]
        scale = max(float(np.median(np.abs(distance_P))), LEAST)
        near_P = pairs.weight_P * np.exp(-((distance_P / scale) ** 2)) / scale
        rising_N = sums_by_unit(pairs.higher_P, near_P, len(mean_N))
        return rising_N - sums_by_unit(pairs.lower_P, near_P, len(mean_N))

    return slope
