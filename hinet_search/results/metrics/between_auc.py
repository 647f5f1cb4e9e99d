"""Between AUC: the AUC of rows that all have the mean score of their group.

What AUC has beyond it, the order within groups brings. A row in no group keeps its score. Groups
come from the data's `rank`; without it every user is one.
"""

from dataclasses import replace

import numpy as np

from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.ordered_pairs import auc
from hinet_search.results.statistics.scored_cell import Prepared, ScoredCell


def prepare(cell: ScoredCell) -> Prepared:
    """Give every row the mean score of its group, in float32 so that equal means are ties."""
    in_group_C = cell.unit_C >= 0
    group_C = cell.unit_C[in_group_C]
    total_G = np.bincount(group_C, cell.score_C[in_group_C].astype(np.float64))
    mean_G = total_G / np.maximum(np.bincount(group_C), 1)
    score_C = cell.score_C.astype(np.float32)
    score_C[in_group_C] = mean_G[group_C]
    return auc(replace(cell, score_C=score_C))


METRIC = Metric(
    words="AUC of groups' mean scores",
    prepare=prepare,
    maximize=True,
    within="groups",
    is_half_by_chance=True,
)
