"""AUC: the share of (positive, negative) pairs of rows in the right order; ties count half.

Pairs of amounts count by their difference (statistics/ordered_pairs.py).
"""

from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.many_scores import auc_of_many
from hinet_search.results.statistics.ordered_pairs import auc

METRIC = Metric(
    words="AUC",
    prepare=auc,
    maximize=True,
    is_ranking=True,
    is_of_cell=True,
    always=True,
    is_half_by_chance=True,
    of_many=auc_of_many,
)
