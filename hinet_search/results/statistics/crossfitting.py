"""Cross-fitting: values of ensembles on users that did not choose them, and a gain's interval.

In a repeat, every fold of users is scored by ensembles that were chosen on the other folds. A
cell's metric is its mean over the folds in which it has a value, weighted by rows: scores of
different ensembles are never ranked against each other. The objective of the cells is averaged over
repeats.

The interval of a gain is normal, with the variance of the gain when users are resampled, for all
folds of all repeats alike and with the ensembles of the folds held fixed (Bayle et al.,
Cross-validation confidence intervals for test error, NeurIPS 2020), times 1 + held / seen units:
users of a fold also choose for the other folds, and this ratio is the correction of Nadeau and
Bengio (Inference for the generalization error, Machine Learning 2003). Without that factor,
intervals are too narrow on small splits; tests/results/test_selection_rates.py checks them.
Shape legend: A ensembles, R rows, C cells, U units (users or rows), H units of a fold,
B resamplings of a block.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from hinet_search.common import heartbeat
from hinet_search.common.errors import ConfigurationError
from hinet_search.results.ensemble_records import SelectionGain
from hinet_search.results.objectives import Objective
from hinet_search.results.statistics.paired_difference import CONFIDENCE
from hinet_search.results.statistics.resampling import (
    RESAMPLINGS,
    PreparedMetric,
    ScoredRows,
    multiplicity_blocks,
    objective_values,
    prepare,
)
from hinet_search.results.statistics.scored_cell import Floats


@dataclass(frozen=True)
class HeldOut:
    """A held-out fold of a repeat: the metric of the A ensembles of the other folds in every cell.

    It is `prepared` for any weights of the fold's units.
    """

    repeat: int
    unit_H: NDArray[np.int64]
    num_rows: int
    prepared: PreparedMetric


def hold_out(
    repeat: int, scored: ScoredRows, unit_R: NDArray[np.int64], objective: Objective
) -> HeldOut:
    """Prepare the rows of a held-out fold; the seeds of `scored` are the ensembles."""
    unit_H, local_R = np.unique(unit_R, return_inverse=True)
    prepared = prepare(scored, local_R, len(unit_H), objective.metric)
    heartbeat.send_heartbeat()
    return HeldOut(repeat, unit_H, len(unit_R), prepared)


@dataclass(frozen=True)
class CrossFit:
    """All held-out folds, to be evaluated under any multiplicities of the units."""

    folds: Sequence[HeldOut]
    objective: Objective
    num_units: int

    def values(self) -> Floats:
        """(A,): the cross-fitted value of every ensemble; ConfigurationError if it has none."""
        value_A: Floats = self._values(np.ones((self.num_units, 1)), None)[:, 0]
        if np.isnan(value_A).any():
            raise ConfigurationError(
                f"{self.objective.name} has no value: in a fold of users no cell has labels that "
                "differ",
                remedy="select by logloss, or on a larger validation split",
            )
        return value_A

    def gain(self, seed: int, *, held_over_seen: float) -> SelectionGain:
        """Compute the gain of the second ensemble of every fold over the first.

        `held_over_seen` is the ratio of the units of a fold to those that chose for it.
        """
        mean_value, selected_value = self.values()[:2].tolist()
        sign = self.objective.sign
        blocks = []
        num_rows = max(fold.num_rows for fold in self.folds)
        drawn = multiplicity_blocks(self.num_units, num_rows, seed, RESAMPLINGS)
        for multiplicity_UB in drawn:
            value_AB = self._values(multiplicity_UB, 2)
            blocks.append(sign * (value_AB[1] - value_AB[0]))
            heartbeat.send_heartbeat()
        gain_B = np.concatenate(blocks)
        variance = float(np.var(gain_B[~np.isnan(gain_B)], ddof=1)) * (1 + held_over_seen)
        half = float(stdtrit(self.num_units - 1, (1 + CONFIDENCE) / 2)) * variance**0.5
        estimate = sign * (selected_value - mean_value)
        return SelectionGain(estimate, estimate - half, estimate + half, mean_value, selected_value)

    def _values(self, multiplicity_UB: Floats, num_ensembles: int | None) -> Floats:
        """(A, B): the objective of the first ensembles, a mean over repeats; NaN if it has none."""
        names = self.folds[0].prepared.cells
        value_of_repeats = []
        for repeat in sorted({fold.repeat for fold in self.folds}):
            folds = [fold for fold in self.folds if fold.repeat == repeat]
            value_ACB, rows_CB = _mean_over_folds(folds, multiplicity_UB, num_ensembles)
            value_of_repeats.append(objective_values(self.objective, names, rows_CB, value_ACB))
        value_AB: Floats = np.mean(value_of_repeats, axis=0)
        return value_AB


def _mean_over_folds(
    folds: Sequence[HeldOut], multiplicity_UB: Floats, num_ensembles: int | None
) -> tuple[Floats, Floats]:
    """(A, C, B) and (C, B): the metric of every cell, NaN without a value, and its rows."""
    first = folds[0].prepared
    num_cells = len(first.cells)
    num_resamplings = multiplicity_UB.shape[1]
    num_chosen = len(first.metrics_SC[:num_ensembles])
    total_ACB = np.zeros((num_chosen, num_cells, num_resamplings))
    weight_ACB = np.zeros_like(total_ACB)
    rows_CB = np.zeros((num_cells, num_resamplings))
    for fold in folds:
        multiplicity_HB = multiplicity_UB[fold.unit_H]
        read_CB = fold.prepared.read_UC.T @ multiplicity_HB
        value_ACB = fold.prepared.values(multiplicity_HB, num_ensembles)
        has_value_ACB = ~np.isnan(value_ACB)
        total_ACB += read_CB * np.nan_to_num(value_ACB)
        weight_ACB += read_CB * has_value_ACB
        rows_CB += fold.prepared.rows_UC.T @ multiplicity_HB
    mean_ACB = np.full_like(total_ACB, np.nan)
    np.divide(total_ACB, weight_ACB, out=mean_ACB, where=weight_ACB > 0)
    return mean_ACB, rows_CB
