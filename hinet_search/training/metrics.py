"""Metrics: scores of all rows in, the values of every (scenario, task) cell out.

Scores are logits in float32: bf16 probabilities have 37 distinct values and moved AUC by .004. What is defined on
probabilities is computed from the logits in float64.
Shape legend: R rows of a split, T tasks, C rows of a cell, K ties of a cell (distinct scores).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.columns import Columns
from hinet_search.records import CellValue
from hinet_search.training.ties import Ties, count_ties, grouped_auc

NUM_CALIBRATION_BINS = 10


class NonFiniteScores(Exception):
    """A model gave NaN or infinity as a score; no metric of such scores means anything. `value` is the first."""

    def __init__(self, message: str, value: float) -> None:
        super().__init__(message, value)
        self.value = value

    def __str__(self) -> str:
        return str(self.args[0])


def cell_values(
    scores_RT: NDArray[np.float32], columns: Columns, scenarios: Sequence[str], tasks: Sequence[str]
) -> tuple[CellValue, ...]:
    """Metrics of all cells, scenario by scenario, of logits (R, T) on the rows of `columns`.

    A metric that a cell cannot give is None, with the reason. NonFiniteScores when a score is NaN or infinite.
    """
    bad_RT = ~np.isfinite(scores_RT)
    if bad_RT.any():
        row, task = np.argwhere(bad_RT)[0]
        raise NonFiniteScores(
            f"scores must be finite, got {bad_RT.sum()} that are not, the first ({scores_RT[row, task]}) for task "
            f"{tasks[task]} in row {row}",
            value=float(scores_RT[row, task]),
        )
    values = []
    for number, scenario in enumerate(scenarios):
        rows_C = np.flatnonzero(columns.scenario_R == number)
        scores_CT, labels_CT, user_C = scores_RT[rows_C], columns.labels_RT[rows_C], columns.user_R[rows_C]
        values += [
            _cell_value((scenario, task), scores_CT[:, index], labels_CT[:, index], user_C)
            for index, task in enumerate(tasks)
        ]
    return tuple(values)


def _cell_value(
    names: tuple[str, str], scores_C: NDArray[np.float32], labels_C: NDArray[np.uint8], user_C: NDArray[np.int32]
) -> CellValue:
    scenario, task = names
    rows, positives = len(labels_C), int(labels_C.sum(dtype=np.int64))
    if rows == 0:
        return CellValue(scenario, task, 0, 0, None, None, reason="no rows")
    ties = count_ties(scores_C, labels_C)
    probability_K = _sigmoid(ties.score_K)
    one_class = positives in (0, rows)
    return CellValue(
        scenario=scenario,
        task=task,
        rows=rows,
        positives=positives,
        auc=None if one_class else float(grouped_auc(ties).auc_G[0]),
        logloss=_logloss(ties),
        gauc=None if one_class else _gauc(scores_C, labels_C, user_C),
        calibration=float(ties.rows_K @ probability_K) / positives if positives else None,
        ece=_expected_calibration_error(probability_K, ties),
        reason=f"one class: {positives} positives of {rows} rows" if one_class else "",
    )


def _sigmoid(logit_K: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without overflow at either end."""
    small_K = np.exp(-np.abs(logit_K))
    return np.where(logit_K >= 0, 1.0, small_K) / (1.0 + small_K)


def _logloss(ties: Ties) -> float:
    """Mean of -log p(label) = softplus(logit) - label * logit, in the form that never overflows."""
    softplus_K = np.maximum(ties.score_K, 0.0) + np.log1p(np.exp(-np.abs(ties.score_K)))
    total = ties.rows_K @ softplus_K - ties.positives_K @ ties.score_K
    return float(total / ties.rows_K.sum())


def _gauc(scores_C: NDArray[np.float32], labels_C: NDArray[np.uint8], user_C: NDArray[np.int32]) -> float | None:
    """Mean AUC over users with both labels, weighted by their impressions; None without such a user."""
    known_C = user_C >= 0
    if not known_C.any():
        return None
    users = grouped_auc(count_ties(scores_C[known_C], labels_C[known_C], user_C[known_C]))
    return float(np.average(users.auc_G, weights=users.rows_G)) if len(users.auc_G) else None


def _expected_calibration_error(probability_K: NDArray[np.float64], ties: Ties) -> float:
    """Mean over bins of |mean probability - share of positives|; bins hold equally many rows in order of score.

    A tie on a bin's edge is divided between both sides with its labels evenly spread, so that the order of rows does
    not matter and a constant prediction of the base rate has error 0.
    """
    rows_before_K = _with_zero(np.cumsum(ties.rows_K))
    edges = np.linspace(0, rows_before_K[-1], NUM_CALIBRATION_BINS + 1)
    expected = np.diff(np.interp(edges, rows_before_K, _with_zero(np.cumsum(ties.rows_K * probability_K))))
    observed = np.diff(np.interp(edges, rows_before_K, _with_zero(np.cumsum(ties.positives_K))))
    return float(np.abs(expected - observed).sum() / rows_before_K[-1])


def _with_zero(sums_K: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([[0.0], sums_K])
