"""Simultaneous tests: levels for several comparisons, so that all their claims hold together.

Shape legend: D resamplings, C comparisons, N draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

LEVEL = 0.05  # share of studies in which any of the claims may be false
NUM_DRAWS = 20_000


@dataclass(frozen=True)
class HolmStep:
    """Result of Holm's procedure for one comparison: adjusted p, and the level of its interval."""

    p_holm: float
    level: float


def level_at(look: int) -> float:
    """Return the level of the claims of the k-th look at the same test rows: LEVEL / k^2.

    So looks that are repeated until something is claimed spend at most 1.65 times LEVEL, however
    many they are, and far less as they share users (docs/results/claims.md).
    """
    return LEVEL / look**2


def holm(p_values: Sequence[float], level: float = LEVEL) -> list[HolmStep]:
    """Apply Holm's step-down procedure; the results are in the order of `p_values`.

    The k-th smallest of m p-values is rejected at level / (m - k + 1) if all smaller ones were
    rejected. From the first that is not rejected on, all use its level. An interval at that level
    excludes 0 exactly if Holm rejects. Adjusted p-values compare with LEVEL, whatever the level.
    """
    steps: dict[int, HolmStep] = {}
    p_holm = 0.0
    stepped = level
    ascending = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank, index in enumerate(ascending):
        remaining = len(p_values) - rank
        if p_holm <= LEVEL:  # all smaller p-values were rejected
            stepped = level / remaining
        p_holm = max(p_holm, min(1.0, LEVEL / level * remaining * p_values[index]))
        steps[index] = HolmStep(p_holm, stepped)
    return [steps[index] for index in range(len(p_values))]


def joint_level(
    resampled_DC: NDArray[np.float64], seed_variance_C: NDArray[np.float64], level: float = LEVEL
) -> float:
    """Return the level at which C intervals hold together; at least Bonferroni's.

    Cells share users, so their errors are correlated and Bonferroni is stricter than needed. The
    error of a difference is the sum of two parts. The covariance of the users' part comes from
    the resamplings. The seeds' part is taken as independent between cells: a handful of seeds
    cannot show a correlation, and independence is the widest case (Sidak 1967). The level is the
    tail of the largest |normal| of that correlation at `level`; each interval then uses its own t.
    Without resamplings the level is Bonferroni's.
    """
    num_cells = len(seed_variance_C)
    if len(resampled_DC) < 2 or num_cells < 2:
        return level / max(num_cells, 1)
    covariance_CC = np.cov(resampled_DC, rowvar=False) + np.diag(seed_variance_C)
    scale_C = np.sqrt(np.diag(covariance_CC))
    if not scale_C.all():
        return level / num_cells
    draw_NC = np.random.default_rng(0).multivariate_normal(
        np.zeros(num_cells),
        covariance_CC / np.outer(scale_C, scale_C),
        size=NUM_DRAWS,
        method="eigh",
    )
    critical = float(np.quantile(np.abs(draw_NC).max(axis=1), 1 - level))
    independent = 1 - (1 - level) ** (1 / num_cells)  # a lower level is an error of the draws
    return float(np.clip(2 * ndtr(-critical), independent, level))
