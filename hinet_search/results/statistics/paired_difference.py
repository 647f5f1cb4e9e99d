"""Paired difference: the gain of one set of values by seed over another, with its interval.

For a gain larger is always better: the sign of a minimised measure is changed once, here. Intervals
are two-sided Student t intervals over the common seeds. They ignore users, so they serve to compare
two configurations of one arm on validation, not for a verdict.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from hinet_search.results.statistics.welch import (
    ArmValues,
    Estimate,
    StandardErrors,
    difference_of_means,
)

CONFIDENCE = 0.95
POWER = 0.8
STEADY = 1e6  # degrees of freedom of an error that is practically known

Direction = Literal["better", "unclear", "worse"]
Mark = Direction | Literal["observation"]


@dataclass(frozen=True)
class Summary:
    """Mean and standard deviation (n - 1) over seeds; the deviation is None for one seed."""

    mean: float
    deviation: float | None
    seeds: int


@dataclass(frozen=True)
class Difference:
    """Mean gain of one arm over another; without an interval if the spread is unknown.

    `deviation` is that of the difference between one run of each arm, `pairs` the smaller number of
    seeds. If it `lacks` something, in words (`2 of 5 seeds`), it is an observation: nothing is
    claimed, whatever the interval says.
    """

    mean: float
    low: float | None
    high: float | None
    deviation: float | None
    pairs: int
    lacks: str = ""

    @property
    def mark(self) -> Mark:
        """Better or worse only if the interval excludes 0 and nothing is lacking."""
        return "observation" if self.lacks else self.direction

    @property
    def direction(self) -> Direction:
        """The side of 0 on which the interval lies, for claims and observations alike."""
        if self.low is not None and self.low > 0:
            return "better"
        if self.high is not None and self.high < 0:
            return "worse"
        return "unclear"


def magnitude(value: float) -> str:
    """Format the absolute value of a difference: `.0043`."""
    return f"{abs(value):.4f}".lstrip("0")


def with_interval(estimated: Estimate, level: float, lacks: str = "") -> Difference:
    """Return an estimated difference with its interval at a level."""
    low, high = estimated.interval(level)
    return Difference(estimated.mean, low, high, estimated.deviation, min(estimated.seeds), lacks)


def without_interval(left: ArmValues, right: ArmValues, lacks: str) -> Difference:
    """Return the difference of the means of two arms whose error is not known."""
    seeds = min(len(left.values), len(right.values))
    return Difference(difference_of_means(left, right), None, None, None, seeds, lacks)


def summary(values: Iterable[float]) -> Summary | None:
    """Return mean and spread; None without values."""
    listed = list(values)
    if not listed:
        return None
    deviation = float(np.std(listed, ddof=1)) if len(listed) > 1 else None
    return Summary(float(np.mean(listed)), deviation, len(listed))


def gain(
    left: Mapping[int, float],
    right: Mapping[int, float],
    *,
    maximize: bool,
    level: float = 1 - CONFIDENCE,
) -> Difference:
    """Compute the gain of `left` over `right` (seed -> value) on their common seeds.

    It is in the unit of the measure, larger is better, with an interval that misses the truth in a
    share `level` of studies. ValueError without a common seed.
    """
    seeds = sorted(left.keys() & right.keys())
    if not seeds:
        raise ValueError(
            f"a paired gain needs a common seed, got {sorted(left)} and {sorted(right)}"
        )
    gains = np.array([left[seed] - right[seed] for seed in seeds]) * (1 if maximize else -1)
    mean = float(gains.mean())
    if len(seeds) == 1:
        return Difference(mean, None, None, None, 1)
    deviation = float(gains.std(ddof=1))
    half = float(stdtrit(len(seeds) - 1, 1 - level / 2)) * deviation / len(seeds) ** 0.5
    return Difference(mean, mean - half, mean + half, deviation, len(seeds))


def seeds_to_show(
    effect: float, deviation: float, user_error: float = 0.0, level: float = 1 - CONFIDENCE
) -> int | None:
    """Return the seeds per arm with which a comparison finds an effect in 80 % of studies.

    The comparison is that of welch.py; the number is at least 2. `deviation` is that of the
    difference between one run of each arm. `user_error` does not shrink with more seeds: None if
    it alone hides the effect.
    """
    users = StandardErrors(0.0, STEADY, user_error, STEADY)
    if effect <= users.reach(level) + users.reach(2 * (1 - POWER)):
        return None

    def is_enough(seeds: int) -> bool:
        """Whether the effect is large enough for the critical value and the power.

        The users' error is taken as known.
        """
        degrees = min(seeds - 1.0, STEADY)  # the fewest: one arm has all the spread
        spread = StandardErrors(deviation / seeds**0.5, degrees, user_error, STEADY)
        return effect >= spread.reach(level) + spread.reach(2 * (1 - POWER))

    most = 2
    while not is_enough(most):
        most *= 2
    candidates = range(2, most + 1)
    return candidates[bisect_left(candidates, True, key=is_enough)]
