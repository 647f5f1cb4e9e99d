"""Weighted metrics: compute a metric of one cell under many multiplicities of its units.

A unit (a user, or a row) that was drawn m times counts m times. Everything that does not depend on
the multiplicities, above all the order of the scores, is computed once per cell. A metric that has
no value under some multiplicities is NaN there.
Shape legend: C rows of a cell, U units of the split, B resamplings of a block, K ties of a cell
(distinct scores or amounts), P positive rows of a cell, G units of a cell.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinet_search.results.cells import Labels
from hinet_search.results.families import BERNOULLI, POISSON, Family
from hinet_search.results.statistics.amount_auc import grouped_amount_auc
from hinet_search.results.statistics.calibration_error import expected_calibration_error

Floats = NDArray[np.float64]
Weighted = Callable[[Floats], Floats]  # multiplicity_UB -> value_B


@dataclass(frozen=True)
class CellScores:
    """Logits, labels and units of the rows of one (scenario, task) with one seed.

    Logits of amounts are logs of expected amounts, as `family` says; `amount` is what a label of 1
    stands for.
    """

    logit_C: Floats
    label_C: Labels
    unit_C: NDArray[np.int64]
    num_units: int  # U
    family: Family = BERNOULLI
    amount: float = 1.0

    def per_unit(self, value_C: Floats | None = None) -> Floats:
        """(U,): the sum of `value_C` over the rows of each unit; without it, the number of rows."""
        return np.bincount(self.unit_C, value_C, self.num_units).astype(np.float64)

    def losses(self, logit_C: Floats) -> Floats:
        """(C,): what each row costs with these logits."""
        return self.family.loss(logit_C, self.label_C.astype(np.float64))


def auc(cell: CellScores) -> Weighted:
    """AUC: the share of (positive, negative) pairs of rows in the right order; ties count half.

    Pairs of amounts count by their difference, see amount_auc.py.
    """
    if cell.family is POISSON:
        return _amount_auc(cell)
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


def _amount_auc(cell: CellScores) -> Weighted:
    won, most = _excess(cell, cell.logit_C), _excess(cell, cell.label_C)

    def value(multiplicity_UB: Floats) -> Floats:
        won_B, most_B = won(multiplicity_UB), most(multiplicity_UB)
        return _ratio(most_B + won_B, 2 * most_B)

    return value


def _excess(cell: CellScores, value_C: NDArray[Any]) -> Weighted:
    """The sum of amount x (rows below - rows above) in order of these values."""
    order_C = np.argsort(value_C)
    unit_C, amount_C = cell.unit_C[order_C], cell.label_C[order_C].astype(np.float64)
    first_K = np.flatnonzero(_differs_from_previous(value_C[order_C]))

    def total(multiplicity_UB: Floats) -> Floats:
        weight_CB = multiplicity_UB[unit_C]
        rows_KB = np.add.reduceat(weight_CB, first_K, axis=0)
        amount_KB = np.add.reduceat(weight_CB * amount_C[:, np.newaxis], first_K, axis=0)
        up_to_KB = np.cumsum(rows_KB, axis=0)
        below_less_above_KB = 2 * up_to_KB - rows_KB - up_to_KB[-1]
        total_B: Floats = (amount_KB * below_less_above_KB).sum(axis=0)
        return total_B

    return total


def logloss(cell: CellScores) -> Weighted:
    """Log loss: the mean of -log p(label) over the rows; of amounts half the Poisson deviance."""
    return _mean_over_units(cell.per_unit(cell.losses(cell.logit_C)), cell.per_unit())


def gauc(cell: CellScores) -> Weighted:
    """Grouped AUC: the mean AUC within units that have both labels, weighted by their rows.

    Drawing a unit twice does not change its AUC. Units of amounts need amounts that differ.
    """
    if cell.family is POISSON:
        return _amount_gauc(cell)
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


def _amount_gauc(cell: CellScores) -> Weighted:
    units = grouped_amount_auc(cell.logit_C, cell.label_C, cell.unit_C)
    rows_U, total_U = np.zeros(cell.num_units), np.zeros(cell.num_units)
    rows_U[units.group_G] = units.rows_G
    total_U[units.group_G] = units.rows_G * units.auc_G
    return _mean_over_units(total_U, rows_U)


def ece(cell: CellScores) -> Weighted:
    """Expected calibration error: the mean of |mean expected label - mean label| over bins.

    Bins hold equally many rows; a tie on an edge is divided between its bins.
    """
    order_C = np.argsort(cell.logit_C)
    unit_C, label_C, logit_C = cell.unit_C[order_C], cell.label_C[order_C], cell.logit_C[order_C]
    first_K = np.flatnonzero(_differs_from_previous(logit_C))
    mean_K = cell.family.mean(logit_C[first_K])

    def resampled_value(weight_C: Floats) -> float:
        rows_K = np.add.reduceat(weight_C, first_K)
        total_K = np.add.reduceat(weight_C * label_C, first_K)
        return expected_calibration_error(mean_K, rows_K, total_K) if rows_K.any() else np.nan

    def value(multiplicity_UB: Floats) -> Floats:
        return np.array([resampled_value(weight_C) for weight_C in multiplicity_UB[unit_C].T])

    return value


def rmse(cell: CellScores) -> Weighted:
    """Root mean squared error of expected amounts, in the unit of their column."""
    if cell.family is not POISSON:
        return no_value
    mean_square = _mean_over_units(cell.per_unit(_error(cell) ** 2), cell.per_unit())
    return lambda multiplicity_UB: np.sqrt(mean_square(multiplicity_UB))


def mae(cell: CellScores) -> Weighted:
    """Mean absolute error of expected amounts, in the unit of their column."""
    if cell.family is not POISSON:
        return no_value
    return _mean_over_units(cell.per_unit(np.abs(_error(cell))), cell.per_unit())


def _error(cell: CellScores) -> Floats:
    expected_C: Floats = cell.family.mean(cell.logit_C)
    return cell.amount * (expected_C - cell.label_C.astype(np.float64))


def no_value(multiplicity_UB: Floats) -> Floats:
    """(B,): NaN, the metric of a cell that has none."""
    return np.full(multiplicity_UB.shape[1], np.nan)


METRICS: Mapping[str, Callable[[CellScores], Weighted]] = {
    "auc": auc,
    "gauc": gauc,
    "logloss": logloss,
    "ece": ece,
    "rmse": rmse,
    "mae": mae,
}


def metric_of(objective: str) -> str:
    """Return the metric that an objective reads in every cell, a key of METRICS.

    `logloss[home/click]` reads logloss, `macro_auc` reads auc.
    """
    name = objective.split("[", maxsplit=1)[0]
    return name if name in METRICS else "auc"


def _differs_from_previous(sorted_C: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark each value that differs from the one before it; the first is marked too."""
    return np.concatenate([[True], sorted_C[1:] != sorted_C[:-1]])


def _mean_over_units(total_U: Floats, rows_U: Floats) -> Weighted:
    return lambda multiplicity_UB: _ratio(total_U @ multiplicity_UB, rows_U @ multiplicity_UB)


def _ratio(above_B: Floats, below_B: Floats) -> Floats:
    ratio_B: Floats = np.divide(
        above_B, below_B, out=np.full(len(below_B), np.nan), where=below_B > 0
    )
    return ratio_B
