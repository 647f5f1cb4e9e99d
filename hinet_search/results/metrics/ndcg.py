"""NDCG@k: the discounted gain of the first k rows of a group by score, over the best possible.

The gain of a row is its label, 0 or 1 or an amount, and that of place i counts by 1 / log2(1 + i).
Groups come from the data's `rank`, or are users. Rows of one score share their places: each has the
mean discount of these, 0 after place k. Groups with fewer than k rows count with the rows that they
have, groups whose labels are all equal not at all, since any order is theirs. The value is the mean
over groups weighted by their rows, as in grouped AUC.
Shape legend: K ties of a group, G groups.
"""

from functools import partial

import numpy as np

from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.scored_cell import (
    Floats,
    Prepared,
    ScoredCell,
    UserTies,
    mean_over_users,
    ratio,
)

LISTED = 10  # the k of the metric that help and reference list


def prepare(cell: ScoredCell, cutoff: int) -> Prepared:
    """Rank the rows of every group once; weights only count groups."""
    best = cell.by_labels.users
    ndcg_G = ratio(_gains(cell.users, cutoff), _gains(best, cutoff))
    num_labels_G = best.sums(np.ones_like(best.rows_K))
    return mean_over_users(cell, np.where(num_labels_G > 1, ndcg_G, np.nan))


def _gains(users: UserTies, cutoff: int) -> Floats:
    """(G,): the discounted gain of every group, with ties sharing their places."""
    up_to_place = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, cutoff + 2)))])
    through_K = users.of_user(users.num_rows) - users.rows_below  # places of the tie and above it
    last_K = np.minimum(through_K, cutoff).astype(np.int64)
    before_K = np.minimum(through_K - users.rows_K, cutoff).astype(np.int64)
    discount_K = up_to_place[last_K] - up_to_place[before_K]
    return users.sums(users.total_K / users.rows_K * discount_K)


def of_cutoff(cutoff: int) -> Metric:
    """Return NDCG of the first `cutoff` rows."""
    return Metric(
        words=f"NDCG@{cutoff}",
        prepare=partial(prepare, cutoff=cutoff),
        maximize=True,
        is_ranking=True,
        mean="by rows",
        within="groups",
        cutoff=cutoff,
        of_cutoff=of_cutoff,
    )


METRIC = of_cutoff(LISTED)
