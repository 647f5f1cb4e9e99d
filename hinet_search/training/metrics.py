"""Metrics: compute the values of every (scenario, task) cell from the scores of all rows.

Scores are logits in float32: bf16 probabilities have 37 distinct values, which changed AUC by .004.
Metrics of probabilities are computed from the logits in float64. Ranking metrics are sums over
ties, rows with the same group and score, counted by label. A row becomes one 64-bit key (31 bits of
group, 32 of score, 1 of label), so that a single sort of integers orders groups, scores and labels
together, without a gather afterwards. Cells of amounts have the metrics of amount_metrics.py.
Shape legend: R rows of a split, T tasks, C rows of a cell, K ties of a cell (distinct pairs of
group and score), G groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.columns import Columns
from hinet_search.results.cells import Cell, Labels
from hinet_search.results.records import CellValue
from hinet_search.results.statistics.calibration_error import expected_calibration_error
from hinet_search.training.amount_metrics import amount_cell_value
from hinet_search.training.device_sort import Sort

SIGN = np.uint32(0x80000000)
GROUP_SHIFT, SCORE_SHIFT = np.uint64(33), np.uint64(1)


@dataclass(frozen=True)
class Ties:
    """Ties in ascending order of group, then score. Scores are exact: float32 values in float64."""

    group_K: NDArray[np.int64]
    score_K: NDArray[np.float64]
    rows_K: NDArray[np.int64]
    positives_K: NDArray[np.int64]


@dataclass(frozen=True)
class GroupedAuc:
    """AUC of every group that has both classes, and the number of rows of those groups."""

    auc_G: NDArray[np.float64]
    rows_G: NDArray[np.int64]


def count_ties(
    scores_R: NDArray[np.float32],
    labels_R: NDArray[np.uint8],
    groups_R: NDArray[np.int32] | None = None,
    sort: Sort = np.sort,
) -> Ties:
    """Return the ties; without groups all rows are one group.

    There must be at least one row; scores must be finite, labels 0 or 1, groups not negative.
    """
    key_R = sort(_keys(scores_R, labels_R, groups_R))
    tie_R = key_R >> SCORE_SHIFT
    last_K = np.flatnonzero(np.append(tie_R[1:] != tie_R[:-1], True))
    return Ties(
        group_K=(key_R[last_K] >> GROUP_SHIFT).astype(np.int64),
        score_K=_scores(tie_R[last_K].astype(np.uint32)),
        rows_K=np.diff(last_K, prepend=-1),
        positives_K=np.diff(np.cumsum(key_R & np.uint64(1), dtype=np.int64)[last_K], prepend=0),
    )


def grouped_auc(ties: Ties) -> GroupedAuc:
    """Return the AUC of each group, with ties by average rank.

    It is exact: pairs are counted in integers and divided once. A tie of p positives and n
    negatives wins p * (negatives below) + p * n / 2 pairs; all counts are doubled.
    """
    first_G = np.flatnonzero(np.diff(ties.group_K, prepend=-1))
    negatives_K = ties.rows_K - ties.positives_K
    positives_G = np.add.reduceat(ties.positives_K, first_G)
    negatives_G = np.add.reduceat(negatives_K, first_G)
    below_K = np.cumsum(negatives_K) - negatives_K
    won_G = np.add.reduceat(ties.positives_K * (2 * below_K + negatives_K), first_G)
    won_G -= 2 * positives_G * below_K[first_G]  # negatives of earlier groups do not count
    pairs_G = positives_G * negatives_G
    both_G = pairs_G > 0
    return GroupedAuc(won_G[both_G] / (2 * pairs_G[both_G]), (positives_G + negatives_G)[both_G])


def _keys(
    scores_R: NDArray[np.float32], labels_R: NDArray[np.uint8], groups_R: NDArray[np.int32] | None
) -> NDArray[np.uint64]:
    bits_R = (scores_R + np.float32(0)).view(np.uint32)  # adding zero turns -0.0 into 0.0
    # As integers, floats of one sign are already ordered: flip negative ones and put positive ones
    # above them.
    ordered_R = np.where(bits_R & SIGN, ~bits_R, bits_R | SIGN)
    key_R = (ordered_R.astype(np.uint64) << SCORE_SHIFT) | labels_R
    return key_R if groups_R is None else key_R | (groups_R.astype(np.uint64) << GROUP_SHIFT)


def _scores(ordered_K: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Return the scores of ordered bits; undoes `_keys`."""
    bits_K = np.where(ordered_K & SIGN, ordered_K ^ SIGN, ~ordered_K)
    return bits_K.astype(np.uint32).view(np.float32).astype(np.float64)


class NonFiniteScores(Exception):
    """A score is NaN or infinite, so no metric can be computed; `value` is the first such score."""

    def __init__(self, message: str, value: float) -> None:
        super().__init__(message, value)
        self.value = value

    def __str__(self) -> str:
        return str(self.args[0])


def cell_values(
    scores_RT: NDArray[np.float32],
    columns: Columns,
    cells: Sequence[Cell],
    sort: Sort = np.sort,
) -> tuple[CellValue, ...]:
    """Return the metrics of all cells, scenario by scenario, from logits (R, T) of all rows.

    A metric that a cell does not have is None, with a reason. `sort` sorts the keys of a cell.
    Errors: NonFiniteScores when a score is NaN or infinite.
    """
    bad_RT = ~np.isfinite(scores_RT)
    if bad_RT.any():
        row, task = np.argwhere(bad_RT)[0]
        value, names = scores_RT[row, task], {cell.task_number: cell.task for cell in cells}
        raise NonFiniteScores(
            f"scores must be finite, got {bad_RT.sum()} that are not, the first ({value}) for task "
            f"{names[task]} in row {row}",
            value=float(value),
        )
    values = []
    for number, of_scenario in groupby(cells, key=lambda cell: cell.scenario_number):
        rows_C = np.flatnonzero(columns.scenario_R == number)
        scores_CT = scores_RT[rows_C]
        labels_CT = columns.labels_RT[rows_C]
        user_C = columns.user_R[rows_C]
        for cell in of_scenario:
            task = cell.task_number
            values.append(_cell_value(cell, scores_CT[:, task], labels_CT[:, task], user_C, sort))
    return tuple(values)


def _cell_value(
    cell: Cell,
    scores_C: NDArray[np.float32],
    labels_C: Labels,
    user_C: NDArray[np.int32],
    sort: Sort,
) -> CellValue:
    scenario, task = cell.name
    if not len(labels_C):
        return CellValue(scenario, task, 0, 0, None, None, reason="no rows")
    if cell.unit is not None:
        return amount_cell_value(cell, scores_C, labels_C, user_C)
    return _binary_cell_value(cell, scores_C, labels_C.astype(np.uint8, copy=False), user_C, sort)


def _binary_cell_value(
    cell: Cell,
    scores_C: NDArray[np.float32],
    labels_C: NDArray[np.uint8],
    user_C: NDArray[np.int32],
    sort: Sort,
) -> CellValue:
    scenario, task = cell.name
    rows, positives = len(labels_C), int(labels_C.sum(dtype=np.int64))
    ties = count_ties(scores_C, labels_C, sort=sort)
    probability_K = _sigmoid(ties.score_K)
    one_class = positives in (0, rows)
    return CellValue(
        scenario=scenario,
        task=task,
        rows=rows,
        positives=positives,
        auc=None if one_class else float(grouped_auc(ties).auc_G[0]),
        logloss=_logloss(ties),
        gauc=None if one_class else _gauc(scores_C, labels_C, user_C, sort),
        calibration=float(ties.rows_K @ probability_K) / positives if positives else None,
        ece=expected_calibration_error(probability_K, ties.rows_K, ties.positives_K),
        reason=f"one class: {positives} positives of {rows} rows" if one_class else "",
    )


def _sigmoid(logit_K: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sigmoid, without overflow at either end."""
    small_K = np.exp(-np.abs(logit_K))
    return np.where(logit_K >= 0, 1.0, small_K) / (1.0 + small_K)


def _logloss(ties: Ties) -> float:
    """Return the mean of -log p(label) = softplus(logit) - label * logit, without overflow."""
    softplus_K = np.maximum(ties.score_K, 0.0) + np.log1p(np.exp(-np.abs(ties.score_K)))
    total = ties.rows_K @ softplus_K - ties.positives_K @ ties.score_K
    return float(total / ties.rows_K.sum())


def _gauc(
    scores_C: NDArray[np.float32],
    labels_C: NDArray[np.uint8],
    user_C: NDArray[np.int32],
    sort: Sort,
) -> float | None:
    """Return the mean AUC of users with both labels, weighted by rows; None without such users."""
    known_C = user_C >= 0
    if not known_C.any():
        return None
    users = grouped_auc(count_ties(scores_C[known_C], labels_C[known_C], user_C[known_C], sort))
    if len(users.auc_G) == 0:
        return None
    return float(np.average(users.auc_G, weights=users.rows_G))
