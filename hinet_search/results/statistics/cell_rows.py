"""Cell rows: labels and units of the rows of a cell, and what means of scores are worth for them.

A mean is one of logits or of probabilities (`Scale`), of amounts one of logs or of expected
amounts.
Shape legend: N rows of a cell, X candidate means.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hinet_search.results.cells import Labels
from hinet_search.results.ensemble_records import Scale
from hinet_search.results.families import BERNOULLI, POISSON, Family
from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.many_scores import OfMany
from hinet_search.results.statistics.scored_cell import Floats, ScoredCell

LEAST = 1e-7  # probabilities stay this far from 0 and 1
LEAST_AMOUNT = 1e-30  # expected amounts stay above 0, so that they have a log

Means = NDArray[np.float32]


@dataclass(frozen=True)
class CellRows:
    """Labels and units of the rows of a cell, largest labels first.

    `amount` is what a label of 1 stands for.
    """

    label_N: Labels
    unit_N: NDArray[np.int64]
    family: Family = BERNOULLI
    amount: float = 1.0

    def valued(self, metric: Metric, scale: Scale) -> OfMany:
        """Prepare the metric of candidate means on a scale; NaN if it has none."""
        if metric.of_many is not None and self.family is BERNOULLI and len(self.label_N):
            return metric.of_many(self.label_N, self.unit_N)
        return partial(self._values, metric, scale)

    def _values(self, metric: Metric, scale: Scale, mean_XN: Means) -> Floats:
        score_XN = mean_XN
        if scale == "probabilities" and not metric.is_ranking:
            expected_XN = self.expected(mean_XN, scale).astype(np.float64)
            score_XN = self.family.score(expected_XN).astype(np.float32)
        cells = (
            ScoredCell(score_N, self.label_N, self.unit_N, family=self.family, amount=self.amount)
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
