"""Pooled AUC: the AUC of a task over the rows of all its scenarios at once.

Unlike a mean over cells it asks whether scores of different scenarios can be compared. All cells of
a task have its value, so a mean over cells weighted by rows is one over tasks.
"""

from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.ordered_pairs import auc

METRIC = Metric(
    words="pooled AUC",
    prepare=auc,
    maximize=True,
    is_ranking=True,
    mean="by rows",
    over_scenarios=True,
    is_half_by_chance=True,
)
