"""Ties: rows that share a group and a score, counted by label. Every ranking metric is a sum over them.

A row becomes one 64-bit key (31 bits of group, 32 of score, 1 of label), so that a single sort of plain integers
brings groups, scores and labels into order together, with no gather afterwards.
Shape legend: R rows, K ties (distinct pairs of group and score), G groups.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIGN = np.uint32(0x80000000)
GROUP_SHIFT, SCORE_SHIFT = np.uint64(33), np.uint64(1)


@dataclass(frozen=True)
class Ties:
    """Ties in ascending order of group, then score. Scores are exact: float32 values held as float64."""

    group_K: NDArray[np.int64]
    score_K: NDArray[np.float64]
    rows_K: NDArray[np.int64]
    positives_K: NDArray[np.int64]


@dataclass(frozen=True)
class GroupedAuc:
    """AUC of every group that has both classes, and the rows of those groups."""

    auc_G: NDArray[np.float64]
    rows_G: NDArray[np.int64]


def count_ties(
    scores_R: NDArray[np.float32], labels_R: NDArray[np.uint8], groups_R: NDArray[np.int32] | None = None
) -> Ties:
    """Ties of at least one row; scores must be finite, labels 0 or 1, groups not negative (without groups: one group)."""
    key_R = np.sort(_keys(scores_R, labels_R, groups_R))
    tie_R = key_R >> SCORE_SHIFT
    last_K = np.flatnonzero(np.append(tie_R[1:] != tie_R[:-1], True))
    return Ties(
        group_K=(key_R[last_K] >> GROUP_SHIFT).astype(np.int64),
        score_K=_scores(tie_R[last_K].astype(np.uint32)),
        rows_K=np.diff(last_K, prepend=-1),
        positives_K=np.diff(np.cumsum(key_R & np.uint64(1), dtype=np.int64)[last_K], prepend=0),
    )


def grouped_auc(ties: Ties) -> GroupedAuc:
    """AUC within each group, ties by average rank. Exact: pairs are counted in integers and divided once.

    A tie of p positives and n negatives wins p * (negatives below) + p * n / 2 pairs; everything is kept doubled.
    """
    first_G = np.flatnonzero(np.diff(ties.group_K, prepend=-1))
    negatives_K = ties.rows_K - ties.positives_K
    positives_G = np.add.reduceat(ties.positives_K, first_G)
    negatives_G = np.add.reduceat(negatives_K, first_G)
    below_K = np.cumsum(negatives_K) - negatives_K
    won_G = np.add.reduceat(ties.positives_K * (2 * below_K + negatives_K), first_G)
    won_G -= 2 * positives_G * below_K[first_G]  # negatives of earlier groups are no rivals
    pairs_G = positives_G * negatives_G
    both_G = pairs_G > 0
    return GroupedAuc(won_G[both_G] / (2 * pairs_G[both_G]), (positives_G + negatives_G)[both_G])


def _keys(
    scores_R: NDArray[np.float32], labels_R: NDArray[np.uint8], groups_R: NDArray[np.int32] | None
) -> NDArray[np.uint64]:
    bits_R = (scores_R + np.float32(0)).view(np.uint32)  # adding zero makes -0.0 the 0.0 it equals
    # As integers, floats of one sign are in order already: flip negative ones, and put positive ones above them.
    ordered_R = np.where(bits_R & SIGN, ~bits_R, bits_R | SIGN)
    key_R = (ordered_R.astype(np.uint64) << SCORE_SHIFT) | labels_R
    return key_R if groups_R is None else key_R | (groups_R.astype(np.uint64) << GROUP_SHIFT)


def _scores(ordered_K: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Undoes the order of `_keys`."""
    bits_K = np.where(ordered_K & SIGN, ordered_K ^ SIGN, ~ordered_K)
    return bits_K.astype(np.uint32).view(np.float32).astype(np.float64)
