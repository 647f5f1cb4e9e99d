"""Many scores: AUC and grouped AUC of labels 0 and 1, for many scores of the same rows at once.

A greedy search evaluates thousands of means of scores, and only compares them (greedy.py). Values
agree with ordered_pairs.py but for rounding: two scores that differ in the last bit of a float32
are a tie, and above MOST_PAIRS pairs grouped AUC is of a random sample of them.
Shape legend: N rows of a cell, X scores of all rows, P pairs of rows with different labels within
users, K ties of labels within users, G users.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinet_search.results.cells import Labels

MOST_PAIRS = 1_000_000

Floats = NDArray[np.float64]
Scores = NDArray[np.float32]
OfMany = Callable[[Scores], Floats]  # score_XN -> value_X


def auc_of_many(label_N: Labels, unit_N: NDArray[Any]) -> OfMany:  # noqa: ARG001  one contract
    """Prepare the AUC of rows with labels of 0 and 1."""
    is_positive_N = label_N > 0
    num_positives = int(is_positive_N.sum())
    num_pairs = num_positives * (len(label_N) - num_positives)
    rank_N = np.arange(len(label_N), dtype=np.float64)
    lowest = num_positives * (num_positives - 1) / 2

    def sorted_keys(score_XN: Scores, is_marked_N: NDArray[np.bool_]) -> NDArray[np.int32]:
        """(X, N): scores in order, with a last bit of 1 in marked rows, which win their ties."""
        key_XN = (score_XN + np.float32(0)).view(np.int32)  # the sum is new, and has no -0.0
        key_XN &= ~1
        key_XN |= is_marked_N
        key_XN.view(np.float32).sort(axis=1)
        return key_XN

    def rank_sums(key_XN: NDArray[np.int32]) -> Floats:
        """(X,): the sum of the ranks of marked rows."""
        total_X: Floats = (key_XN & 1).astype(np.float64) @ rank_N
        return total_X

    def values(score_XN: Scores) -> Floats:
        if num_pairs == 0:
            return np.full(len(score_XN), np.nan)
        key_XN = sorted_keys(score_XN, is_positive_N)
        with_ties_won_X = with_ties_lost_X = rank_sums(key_XN)
        if ((key_XN[:, 1:] ^ key_XN[:, :-1]) == 1).any():  # rows of both labels are a tie
            with_ties_lost_X = rank_N.sum() - rank_sums(sorted_keys(score_XN, ~is_positive_N))
        value_X: Floats = ((with_ties_won_X + with_ties_lost_X) / 2 - lowest) / num_pairs
        return value_X

    return values


@dataclass(frozen=True)
class PairsOfRows:
    """Pairs of rows of one user, the first with the larger label; weights sum to 1.

    Pairs weigh by the difference of their labels, and all pairs of a user by its rows.
    """

    higher_P: NDArray[np.int64]
    lower_P: NDArray[np.int64]
    weight_P: Floats


def pairs_within_users(label_N: Labels, unit_N: NDArray[Any]) -> PairsOfRows | None:
    """Return the pairs, or a sample of them; None if no user has rows whose labels differ."""
    label_N = label_N.astype(np.float64)
    row_N = np.lexsort((-label_N, unit_N))  # largest labels first within a user
    sorted_unit_N = unit_N[row_N]
    sorted_label_N = label_N[row_N]
    is_new_user_N = np.diff(sorted_unit_N, prepend=-1) != 0
    first_G = np.flatnonzero(is_new_user_N)
    size_G = np.diff(first_G, append=len(row_N))
    group_N = np.cumsum(is_new_user_N) - 1
    is_new_tie_N = is_new_user_N | (np.diff(sorted_label_N, prepend=np.nan) != 0)
    first_K = np.flatnonzero(is_new_tie_N)
    next_N = np.append(first_K, len(row_N))[np.cumsum(is_new_tie_N)]
    num_lower_N = (first_G + size_G)[group_N] - next_N  # rows of the user with smaller labels
    up_to_N = np.cumsum(num_lower_N)
    if up_to_N[-1] == 0:
        return None
    num_pairs = int(up_to_N[-1])
    number_P = np.arange(num_pairs)
    if num_pairs > MOST_PAIRS:
        number_P = np.random.default_rng(0).choice(num_pairs, MOST_PAIRS, replace=False)
    higher_P = np.searchsorted(up_to_N, number_P, side="right")
    lower_P = next_N[higher_P] + number_P - (up_to_N - num_lower_N)[higher_P]
    place_N = np.arange(len(row_N)) - first_G[group_N]
    most_G = np.add.reduceat(sorted_label_N * (size_G[group_N] - 1 - 2 * place_N), first_G)
    group_P = group_N[higher_P]
    difference_P = sorted_label_N[higher_P] - sorted_label_N[lower_P]
    weight_P = difference_P * size_G[group_P] / most_G[group_P]
    return PairsOfRows(row_N[higher_P], row_N[lower_P], weight_P / weight_P.sum())


def auc_of_users_of_many(label_N: Labels, unit_N: NDArray[Any]) -> OfMany:
    """Prepare the grouped AUC of rows that all have a user."""
    pairs = pairs_within_users(label_N, unit_N)

    def values(score_XN: Scores) -> Floats:
        if pairs is None:
            return np.full(len(score_XN), np.nan)
        value_X = np.empty(len(score_XN))
        for place, score_N in enumerate(score_XN):
            higher_P = score_N[pairs.higher_P]
            lower_P = score_N[pairs.lower_P]
            won_P = (higher_P > lower_P) + 0.5 * (higher_P == lower_P)
            value_X[place] = pairs.weight_P @ won_P
        return value_X

    return values
