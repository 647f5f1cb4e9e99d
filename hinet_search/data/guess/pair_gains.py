"""Pair gains: what the label rate of a pair of values says beyond those of both values alone.

The rates of both values alone are those of a model that adds up in logits, `a[first] + b[second]`.
The rate of the pair is that of its rows, smoothed towards this model. Both are fitted on one half
of the rows and compared by the log loss of the other half, so a pair that adds nothing loses a
little. Rows of a unit, such as a user, are in one half.
Shape legend: R rows, U units, H halves, A and B values of the first and the second field, L labels
of 0 and 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SMOOTHING = 20.0  # rows of the additive rate that are added to every pair
SWEEPS = 50
CLOSE = 0.05  # labels by which the sums of a fit may differ from those of the rows
MOST_CELLS = 1_000_000
ROUNDING = 1e-9  # nats a row
FARTHEST = 12.0  # logit of a fitted rate
LONGEST_STEP = 2.0

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PairGain:
    """The gain in log loss of a pair, in nats a row, and its standard error over units.

    Only gains above 0 have an error.
    """

    gain: float
    error: float = 0.0

    def is_above(self, num_errors: float) -> bool:
        """Whether the gain is more than so many standard errors, and than rounding."""
        return self.gain > max(ROUNDING, num_errors * self.error)


@dataclass(frozen=True)
class JudgedRows:
    """Rows of a task with their labels; `half_R` is 0 or 1, the same for all rows of a unit."""

    label_R: NDArray[np.bool_]
    unit_R: Codes
    half_R: Codes

    def gain(self, first_R: Codes, second_R: Codes, least_rows: float) -> PairGain | None:
        """The gain of a pair out of fold; None if pairs have fewer rows than this on average.

        Values are codes from 1; 0 is missing, and rows with a missing value gain nothing.
        """
        shape_HLAB = (2, 2, int(first_R.max()) + 1, int(second_R.max()) + 1)
        num_cells = int(np.prod(shape_HLAB))
        if num_cells > MOST_CELLS:
            return None
        cell_R = 2 * self.half_R + self.label_R
        cell_R = (cell_R * shape_HLAB[2] + first_R) * shape_HLAB[3] + second_R
        rows_HLAB = np.bincount(cell_R, minlength=num_cells).reshape(shape_HLAB).astype(np.float64)
        rows_HLAB[:, :, 0, :] = 0
        rows_HLAB[:, :, :, 0] = 0
        num_pairs = int(rows_HLAB.any(axis=(0, 1)).sum())
        if rows_HLAB.sum() < least_rows * num_pairs:
            return None
        gain_HLAB = gains_of_cells(rows_HLAB)
        gain = float((rows_HLAB * gain_HLAB).sum() / cell_R.size)
        if gain <= 0:
            return PairGain(gain)
        residual_U = np.bincount(self.unit_R, gain_HLAB.ravel()[cell_R] - gain)
        return PairGain(gain, float(np.sqrt((residual_U**2).sum()) / cell_R.size))


def gains_of_cells(rows_HLAB: Floats) -> Floats:
    """What a row of every cell gains by the rates of the other half; 0 without a value."""
    ones_HAB = rows_HLAB[:, 1]
    rows_HAB = rows_HLAB.sum(axis=1)
    additive_HAB = additive_rates(rows_HAB, ones_HAB)
    pair_HAB = (ones_HAB + SMOOTHING * additive_HAB) / (rows_HAB + SMOOTHING)
    gain_of_zero_HAB = np.log((1 - pair_HAB) / (1 - additive_HAB))
    gain_of_one_HAB = np.log(pair_HAB / additive_HAB)
    return np.stack([gain_of_zero_HAB[::-1], gain_of_one_HAB[::-1]], axis=1)


def additive_rates(rows_HAB: Floats, ones_HAB: Floats) -> Floats:
    """The rates of a model that adds up in logits, of the highest likelihood in every half.

    A Newton step for each value of one field, then of the other, until the fitted labels of every
    value sum to its own.
    """
    totals_H11 = rows_HAB.sum(axis=(1, 2), keepdims=True)
    rates_H11 = (ones_HAB.sum(axis=(1, 2), keepdims=True) + 0.5) / (totals_H11 + 1)
    logit_HAB = np.log(rates_H11 / (1 - rates_H11)) + np.zeros_like(rows_HAB)
    for _ in range(SWEEPS):
        farthest = 0.0
        for axis in (2, 1):
            rate_HAB = _rates(logit_HAB)
            expected_HAB = rows_HAB * rate_HAB
            missing = (ones_HAB - expected_HAB).sum(axis=axis, keepdims=True)
            weight = (expected_HAB * (1 - rate_HAB)).sum(axis=axis, keepdims=True)
            step = missing / np.maximum(weight, 1e-9)
            logit_HAB += step.clip(-LONGEST_STEP, LONGEST_STEP)
            farthest = max(farthest, float(np.abs(missing).max()))
        if farthest < CLOSE:
            break
    return _rates(logit_HAB)


def _rates(logit_HAB: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-logit_HAB.clip(-FARTHEST, FARTHEST))))
