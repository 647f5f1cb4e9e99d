"""Welch: two arms in one measure in, their difference with the errors of seeds and users, degrees of freedom and p out.

    difference = mean over the seeds of A - mean over the seeds of B
    variance   = s_A^2 / n_A + s_B^2 / n_B        seeds, each arm with its own spread
               + var over resamplings of (A - B)  users, both arms under the same users
    degrees    = variance^2 / sum of part^2 / degrees of the part     (Welch-Satterthwaite)

Are users counted twice? The resamplings hold the weights of all networks fixed, so they see users only; the seeds are
all scored on the same users, so s sees seeds only, as far as the two act on their own. What a user does to one seed but
not to the next (the interaction) is in both: it enters the variance as 2/n of itself instead of 1/n. The sum is thus
never too small: false verdicts stay below the level, most of all where arms are alike. That arms share their seeds is
not used either: a common shift of a seed only makes the true spread smaller.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit


@dataclass(frozen=True)
class Side:
    """One arm in one measure: a value per seed, and the mean over seeds under each resampling of `num_units` users.

    Without resamplings the users' part is not known.
    """

    values: tuple[float, ...]
    resampled: tuple[float, ...] = ()
    num_units: int = 0


@dataclass(frozen=True)
class Estimate:
    """A difference A - B in the unit of the measure. `user_error` is None, and counts as 0, where it is not known."""

    mean: float
    deviation: float  # of the difference of one run of each
    seed_error: float
    user_error: float | None
    degrees: float
    seeds: tuple[int, int]

    @property
    def error(self) -> float:
        """Standard error of the mean, of seeds and users together."""
        return float(np.hypot(self.seed_error, self.user_error or 0.0))

    @property
    def p(self) -> float:
        """Two-sided; without any spread a difference is certain and none is none."""
        if self.error == 0:
            return float(self.mean == 0)
        return 2 * float(stdtr(self.degrees, -abs(self.mean) / self.error))

    def interval(self, level: float) -> tuple[float, float]:
        """Ends of the interval that misses the truth in a share `level` of studies; it excludes 0 when p < level."""
        half = float(stdtrit(self.degrees, 1 - level / 2)) * self.error
        return self.mean - half, self.mean + half


def difference_of_means(left: Side, right: Side) -> float:
    """Mean over seeds of `left` minus that of `right`; both need a seed."""
    return float(np.mean(left.values) - np.mean(right.values))


def estimate(left: Side, right: Side) -> Estimate | None:
    """The difference `left` - `right`; None when a side has fewer than two seeds, as then nothing is known of its spread."""
    seeds = len(left.values), len(right.values)
    if min(seeds) < 2:
        return None
    spreads = [float(np.var(side.values, ddof=1)) for side in (left, right)]
    parts = [(spread / count, count - 1.0) for spread, count in zip(spreads, seeds, strict=True)]
    seed_variance = sum(variance for variance, _ in parts)
    user_variance = _user_variance(left.resampled, right.resampled)
    if user_variance is not None:
        # A variance from D resamplings is itself known to D - 1 degrees at most.
        parts.append((user_variance, max(1.0, min(left.num_units, len(left.resampled)) - 1.0)))
    return Estimate(
        mean=difference_of_means(left, right),
        deviation=sum(spreads) ** 0.5,
        seed_error=seed_variance**0.5,
        user_error=None if user_variance is None else user_variance**0.5,
        degrees=_degrees(parts),
        seeds=seeds,
    )


def _user_variance(left: Sequence[float], right: Sequence[float]) -> float | None:
    if len(left) < 2 or len(left) != len(right):
        return None
    return float(np.var(np.subtract(left, right), ddof=1))


def _degrees(parts: Sequence[tuple[float, float]]) -> float:
    """Welch-Satterthwaite over (variance, degrees); scaled by the largest part, as squares of small variances vanish."""
    largest = max(variance for variance, _ in parts)
    if largest == 0:
        return min(degrees for _, degrees in parts)
    shares = [(variance / largest, degrees) for variance, degrees in parts]
    return float(sum(share for share, _ in shares) ** 2 / sum(share**2 / degrees for share, degrees in shares))
