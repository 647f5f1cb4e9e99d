"""Clustered sums: what chance explains of a sum over rows whose users are alike in their rows.

Shape legend: R rows, U units (users; a row without a user is a unit of its own).
"""

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, stdtr

Floats = NDArray[np.float64]
LEAST_LIKENESS = 0.05  # of rows of one unit: less cannot be told from none


def effective_number(weight_U: Floats) -> float:
    """Return how many units of equal weight vary as much as these (Kish 1965); 0 without any."""
    squares = float((weight_U**2).sum())
    return float(weight_U.sum()) ** 2 / squares if squares else 0.0


def equal_users(user_R: NDArray[np.int32]) -> float:
    """Return how many equally active users vary as much as those of rows; a user of -1 is none."""
    users = user_R[user_R >= 0]
    alone = len(user_R) - len(users)
    rows_U = np.bincount(users).astype(np.float64)
    return len(user_R) ** 2 / (float((rows_U**2).sum()) + alone) if len(user_R) else 0.0


def independent_rows(num_rows: float, num_users: float, likeness: float) -> float:
    """Return how many independent rows say as much of a share as rows of equally active users."""
    num_users = min(num_users, num_rows)
    return 1 / (likeness / num_users + (1 - likeness) / num_rows) if num_users else 0.0


def likeness(is_so_R: NDArray[np.bool_], unit_R: NDArray[np.int64]) -> float:
    """Return how alike the rows of a unit are in something that they are or are not.

    0 is as unlike as rows of several units, 1 is equal. It is an upper bound, two standard errors
    above the estimate from pairs of rows of a unit, and 1 where there is nothing to estimate from.
    """
    share = float(is_so_R.mean()) if len(is_so_R) else 0.0
    rows_U = np.bincount(unit_R).astype(np.float64)
    rows_U = rows_U[rows_U > 0]
    num_pairs = float((rows_U - 1).sum())  # each unit has the weight of its rows
    if not num_pairs or share in {0.0, 1.0}:
        return 1.0
    residual_R = is_so_R - share
    sum_U, own_U, count_U = (
        np.bincount(unit_R, weights)[np.bincount(unit_R) > 0]
        for weights in (residual_R, residual_R**2, np.ones(len(unit_R)))
    )
    estimate = float(((sum_U**2 - own_U) / count_U).sum()) / (share * (1 - share) * num_pairs)
    estimate = min(max(estimate, 0.0), 1.0)
    noise = estimate + (1 - estimate) * len(rows_U) / len(unit_R)
    error = sqrt(2 / effective_number(rows_U)) * noise
    return min(1.0, max(LEAST_LIKENESS, estimate + 2 * error))


def degrees_of_freedom(residual_U: Floats, spread_U: Floats, variance_U: Floats) -> float:
    """Return those of a sum of squared residuals of units.

    A normal residual of variance v adds 2 v^2 to the variance of the sum (Satterthwaite 1946). The
    variance of a unit is that of its rows if they were independent, `variance_U`, and a share of
    what it has more if they were equal, `spread_U` squared; the residuals tell the share.
    """
    more_U = np.maximum(spread_U**2 - variance_U, 0.0)
    more = float(more_U.sum())
    found = float((residual_U**2).sum() - variance_U.sum()) / more if more else 0.0
    return effective_number(variance_U + min(max(found, LEAST_LIKENESS), 1.0) * more_U)


def chance_of_sum(residual_U: Floats, degrees: float, least_variance: float) -> float:
    """Return how often the sum of residuals is as far from 0 if each of them is 0 on average.

    Its variance is the sum of their squares, at least `least_variance`.
    """
    variance = max(float((residual_U**2).sum()), least_variance)
    if not variance:
        return 1.0
    size = abs(float(residual_U.sum())) / variance**0.5
    return float(2 * stdtr(max(degrees, 1.0), -size))


def chance_of_count(count: int, probability_R: Floats) -> float:
    """Return how often independent rows of these probabilities have a count as far from their sum.

    The count of a binomial distribution of the same mean is at least as spread (Hoeffding 1956).
    """
    num_rows = len(probability_R)
    mean = float(probability_R.mean())
    at_most = float(bdtr(count, num_rows, mean))
    at_least = float(bdtrc(count - 1, num_rows, mean)) if count else 1.0
    return min(1.0, 2 * min(at_most, at_least))
