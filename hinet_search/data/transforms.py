"""Transforms: what a number becomes before it is standardised.

log       sign(x) log(1 + |x|)
quantile  the normal score of a value's rank among training rows, see Knots
cycle     sine and cosine of a value's place in its cycle, see Wave
Shape legend: R rows, K knots.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtri

from hinet_search.study.feature_definition import (
    LOG,
    PARTS,
    CycleDefinition,
    Transform,
    cycle_input,
)

MOST_KNOTS = 200

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Knots:
    """Training values (K,), ascending, and the normal scores of their mid-ranks (K,).

    A mid-rank is the share of training rows below a value plus half the share of rows at it. Scores
    are linear between two knots, and constant below the first and above the last.
    """

    values: tuple[float, ...]
    scores: tuple[float, ...]

    def scores_of(self, number_R: Floats) -> Floats:
        """The score of every number (R,), never decreasing in the number; NaN of NaN."""
        if len(self.values) < 2:
            return np.where(np.isnan(number_R), np.nan, self.scores[0] if self.scores else 0.0)
        value_K, score_K = np.array(self.values), np.array(self.scores)
        right_R = np.searchsorted(value_K, number_R, side="right").clip(1, value_K.size - 1)
        left_R = right_R - 1
        width_R = value_K[right_R] - value_K[left_R]
        share_R = ((number_R - value_K[left_R]) / width_R).clip(0, 1)
        rise_R = share_R * (score_K[right_R] - score_K[left_R])
        # Rounding must not lift a score above that of the next knot.
        between_R = np.minimum(score_K[left_R] + rise_R, score_K[right_R])
        score_R: Floats = np.where(share_R == 1, score_K[right_R], between_R)
        return score_R


@dataclass(frozen=True)
class Wave:
    """One of the two inputs of a cycle of `column`: the sine or cosine of 2 pi x / `cycle`."""

    column: str
    cycle: float
    part: Literal["sin", "cos"]

    def of(self, number_R: Floats) -> Floats:
        """The input of every number (R,); NaN of NaN."""
        # Numbers one cycle apart must give the same bits, which the sine of a large angle does not.
        angle_R = 2 * np.pi * (np.remainder(number_R, self.cycle) / self.cycle)
        return np.sin(angle_R) if self.part == "sin" else np.cos(angle_R)


InputTransform = Literal["log", "quantile"] | Wave  # of one numeric input


def input_transforms(
    column: str, transform: Transform | None
) -> tuple[tuple[str, InputTransform | None], ...]:
    """The inputs that a column becomes, each with its name and transform."""
    if not isinstance(transform, CycleDefinition):
        return ((column, transform),)
    return tuple((cycle_input(column, part), Wave(column, transform.cycle, part)) for part in PARTS)


def fit_knots(number_R: Floats) -> Knots:
    """Knots at every distinct training value, or at MOST_KNOTS of them.

    Half of these are even in rank, half in score: ranks alone would leave the tails to two knots.
    """
    value_K, count_K = np.unique(number_R, return_counts=True)
    rank_K = (np.cumsum(count_K) - count_K / 2) / max(number_R.size, 1)
    score_K = ndtri(rank_K)
    if value_K.size > MOST_KNOTS:
        chosen = np.union1d(_evenly(rank_K), _evenly(score_K))
        value_K, score_K = value_K[chosen], score_K[chosen]
    return Knots(tuple(value_K.tolist()), tuple(score_K.tolist()))


def _evenly(ascending_K: Floats) -> NDArray[np.int64]:
    """Positions of values that are about evenly spaced, the first and the last among them."""
    wanted = np.linspace(ascending_K[0], ascending_K[-1], MOST_KNOTS // 2)
    return np.searchsorted(ascending_K, wanted).clip(max=ascending_K.size - 1)


def transformed(
    values: pl.Series, transform: InputTransform | None, knots: Knots | None = None
) -> pl.Series:
    """Transform finite float64 values; null stays null. `knots` are needed for `quantile`."""
    if transform is None:
        return values
    number_R = values.to_numpy()  # NaN where null
    input_R = transformed_numbers(number_R, transform, knots)
    return pl.Series(values.name, input_R, dtype=pl.Float64, nan_to_null=True)


def transformed_numbers(
    number_R: Floats, transform: InputTransform, knots: Knots | None = None
) -> Floats:
    """Transform finite numbers (R,); NaN stays NaN. `knots` are needed for `quantile`."""
    if isinstance(transform, Wave):
        return transform.of(number_R)
    if transform == LOG:
        return np.copysign(np.log1p(np.abs(number_R)), number_R)
    assert knots is not None, "an encoding has the knots of every such column"
    return knots.scores_of(number_R)
