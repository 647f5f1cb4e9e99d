"""Gains: values by seed in, a paired difference with its interval out.

A gain is always "larger is better": the sign of a measure that is minimised is turned once, here. Intervals are
two-sided Student t intervals over the seeds that both ran; they see no users, so they serve where two configurations of
one arm meet on validation, not for a verdict.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri, stdtrit

CONFIDENCE = 0.95
POWER = 0.8

Mark = Literal["better", "unclear", "worse"]


@dataclass(frozen=True)
class Summary:
    """Mean over seeds; the standard deviation (n - 1) is None with one seed."""

    mean: float
    deviation: float | None
    seeds: int


@dataclass(frozen=True)
class Difference:
    """Mean gain of one arm over another; no interval where nothing is known of its spread.

    `deviation` is that of a difference of one run of each, `pairs` the number of seeds of the arm that has fewer.
    """

    mean: float
    low: float | None
    high: float | None
    deviation: float | None
    pairs: int

    @property
    def mark(self) -> Mark:
        """Better or worse only when the interval excludes 0."""
        if self.low is not None and self.low > 0:
            return "better"
        if self.high is not None and self.high < 0:
            return "worse"
        return "unclear"


def summary(values: Sequence[float]) -> Summary | None:
    """Mean and spread, or None without values."""
    if not values:
        return None
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Summary(float(np.mean(values)), deviation, len(values))


def gain(left: Mapping[int, float], right: Mapping[int, float], *, maximize: bool) -> Difference:
    """Gain of `left` over `right` (seed -> value) on the seeds of both, in the measure's unit, larger is better.

    The interval holds with 95 %. ValueError without a common seed.
    """
    seeds = sorted(left.keys() & right.keys())
    if not seeds:
        raise ValueError(f"a paired gain needs a common seed, got {sorted(left)} and {sorted(right)}")
    gains = np.array([left[seed] - right[seed] for seed in seeds]) * (1 if maximize else -1)
    mean = float(gains.mean())
    if len(seeds) == 1:
        return Difference(mean, None, None, None, 1)
    deviation = float(gains.std(ddof=1))
    half = float(stdtrit(len(seeds) - 1, (1 + CONFIDENCE) / 2)) * deviation / len(seeds) ** 0.5
    return Difference(mean, mean - half, mean + half, deviation, len(seeds))


def seeds_to_show(
    effect: float, deviation: float, user_error: float = 0.0, level: float = 1 - CONFIDENCE
) -> int | None:
    """Seeds of each arm with which Welch's test finds an effect in 80 % of studies, at least 2.

    `deviation` is that of a difference of one run of each, `user_error` what more seeds do not make smaller: None when that
    alone hides the effect.
    """
    if effect <= float(ndtri(1 - level / 2) + ndtri(POWER)) * user_error:
        return None
    most = 2
    while not _shown(effect, deviation**2 / most, most, user_error**2, level):
        most *= 2
    enough = range(2, most + 1)
    return enough[bisect_left(enough, 1, key=lambda n: _shown(effect, deviation**2 / n, n, user_error**2, level))]


def _shown(effect: float, of_seeds: float, seeds: int, of_users: float, level: float) -> bool:
    """Whether the effect is as large as the critical value and the power ask, with variances of seeds and users."""
    if of_seeds == 0:
        return True
    variance = of_seeds + of_users
    degrees = (seeds - 1) * (variance / of_seeds) ** 2  # the fewest that Welch's test may find, the users' error known
    return bool(effect >= (stdtrit(degrees, 1 - level / 2) + stdtrit(degrees, POWER)) * variance**0.5)
