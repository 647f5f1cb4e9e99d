"""Simultaneous statements: at which level each of several may be made, so that all hold together.

Shape legend: D resamplings, C comparisons, N draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

LEVEL = 0.05  # share of studies in which any of the statements may be false
NUM_DRAWS = 20_000


@dataclass(frozen=True)
class Step:
    """What Holm's procedure says of one comparison: its adjusted p, and the level that its interval is drawn at."""

    p_holm: float
    level: float


def holm(p_values: Sequence[float]) -> list[Step]:
    """Holm's step-down procedure, in the order given.

    The k-th smallest of m p-values is rejected at LEVEL / (m - k + 1) if all smaller ones were; from the first that is
    not rejected on, all use its level. An interval at that level excludes 0 exactly where Holm rejects.
    """
    steps: dict[int, Step] = {}
    p_holm, level = 0.0, LEVEL
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        left = len(p_values) - place
        if p_holm <= LEVEL:  # everything before this one was rejected
            level = LEVEL / left
        p_holm = max(p_holm, min(1.0, left * p_values[index]))
        steps[index] = Step(p_holm, level)
    return [steps[index] for index in range(len(p_values))]


def joint_level(resampled_DC: NDArray[np.float64], seed_variance_C: NDArray[np.float64]) -> float:
    """The level at which C intervals may be drawn so that all hold together, at least that of Bonferroni.

    Cells share users, so their errors go together and Bonferroni gives more away than needed. Each difference's error is
    the sum of its users' part, whose covariance the resamplings show, and its seeds' part, taken as independent between
    cells: a handful of seeds shows no correlation, and none is the widest case (Sidak 1967). The level is the tail of
    the largest |normal| of that correlation at LEVEL; each interval then uses its own t. No resamplings: Bonferroni.
    """
    num_cells = len(seed_variance_C)
    if len(resampled_DC) < 2 or num_cells < 2:
        return LEVEL / max(num_cells, 1)
    covariance_CC = np.cov(resampled_DC, rowvar=False) + np.diag(seed_variance_C)
    scale_C = np.sqrt(np.diag(covariance_CC))
    if not scale_C.all():
        return LEVEL / num_cells
    draw_NC = np.random.default_rng(0).multivariate_normal(
        np.zeros(num_cells), covariance_CC / np.outer(scale_C, scale_C), size=NUM_DRAWS, method="eigh"
    )
    critical = float(np.quantile(np.abs(draw_NC).max(axis=1), 1 - LEVEL))
    independent = 1 - (1 - LEVEL) ** (1 / num_cells)  # the draws cannot truly be below it
    return float(np.clip(2 * ndtr(-critical), independent, LEVEL))
