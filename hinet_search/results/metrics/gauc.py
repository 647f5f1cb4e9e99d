"""Grouped AUC: the mean AUC within users whose labels differ, weighted by their rows."""

from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.many_scores import auc_of_users_of_many
from hinet_search.results.statistics.ordered_pairs import auc_of_users
from hinet_search.results.statistics.scored_cell import Prepared, ScoredCell, mean_over_users


def prepare(cell: ScoredCell) -> Prepared:
    """Rank the rows of every user once; weights only count users."""
    return mean_over_users(cell, auc_of_users(cell))


METRIC = Metric(
    words="grouped AUC",
    prepare=prepare,
    maximize=True,
    is_ranking=True,
    mean="by rows",
    always=True,
    within_users=True,
    is_half_by_chance=True,
    of_many=auc_of_users_of_many,
)
