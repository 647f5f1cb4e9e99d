"""Paired difference: the gain of one set of values by seed over another, with its interval.

For a gain larger is always better: the sign of a minimised measure is changed once, here. Intervals
are two-sided Student t intervals over the common seeds. They ignore users, so they serve to compare
two configurations of one arm on validation, not for a verdict.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from hinet_search.results.statistics.welch import (
    SEEDS_FOR_A_CLAIM,
    ArmValues,
    Estimate,
    StandardErrors,
    difference_of_means,
)

CONFIDENCE = 0.95
POWER = 0.8
ALIKE = 0.25  # error of a difference of two networks over users, of that of one network's AUC
TYPICAL_SPREAD = 0.0015  # of a network's runs, as in docs/results/claims.md

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
    claimed, whatever the interval says. `by_seed` are the gains of single seeds, known where too
    few give an interval that says little.
    """

    mean: float
    low: float | None
    high: float | None
    deviation: float | None
    pairs: int
    lacks: str = ""
    by_seed: tuple[float, ...] = ()

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


def rounded(value: float) -> str:
    """Format a difference that is known roughly: `0.004`."""
    return f"{value:.1g}"


def magnitude(value: float) -> str:
    """Format the absolute value of a difference: `0.0043`."""
    return f"{abs(value):.4f}"


def with_interval(
    estimated: Estimate, level: float, lacks: str = "", by_seed: tuple[float, ...] = ()
) -> Difference:
    """Return an estimated difference with its interval at a level."""
    low, high = estimated.interval(level)
    seeds = min(estimated.seeds)
    return Difference(estimated.mean, low, high, estimated.deviation, seeds, lacks, by_seed)


def seed_by_seed(left: ArmValues, right: ArmValues) -> tuple[float, ...]:
    """Return the gains of single seeds, if too few for a claim are known of both sides."""
    if not 1 < len(left.values) == len(right.values) < SEEDS_FOR_A_CLAIM:
        return ()
    return tuple(np.subtract(left.values, right.values).tolist())


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


def smallest_shown(errors: StandardErrors, level: float = 1 - CONFIDENCE) -> float:
    """Return the difference that 80 % of studies with these errors show (welch.py)."""
    return errors.reach(level) + errors.reach(2 * (1 - POWER))


def expected_smallest(
    cells: Iterable[tuple[int, int]], seeds: int, level: float = 1 - CONFIDENCE
) -> tuple[float, float]:
    """Expect the smallest difference in macro AUC that a study shows; 1 if no cell has an AUC.

    The first is that of `seeds` an arm, the second that of any number. `cells` are the rows of test
    with a 1 and with a 0. The error of each cell's AUC is Hanley and McNeil's (1982) at 0.75.
    On KuaiRand, MovieLens-1M and Epinions the difference of two networks had 0.14 to 0.63 of the
    error of one, and a network's runs a deviation of 0.0005 to 0.003.
    """
    variances = [_auc_variance(ones, zeros) for ones, zeros in cells if ones and zeros]
    if not variances:
        return 1.0, 1.0
    user_error = ALIKE * sum(variances) ** 0.5 / len(variances)
    most = 1e6  # degrees of an error that is taken as known
    of_seeds = StandardErrors(TYPICAL_SPREAD * (2 / seeds) ** 0.5, float(seeds), user_error, most)
    return smallest_shown(of_seeds, level), smallest_shown(replace(of_seeds, seed_error=0.0), level)


def _auc_variance(ones: int, zeros: int, auc: float = 0.75) -> float:
    of_ones = auc / (2 - auc) - auc**2
    of_zeros = 2 * auc**2 / (1 + auc) - auc**2
    whole = auc * (1 - auc) + (ones - 1) * of_ones + (zeros - 1) * of_zeros
    return whole / (ones * zeros)
