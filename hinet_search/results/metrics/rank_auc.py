"""Rank AUC: the mean AUC within groups whose labels differ, weighted by their rows.

Groups come from the data's `rank`; without it every user is one, and this is grouped AUC.
"""

from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.many_scores import auc_of_users_of_many
from hinet_search.results.statistics.ordered_pairs import mean_auc_of_users

METRIC = Metric(
    words="AUC within groups",
    prepare=mean_auc_of_users,
    maximize=True,
    is_ranking=True,
    mean="by rows",
    within="groups",
    is_half_by_chance=True,
    of_many=auc_of_users_of_many,
)
