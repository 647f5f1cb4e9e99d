"""AUC of amounts: the share of pairs of rows in the right order, by the difference of amounts.

A pair counts by how much its amounts differ, and half if its scores are equal. With amounts of 0
and 1 every pair that counts is one of a positive and a negative, so this is the AUC. It is also
(1 + G) / 2 with the normalised Gini coefficient G, by which models of customers' value are compared
(Wang, Liu and Miao, A Deep Probabilistic Model for Customer Lifetime Value Prediction, 2019,
section 3.2).

A row of amount y is above b rows and below a: the sum of y (b - a) over all rows is the sum of the
differences of pairs in the right order, less that of pairs in the wrong one.
Shape legend: R rows, K ties (distinct pairs of group and value), G groups.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GroupedAmountAuc:
    """AUC, number and rows of every group in which amounts differ, in ascending order."""

    auc_G: Floats
    group_G: NDArray[np.int64]
    rows_G: NDArray[np.int64]


def amount_auc(scores_R: NDArray[Any], amounts_R: NDArray[Any]) -> float | None:
    """Return the AUC of all rows; None if no two amounts differ."""
    if not len(scores_R):
        return None
    auc_G = grouped_amount_auc(scores_R, amounts_R, np.zeros(len(scores_R), np.int64)).auc_G
    return float(auc_G[0]) if len(auc_G) else None


def grouped_amount_auc(
    scores_R: NDArray[Any], amounts_R: NDArray[Any], groups_R: NDArray[Any]
) -> GroupedAmountAuc:
    """Return the AUC of each group; there must be a row."""
    won_G = _excess(scores_R, amounts_R, groups_R)
    most_G = _excess(amounts_R, amounts_R, groups_R)
    group_G, rows_G = np.unique(groups_R, return_counts=True)
    differs_G = most_G > 0
    auc_G = (1 + won_G[differs_G] / most_G[differs_G]) / 2
    return GroupedAmountAuc(auc_G, group_G[differs_G], rows_G[differs_G])


def _excess(values_R: NDArray[Any], amounts_R: NDArray[Any], groups_R: NDArray[Any]) -> Floats:
    """Return the sum of y (b - a) in each group, in order of the values."""
    order_R = np.lexsort((values_R, groups_R))
    value_R, group_R = values_R[order_R], groups_R[order_R]
    new_group_R = np.append(True, group_R[1:] != group_R[:-1])
    first_K = np.flatnonzero(new_group_R | np.append(True, value_R[1:] != value_R[:-1]))
    first_G = np.flatnonzero(new_group_R)
    rows_K, rows_G = np.diff(first_K, append=len(order_R)), np.diff(first_G, append=len(order_R))
    group_K = np.cumsum(new_group_R)[first_K] - 1
    below_K = first_K - first_G[group_K]
    above_K = rows_G[group_K] - below_K - rows_K
    amount_K = np.add.reduceat(amounts_R[order_R].astype(np.float64), first_K)
    return np.bincount(group_K, amount_K * (below_K - above_K)).astype(np.float64)
