"""Transforms: what a number becomes before it is standardised.

log       sign(x) log(1 + |x|)
quantile  the normal score of a value's rank among training rows, see Knots
cycle     sine and cosine of a value's place in its cycle, see Wave
Shape legend: R rows, K knots.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.mapped import blocks_of, mapped_array
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
        value_K = np.array(self.values)
        score_K = np.array(self.scores)
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


def fit_knots(number_R: Floats, cache: Path | None = None) -> Knots:
    """Knots at every distinct training value, or at MOST_KNOTS of them.

    Half of the knots are even in rank, half in score: ranks alone leave the tails to two knots.
    Sorted numbers of many rows are mapped from a file in the folder `cache`.
    """
    from scipy.special import ndtri  # half a second, which other transforms do not need

    sorted_R = mapped_array((number_R[block] for block in blocks_of(number_R.size)), cache)
    sorted_R.sort()
    first_K = mapped_array(_first_rows(sorted_R), cache)  # the first row of every distinct value
    rank_K = mapped_array(_ranks(first_K, sorted_R.size), cache)
    score_K = mapped_array((ndtri(rank_K[block]) for block in blocks_of(rank_K.size)), cache)
    if first_K.size > MOST_KNOTS:
        chosen = np.union1d(_evenly(rank_K), _evenly(score_K))
        first_K = first_K[chosen]
        score_K = score_K[chosen]
    return Knots(tuple(sorted_R[first_K].tolist()), tuple(score_K.tolist()))


def _first_rows(sorted_R: Floats) -> Iterator[NDArray[np.int64]]:
    """Yield the first rows of the distinct values of every block that begin in it."""
    for block in blocks_of(sorted_R.size):
        value_R = sorted_R[block]
        is_first_R = np.ones(value_R.size, dtype=np.bool_)
        is_first_R[1:] = value_R[1:] != value_R[:-1]
        if block.start:
            is_first_R[0] = value_R[0] != sorted_R[block.start - 1]
        yield np.flatnonzero(is_first_R) + block.start


def _ranks(first_K: NDArray[np.int64], num_rows: int) -> Iterator[Floats]:
    """Yield the mid-ranks of distinct values, from 0 to 1; `first_K` are their first rows."""
    for block in blocks_of(first_K.size):
        bounds = np.append(first_K[block.start : block.stop + 1], num_rows)
        end_K = bounds[1:][: block.stop - block.start]
        count_K = end_K - first_K[block]
        yield (end_K - count_K / 2) / max(num_rows, 1)


def _evenly(ascending_K: Floats) -> NDArray[np.int64]:
    """Positions of values that are about evenly spaced, the first and the last among them."""
    wanted = np.linspace(ascending_K[0], ascending_K[-1], MOST_KNOTS // 2)
    return np.searchsorted(ascending_K, wanted).clip(max=ascending_K.size - 1)


def inputs_of(
    number_R: Floats, transform: InputTransform | None, knots: Knots | None, cache: Path | None
) -> Floats:
    """Transform finite numbers (R,), in an array of its own, or the same without a transform.

    Inputs of many rows are mapped from a file in the folder `cache`.
    """
    if transform is None:
        return number_R
    blocks = (number_R[block] for block in blocks_of(number_R.size))
    return mapped_array((transformed(block, transform, knots) for block in blocks), cache)


def transformed(number_R: Floats, transform: InputTransform, knots: Knots | None = None) -> Floats:
    """Transform finite numbers (R,); NaN stays NaN. `knots` are needed for `quantile`."""
    if isinstance(transform, Wave):
        return transform.of(number_R)
    if transform == LOG:
        return np.copysign(np.log1p(np.abs(number_R)), number_R)
    assert knots is not None, "an encoding has the knots of every such column"
    return knots.scores_of(number_R)
