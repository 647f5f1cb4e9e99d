"""Cell rows: labels and units of the rows of a cell, and what a mean of scores expects of them.

Shape legend: N rows of a cell.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinet_search.results.cells import Labels
from hinet_search.results.ensemble_records import Scale
from hinet_search.results.families import BERNOULLI, POISSON, Family
from hinet_search.results.statistics.weighted_metrics import Floats

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

    @property
    def num_positives(self) -> int:
        """Number of positive rows, which are the first, if labels are 0 and 1."""
        return int(self.label_N.sum())

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
