"""Hit@k: whether one of the first k rows of a group has a label of 1, as a mean over groups.

Groups come from the data's `rank`, or are users. Rows of one score are in any order, and the value
is the share of these orders. Groups whose labels are all equal do not count, others by their rows.
Shape legend: G groups.
"""

from functools import partial

import numpy as np

from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.scored_cell import Prepared, ScoredCell, mean_over_users

LISTED = 10  # the k of the metric that help and reference list


def prepare(cell: ScoredCell, cutoff: int) -> Prepared:
    """Rank the rows of every group once; weights only count groups."""
    first = cell.users.first_positives
    negatives_G = first.rows_G - first.positives_G
    missed_G = np.ones(len(first.rows_G))  # how likely no positive row is among the first k
    for place in range(int(min(cutoff, first.rows_G.max(initial=0)))):
        is_listed_G = first.above_G + place < cutoff
        share_G = np.maximum(negatives_G - place, 0) / np.maximum(first.rows_G - place, 1)
        missed_G *= np.where(is_listed_G, share_G, 1.0)
    value_G = np.where(first.labels_differ_G, 1 - missed_G, np.nan)
    return mean_over_users(cell, value_G)


def of_cutoff(cutoff: int) -> Metric:
    """Return the metric of the first `cutoff` rows."""
    return Metric(
        words=f"Hit@{cutoff}",
        prepare=partial(prepare, cutoff=cutoff),
        maximize=True,
        is_ranking=True,
        mean="by rows",
        labels="binary",
        within="groups",
        cutoff=cutoff,
        of_cutoff=of_cutoff,
    )


METRIC = of_cutoff(LISTED)
