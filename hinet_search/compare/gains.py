"""Gains: values by seed in, a paired difference with its interval out.

A gain is always "larger is better": the sign of a measure that is minimised is turned once, here. Intervals are
two-sided Student t intervals over the seeds that both arms ran.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri, stdtrit

CONFIDENCE = 0.95

Mark = Literal["better", "unclear", "worse"]


@dataclass(frozen=True)
class Summary:
    """Mean over seeds; the standard deviation (n - 1) is None with one seed."""

    mean: float
    deviation: float | None
    seeds: int


@dataclass(frozen=True)
class Difference:
    """Mean gain of one arm over another on paired seeds; no interval with one pair."""

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


def gain(left: Mapping[int, float], right: Mapping[int, float], *, maximize: bool, comparisons: int = 1) -> Difference:
    """Gain of `left` over `right` (seed -> value) on the seeds of both, in the measure's unit, larger is better.

    The interval holds with 95 % for `comparisons` intervals at once (Bonferroni). ValueError without a common seed.
    """
    seeds = sorted(left.keys() & right.keys())
    if not seeds:
        raise ValueError(f"a paired gain needs a common seed, got {sorted(left)} and {sorted(right)}")
    gains = np.array([left[seed] - right[seed] for seed in seeds]) * (1 if maximize else -1)
    mean = float(gains.mean())
    if len(seeds) == 1:
        return Difference(mean, None, None, None, 1)
    deviation = float(gains.std(ddof=1))
    quantile = float(stdtrit(len(seeds) - 1, 1 - (1 - CONFIDENCE) / (2 * comparisons)))
    half = quantile * deviation / len(seeds) ** 0.5
    return Difference(mean, mean - half, mean + half, deviation, len(seeds))


def seeds_to_show(effect: float, deviation: float) -> int:
    """Paired seeds with which an effect is found in 80 % of studies (normal approximation), at least 2."""
    needed = float(ndtri(0.975) + ndtri(0.8)) * deviation / effect
    return max(2, int(np.ceil(needed**2)))
