"""Amount metrics: the values of a cell of amounts from the scores of its rows.

Scores are logs of expected amounts, and labels are amounts, both in the cell's unit.
Shape legend: C rows of a cell, K ties of a cell (distinct scores).
"""

import numpy as np
from numpy.typing import NDArray

from hinet_search.results.cells import Cell, Labels
from hinet_search.results.families import POISSON
from hinet_search.results.records import CellValue
from hinet_search.results.statistics.amount_auc import amount_auc, grouped_amount_auc
from hinet_search.results.statistics.calibration_error import expected_calibration_error


def amount_cell_value(
    cell: Cell, scores_C: NDArray[np.float32], labels_C: Labels, user_C: NDArray[np.int32]
) -> CellValue:
    """Return the metrics of a cell with at least one row; scores must be finite."""
    assert cell.unit is not None, "the cell is one of amounts"
    scenario, task = cell.name
    score_C, amount_C = scores_C.astype(np.float64), labels_C.astype(np.float64)
    expected_C = POISSON.mean(score_C)
    error_C = expected_C - amount_C
    auc, total = amount_auc(score_C, amount_C), float(amount_C.sum())
    return CellValue(
        scenario=scenario,
        task=task,
        rows=len(amount_C),
        positives=int((amount_C > 0).sum()),
        auc=auc,
        logloss=float(POISSON.loss(score_C, amount_C).mean()),
        gauc=None if auc is None else _gauc(score_C, amount_C, user_C),
        calibration=float(expected_C.sum()) / total if total else None,
        ece=_calibration_error(score_C, amount_C),
        reason="" if auc is not None else f"the amounts of all {len(amount_C)} rows are equal",
        rmse=cell.unit * float(np.sqrt((error_C**2).mean())),
        mae=cell.unit * float(np.abs(error_C).mean()),
    )


def _gauc(
    score_C: NDArray[np.float64], amount_C: NDArray[np.float64], user_C: NDArray[np.int32]
) -> float | None:
    """Return the mean AUC of users with different amounts, by rows; None without such users."""
    known_C = user_C >= 0
    if not known_C.any():
        return None
    users = grouped_amount_auc(score_C[known_C], amount_C[known_C], user_C[known_C])
    return float(np.average(users.auc_G, weights=users.rows_G)) if len(users.auc_G) else None


def _calibration_error(score_C: NDArray[np.float64], amount_C: NDArray[np.float64]) -> float:
    score_K, tie_C, rows_K = np.unique(score_C, return_inverse=True, return_counts=True)
    total_K = np.bincount(tie_C, amount_C)
    return expected_calibration_error(POISSON.mean(score_K), rows_K, total_K)
