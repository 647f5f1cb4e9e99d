"""MRR: one over the place of the first row with a label of 1, as a mean over groups.

Groups come from the data's `rank`, or are users. Rows of one score are in any order, and the value
is the mean over these orders. Groups whose labels are all equal do not count, others by their rows.
Shape legend: G groups.
"""

import numpy as np

from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.scored_cell import (
    Floats,
    Prepared,
    ScoredCell,
    mean_over_users,
)


def prepare(cell: ScoredCell) -> Prepared:
    """Rank the rows of every group once; weights only count groups."""
    first = cell.users.first_positives
    value_G = np.full(len(first.above_G), np.nan)
    chosen = first.labels_differ_G
    above_G, rows_G, positives_G = (
        of_group[chosen] for of_group in (first.above_G, first.rows_G, first.positives_G)
    )
    value_G[chosen] = _mean_of_orders(above_G, rows_G, positives_G)
    return mean_over_users(cell, value_G)


def _mean_of_orders(above_G: Floats, rows_G: Floats, positives_G: Floats) -> Floats:
    """(G,): the mean of 1 / place of the first positive row of a tie, over orders of its rows."""
    mean_G = np.zeros(len(above_G))
    none_yet_G = np.ones(len(above_G))  # how likely no row of the tie before this place is positive
    place = 0
    while none_yet_G.any():
        left_G = np.maximum(rows_G - place, 1)
        here_G = none_yet_G * np.minimum(positives_G / left_G, 1)
        place += 1
        mean_G += here_G / (above_G + place)
        none_yet_G -= here_G
        none_yet_G[place > rows_G - positives_G] = 0  # a positive row came
    return mean_G


METRIC = Metric(
    words="MRR",
    prepare=prepare,
    maximize=True,
    is_ranking=True,
    mean="by rows",
    labels="binary",
    within="groups",
)
