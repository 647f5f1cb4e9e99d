"""Weighted metrics: compute a metric of one cell under many multiplicities of its units.

A unit (a user, or a row) that was drawn m times counts m times. Everything that does not depend on
the multiplicities, above all the order of the scores, is computed once per cell. A metric that has
no value under some multiplicities is NaN there.
Shape legend: C rows of a cell, U units of the split, B resamplings of a block, K ties of a cell
(distinct scores), P positive rows of a cell, G units of a cell.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

NUM_CALIBRATION_BINS = 10  # as in the metrics of an evaluation

Floats = NDArray[np.float64]
Weighted = Callable[[Floats], Floats]  # multiplicity_UB -> value_B


@dataclass(frozen=True)
class CellScores:
    """Logits, labels and units of the rows of one (scenario, task) with one seed."""

    logit_C: Floats
    label_C: NDArray[np.uint8]
    unit_C: NDArray[np.int64]
    num_units: int  # U

    def per_unit(self, value_C: Floats | None = None) -> Floats:
        """(U,): the sum of `value_C` over the rows of each unit; without it, the number of rows."""
        return np.bincount(self.unit_C, value_C, self.num_units).astype(np.float64)


def auc(cell: CellScores) -> Weighted:
    """AUC: the share of (positive, negative) pairs of rows in the right order; ties count half."""
    order_C = np.argsort(cell.logit_C)
    unit_C, positive_C = cell.unit_C[order_C], cell.label_C[order_C] == 1
    is_first_C = _differs_from_previous(cell.logit_C[order_C])
    first_K = np.flatnonzero(is_first_C)
    tie_P = (np.cumsum(is_first_C) - 1)[positive_C]

    def value(multiplicity_UB: Floats) -> Floats:
        weight_CB = multiplicity_UB[unit_C]
        positive_PB = weight_CB[positive_C]
        weight_CB[positive_C] = 0.0
        has_ties = len(first_K) < len(unit_C)
        negative_KB = np.add.reduceat(weight_CB, first_K, axis=0) if has_ties else weight_CB
        up_to_KB = np.cumsum(negative_KB, axis=0)
        beaten_PB = up_to_KB[tie_P] - negative_KB[tie_P] / 2
        pairs_B = positive_PB.sum(axis=0) * up_to_KB[-1]
        return _ratio((positive_PB * beaten_PB).sum(axis=0), pairs_B)

    return value


def logloss(cell: CellScores) -> Weighted:
    """Log loss: the mean of -log p(label) over the rows."""
    loss_C = np.logaddexp(0.0, cell.logit_C) - cell.label_C * cell.logit_C
    return _mean_over_units(cell.per_unit(loss_C), cell.per_unit())


def gauc(cell: CellScores) -> Weighted:
    """Grouped AUC: the mean AUC within units that have both labels, weighted by their rows.

    Drawing a unit twice does not change its AUC.
    """
    order_C = np.lexsort((cell.logit_C, cell.unit_C))
    unit_C, logit_C, positive_C = (
        cell.unit_C[order_C],
        cell.logit_C[order_C],
        cell.label_C[order_C].astype(np.float64),
    )
    new_unit_C = _differs_from_previous(unit_C)
    first_K = np.flatnonzero(new_unit_C | _differs_from_previous(logit_C))
    positive_K = np.add.reduceat(positive_C, first_K)
    negative_K = np.add.reduceat(1.0 - positive_C, first_K)
    unit_K = unit_C[first_K]
    new_unit_K = _differs_from_previous(unit_K)
    first_G = np.flatnonzero(new_unit_K)
    group_K = np.cumsum(new_unit_K) - 1
    up_to_K = np.cumsum(negative_K)
    before_G = up_to_K[first_G] - negative_K[first_G]  # without negatives of earlier units
    won_G = np.add.reduceat(positive_K * (up_to_K - before_G[group_K] - negative_K / 2), first_G)
    pairs_G = np.add.reduceat(positive_K, first_G) * np.add.reduceat(negative_K, first_G)
    rows_U, total_U = np.zeros(cell.num_units), np.zeros(cell.num_units)
    both_G = pairs_G > 0
    unit_G = unit_K[first_G][both_G]
    rows_U[unit_G] = cell.per_unit()[unit_G]
    total_U[unit_G] = rows_U[unit_G] * won_G[both_G] / pairs_G[both_G]
    return _mean_over_units(total_U, rows_U)


def ece(cell: CellScores) -> Weighted:
    """Expected calibration error: the mean of |mean probability - share of positives| over bins.

    Bins hold equally many rows; a tie on an edge is divided between its bins.
    """
    order_C = np.argsort(cell.logit_C)
    unit_C, label_C, logit_C = cell.unit_C[order_C], cell.label_C[order_C], cell.logit_C[order_C]
    first_K = np.flatnonzero(_differs_from_previous(logit_C))
    probability_K = expit(logit_C[first_K])

    def resampled_value(weight_C: Floats) -> float:
        rows_K = np.add.reduceat(weight_C, first_K)
        positives_K = np.add.reduceat(weight_C * label_C, first_K)
        return _calibration_error(rows_K, positives_K, probability_K) if rows_K.any() else np.nan

    def value(multiplicity_UB: Floats) -> Floats:
        return np.array([resampled_value(weight_C) for weight_C in multiplicity_UB[unit_C].T])

    return value


METRICS: Mapping[str, Callable[[CellScores], Weighted]] = {
    "auc": auc,
    "gauc": gauc,
    "logloss": logloss,
    "ece": ece,
}


def metric_of(objective: str) -> str:
    """Return the metric that an objective reads in every cell, a key of METRICS.

    `logloss[home/click]` reads logloss, `macro_auc` reads auc.
    """
    name = objective.split("[", maxsplit=1)[0]
    return name if name in METRICS else "auc"


def _differs_from_previous(sorted_C: Floats | NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark each value that differs from the one before it; the first is marked too."""
    return np.concatenate([[True], sorted_C[1:] != sorted_C[:-1]])


def _mean_over_units(total_U: Floats, rows_U: Floats) -> Weighted:
    return lambda multiplicity_UB: _ratio(total_U @ multiplicity_UB, rows_U @ multiplicity_UB)


def _ratio(above_B: Floats, below_B: Floats) -> Floats:
    ratio_B: Floats = np.divide(
        above_B, below_B, out=np.full(len(below_B), np.nan), where=below_B > 0
    )
    return ratio_B


def _calibration_error(rows_K: Floats, positives_K: Floats, probability_K: Floats) -> float:
    before_K = np.concatenate([[0.0], np.cumsum(rows_K)])
    edges = np.linspace(0, before_K[-1], NUM_CALIBRATION_BINS + 1)
    gap_K = np.concatenate([[0.0], np.cumsum(rows_K * probability_K - positives_K)])
    return float(np.abs(np.diff(np.interp(edges, before_K, gap_K))).sum() / before_K[-1])
