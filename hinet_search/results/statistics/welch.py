"""Welch's test for two arms in one measure, with separate errors of seeds and users.

    difference = mean over the seeds of A - mean over the seeds of B
    seeds      = s_A^2 / n_A + s_B^2 / n_B        each arm with its own spread (Welch)
    users      = var over resamplings of (A - B)  both arms under the same users
    degrees    = seeds / the larger of s_A^2 / n_A / (n_A - 1) and the same of B
    p          = P(|seeds^0.5 t_degrees + users^0.5 t_resamplings| > |difference|)

The two errors are not combined into one t with Welch and Satterthwaite's degrees. Five seeds may
show too small a spread by chance. Then the users' error, which is well known, is the larger part,
the degrees are many and the critical value is small in exactly those studies whose error is too
small: at the levels that Holm needs, twice as many claims as allowed were false. Here each part has
its own t (Behrens and Fisher's sum: Behrens 1929, Fisher 1935). Using that sum between the arms too
would claim hardly anything with five seeds. Welch's degrees claim too much if spreads are unequal
(1.4 times the level of 0.05/8 at six times the spread). The degrees used here never exceed Welch's:
they count the seeds of both arms if the spreads are equal, and the seeds of one arm if that arm has
all the spread. docs/results/claims.md has the figures.

Are users counted twice? The resamplings keep the weights of all networks fixed, so they vary users
only. All seeds are scored on the same users, so s varies seeds only, as far as the two effects are
independent. Their interaction (an effect of a user on one seed but not on another) is in both
parts: it enters the variance as 2/n of itself instead of 1/n. The sum is thus never too small:
false verdicts stay below the level, most of all if arms are alike. The test does not use that arms
share their seeds: a common shift of a seed only makes the true spread smaller.

If validation chose finalists by the seeds that are opened on test, the means are too good by at
most s / n^0.5 times the selection bias of each arm (results/finalist_values.py). The difference of
the arms in it is squared and added to the variance of the seeds: 0 for equal errors and biases.

A root mean square (RMSE) of heavy-tailed amounts moves little when the user with most of the error
is drawn more often, so its resamplings vary too little. Of two arms the lower root is that of the
lower mean square, so users are counted on the mean squares: var of (A^2 - B^2) over (A + B)^2.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammainccinv, gammaincinv, ndtr, stdtrit

SEEDS_FOR_A_CLAIM = 5
USERS_FOR_A_CLAIM = 20  # fewer were not simulated
NUM_NODES = (64, 24)  # of the integrals over the true errors of seeds and users
NEGLIGIBLE = 1e-12  # probability that an integral leaves out at either end


@dataclass(frozen=True)
class ArmValues:
    """One arm in one measure: a value per seed, and the mean over seeds under each resampling.

    A resampling draws `num_units` users, or rows where the data do not name their users: then they
    are not `of_users`. Without resamplings the users' part is unknown. With `one_order` all seeds
    saw the rows in the same order, so their spread lacks the effect of the order. `selection_bias`
    is in standard errors of their mean (results/finalist_values.py). Values of a measure that
    `is_root` are root mean squares.
    """

    values: tuple[float, ...]
    resampled: tuple[float, ...] = ()
    num_units: int = 0
    one_order: bool = False
    selection_bias: float = 0.0
    is_root: bool = False
    of_users: bool = True


@dataclass(frozen=True)
class StandardErrors:
    """Errors of a difference from seeds and from users, each with its own degrees of freedom."""

    seed_error: float
    degrees: float
    user_error: float = 0.0
    user_degrees: float = 1.0

    def tail(self, distance: float) -> float:
        """Compute the two-sided chance of a difference of at least `distance` if the truth is 0.

        The true variance behind an estimate is taken as estimate / (chi-squared / degrees); given
        both variances the difference is normal. Either part alone gives Student's t. Shape legend:
        S and U are nodes of the integrals over seeds and users.
        """
        seeds_S, weight_S = _chi_squared(self.degrees, NUM_NODES[0])
        users_U, weight_U = _chi_squared(self.user_degrees, NUM_NODES[1])
        scale_SU = np.hypot(
            self.seed_error / np.sqrt(seeds_S)[:, None], self.user_error / np.sqrt(users_U)
        )
        return float(weight_S @ (2 * ndtr(-abs(distance) / scale_SU)) @ weight_U)

    def exceeded_in(self, share: float) -> "StandardErrors":
        """Return errors that the true ones exceed in a share of studies, each for itself."""
        degrees = np.array([self.degrees, self.user_degrees])
        seeds, users = np.sqrt(gammaincinv(degrees / 2, share) / (degrees / 2)).tolist()
        return replace(self, seed_error=self.seed_error / seeds, user_error=self.user_error / users)

    def reach(self, level: float) -> float:
        """Return the distance whose tail is `level`: half the width of an interval."""
        if self.seed_error == self.user_error == 0:
            return 0.0
        # The sum of both parts exceeds the sum of two distances only if one part exceeds its own:
        # level / 2 for each.
        most = self.seed_error * stdtrit(self.degrees, 1 - level / 4)
        most += self.user_error * stdtrit(self.user_degrees, 1 - level / 4)
        unit = float(np.hypot(self.seed_error, self.user_error))
        return unit * float(
            brentq(
                lambda distance: self.tail(distance * unit) - level,
                0.0,
                1.01 * most / unit,
                rtol=1e-12,
            )
        )


@dataclass(frozen=True)
class Estimate:
    """A difference A - B in the unit of the measure. An unknown `user_error` is None, used as 0."""

    mean: float
    deviation: float  # of the difference between one run of each arm, with selection bias
    seed_error: float
    user_error: float | None
    degrees: float  # of the seeds' error
    user_degrees: float
    seeds: tuple[int, int]

    @property
    def spread(self) -> StandardErrors:
        """Both errors with their degrees."""
        return StandardErrors(
            self.seed_error, self.degrees, self.user_error or 0.0, self.user_degrees
        )

    @property
    def error(self) -> float:
        """Standard error of the mean, of seeds and users together."""
        return float(np.hypot(self.seed_error, self.user_error or 0.0))

    @property
    def p(self) -> float:
        """Two-sided p-value; without any spread it is 0 for a difference and 1 for none."""
        if self.error == 0:
            return float(self.mean == 0)
        return self.spread.tail(self.mean)

    def interval(self, level: float) -> tuple[float, float]:
        """Return the ends of the interval that misses the truth in a share `level` of studies.

        It excludes 0 if p < level.
        """
        half = self.spread.reach(level)
        return self.mean - half, self.mean + half


def difference_of_means(left: ArmValues, right: ArmValues) -> float:
    """Return the mean over seeds of `left` minus the mean of `right`; both need a seed."""
    return float(np.mean(left.values) - np.mean(right.values))


def lacking(left: ArmValues, right: ArmValues) -> str:
    """Describe what the difference of two arms lacks to be a claim; empty if nothing."""
    seeds = min(len(left.values), len(right.values))
    parts = [f"{seeds} of {SEEDS_FOR_A_CLAIM} seeds"] if seeds < SEEDS_FOR_A_CLAIM else []
    if _user_variance(left, right) is None:
        parts.append("users not counted")
    elif not left.of_users:
        parts.append("no user column")
    elif left.num_units < USERS_FOR_A_CLAIM:
        parts.append(f"{left.num_units} of {USERS_FOR_A_CLAIM} users")
    if left.one_order or right.one_order:
        parts.append("one order of rows for all seeds")
    return ", ".join(parts)


def estimate(left: ArmValues, right: ArmValues) -> Estimate | None:
    """Estimate the difference `left` - `right`.

    None if a side has fewer than two seeds, because its spread is then unknown.
    """
    seeds = len(left.values), len(right.values)
    if min(seeds) < 2:
        return None
    left_spread = float(np.var(left.values, ddof=1))
    right_spread = float(np.var(right.values, ddof=1))
    ours = left_spread / seeds[0]
    theirs = right_spread / seeds[1]
    bias_variance = (left.selection_bias * ours**0.5 - right.selection_bias * theirs**0.5) ** 2
    seed_variance = ours + theirs + bias_variance
    # Fewer than those of all seeds unless the variances are proportional to their degrees.
    largest = max(ours / (seeds[0] - 1.0), theirs / (seeds[1] - 1.0))
    degrees = ours / largest + theirs / largest if largest else min(seeds) - 1.0
    user_variance = _user_variance(left, right)
    return Estimate(
        mean=difference_of_means(left, right),
        deviation=(left_spread + right_spread + min(seeds) * bias_variance) ** 0.5,
        seed_error=seed_variance**0.5,
        user_error=None if user_variance is None else user_variance**0.5,
        degrees=degrees,
        user_degrees=_user_degrees(left),
        seeds=seeds,
    )


def claim(left: ArmValues, right: ArmValues) -> Estimate | None:
    """Estimate the difference `left` - `right`; None if it lacks something to be a claim."""
    return None if lacking(left, right) else estimate(left, right)


def estimate_of_mean(side: ArmValues) -> Estimate | None:
    """Estimate the mean of one arm by itself, by its difference from 0; None for one seed."""
    zeros = ArmValues((0.0,) * len(side.values), (0.0,) * len(side.resampled))
    return estimate(replace(side, is_root=False), zeros)


def estimate_of_fixed(left: ArmValues, right: ArmValues) -> Estimate | None:
    """Estimate the difference of one model, whose seed is not drawn again, and the mean of an arm.

    The arm's selection bias is added to the variance of its mean, as in `estimate`.
    None if the arm has fewer than two seeds, or the users are not counted.
    """
    seeds = len(right.values)
    users = errors_of_users(left, right)
    if seeds < 2 or users is None:
        return None
    variance = float(np.var(right.values, ddof=1)) * (1 + right.selection_bias**2)
    return Estimate(
        mean=difference_of_means(left, right),
        deviation=variance**0.5,
        seed_error=(variance / seeds) ** 0.5,
        user_error=users.user_error,
        degrees=seeds - 1.0,
        user_degrees=users.user_degrees,
        seeds=(1, seeds),
    )


def errors_of_users(left: ArmValues, right: ArmValues) -> StandardErrors | None:
    """Return the errors of a difference whose seeds are not counted; None without resamplings."""
    variance = _user_variance(left, right)
    if variance is None:
        return None
    return StandardErrors(0.0, 1.0, variance**0.5, _user_degrees(left))


def _user_degrees(side: ArmValues) -> float:
    """Return degrees of freedom: a variance from D resamplings has at most D - 1 itself."""
    return max(1.0, min(side.num_units, len(side.resampled)) - 1.0)


def _user_variance(left: ArmValues, right: ArmValues) -> float | None:
    drawn = len(left.resampled)
    if drawn < 2 or drawn != len(right.resampled):
        return None
    left_D = np.array(left.resampled)
    right_D = np.array(right.resampled)
    difference_D = left_D - right_D
    if left.is_root:
        both = abs(float(np.mean(left.values) + np.mean(right.values)))
        difference_D = (left_D**2 - right_D**2) / both if both else np.zeros(drawn)
    # Resamplings of n users vary by (n - 1) / n of what other users would.
    num_users = max(2, left.num_units)
    return float(np.var(difference_D, ddof=1)) * num_users / (num_users - 1)


@lru_cache(maxsize=256)
def _chi_squared(degrees: float, num_nodes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return nodes and weights for the mean over chi-squared / degrees.

    Nodes are equal steps of its logarithm, because the density of the logarithm is smooth.
    """
    half = degrees / 2
    low = float(np.log(gammaincinv(half, NEGLIGIBLE) / half))
    high = float(np.log(gammainccinv(half, NEGLIGIBLE) / half))
    log_N = np.linspace(low, high, num_nodes)
    weight_N = np.exp(half * (log_N - np.exp(log_N) + 1))
    return np.exp(log_N), weight_N / weight_N.sum()
