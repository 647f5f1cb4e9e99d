"""Ordered pairs: the share of pairs of rows in the right order, which is the AUC.

A pair counts by how much its labels differ, and half if its scores are equal. With labels 0 and 1
every pair that counts is one of a positive and a negative, so this is the AUC. Of amounts it is
(1 + G) / 2 with the normalised Gini coefficient G, by which models of customers' value are compared
(Wang, Liu and Miao, A Deep Probabilistic Model for Customer Lifetime Value Prediction, 2019,
section 3.2).

A row with label y is above b rows and below a: the sum of y (b - a) over all rows is the sum of the
differences of pairs in the right order, less the sum of other pairs. Of labels 0 and 1 all
sums are integers, so that a value is exact.
Shape legend: B resamplings, K ties of a user, P ties with a label above 0, G users.
"""

import numpy as np

from hinet_search.results.families import BERNOULLI
from hinet_search.results.statistics.scored_cell import (
    Floats,
    Prepared,
    ScoredCell,
    Ties,
    UserTies,
    mean_over_users,
    ratio,
)


def auc(cell: ScoredCell) -> Prepared:
    """Prepare the AUC of all rows; NaN if no two labels differ."""

    def value(weight_UB: Floats | None) -> Floats:
        ties = cell.ties(weight_UB)
        won_B = _excess(ties)
        if cell.family is BERNOULLI:
            positives_B = ties.total_PB.sum(axis=0)
            most_B = positives_B * (ties.rows_KB.sum(axis=0) - positives_B)
        else:
            most_B = _excess(cell.by_labels.ties(weight_UB))
        return ratio(most_B + won_B, 2 * most_B)

    return value


def mean_auc_of_users(cell: ScoredCell) -> Prepared:
    """Rank the rows of every user once; weights only count users."""
    return mean_over_users(cell, auc_of_users(cell))


def auc_of_users(cell: ScoredCell) -> Floats:
    """(G,): the AUC within each user; NaN if no two of its labels differ."""
    won_G = _excess_of_users(cell.users)
    if cell.family is BERNOULLI:
        positives_G = cell.users.sums(cell.users.total_K)
        most_G = positives_G * (cell.users.num_rows - positives_G)
    else:
        most_G = _excess_of_users(cell.by_labels.users)
    return ratio(most_G + won_G, 2 * most_G)


def _excess(ties: Ties) -> Floats:
    """(B,): the sum of label x (rows below - rows above)."""
    up_to_KB = np.cumsum(ties.rows_KB, axis=0)
    up_to_PB = up_to_KB[ties.place_P]
    rows_PB = ties.rows_KB[ties.place_P]
    below_less_above_PB = 2 * up_to_PB - rows_PB - up_to_KB[-1]
    excess_B: Floats = np.einsum("pb,pb->b", ties.total_PB, below_less_above_PB)
    return excess_B


def _excess_of_users(users: UserTies) -> Floats:
    """(G,): the sum of label x (rows below - rows above) within each user."""
    below_less_above_K = 2 * users.rows_below + users.rows_K - users.of_user(users.num_rows)
    return users.sums(users.total_K * below_less_above_K)
