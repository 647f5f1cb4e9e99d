"""Grouped AUC: the mean AUC within users whose labels differ, weighted by their rows."""

from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.many_scores import auc_of_users_of_many
from hinet_search.results.statistics.ordered_pairs import mean_auc_of_users

METRIC = Metric(
    words="grouped AUC",
    prepare=mean_auc_of_users,
    maximize=True,
    is_ranking=True,
    mean="by rows",
    always=True,
    within="users",
    is_half_by_chance=True,
    of_many=auc_of_users_of_many,
)
