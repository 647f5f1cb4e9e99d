"""Softmax within groups: cross entropy, and how unlikely it is that a group's positive rows lead.

The loss is L + w S: the mean L over the labels as in loss.py, which keeps their mean right, and
`train.ranking_weight` w times S. A softmax over the scores of the rows of one group, or one user
without `rank` in the data, gives each row its chance to lead; S is the mean of -log of it over
labels, each counted by its value: labels of 0 count nothing. Groups whose labels are equal do not
count. S is 0 without a label that counts.
Cao et al., Learning to Rank: From Pairwise Approach to Listwise Approach, ICML 2007 (top one).

Groups are parts of a batch: use it with `train.shuffle: users`, which keeps them together.
Shape legend: B rows of a batch, H heads as in loss.py, C rows that have a group, S groups.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hinet_search.models.layers.batch import to_device
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.losses import LabelledRows, Loss


def softmax_within_groups(
    scores_BH: Float[Tensor, "B H"], rows: LabelledRows, ranking_weight: float
) -> Float[Tensor, ""]:
    """Return the mean over the labels, and the weighted mean over the groups' positive rows."""
    of_labels = own_scenario_loss(
        scores_BH, rows.labels_BH, rows.weight_BH, rows.is_amount_H, rows.row_weight_B
    )
    return of_labels + ranking_weight * _mean_of_leaders(scores_BH, rows)


def _mean_of_leaders(scores_BH: Float[Tensor, "B H"], rows: LabelledRows) -> Float[Tensor, ""]:
    """Return the mean of -log of the chance to lead; a row's weight counts as so many copies."""
    device = scores_BH.device
    group_B = rows.columns.ranked_within[rows.rows_B.numpy()]
    row_C = np.flatnonzero(group_B >= 0)
    groups, group_C = np.unique(group_B[row_C], return_inverse=True)
    rows_C, of_group_C = (to_device(torch.from_numpy(x_C), device) for x_C in (row_C, group_C))
    scores_CH, labels_CH, weight_CH, copies_CH = (
        each_BH.index_select(0, rows_C) for each_BH in (scores_BH, *_counted(scores_BH, rows))
    )
    group_CH = of_group_C.unsqueeze(1).expand_as(scores_CH)
    shape = (len(groups), scores_BH.shape[1])
    counts_CH = (weight_CH > 0) & (copies_CH > 0)

    def highest(value_CH: Float[Tensor, "C H"]) -> Float[Tensor, "S H"]:
        lowest = torch.finfo(value_CH.dtype).min
        known_CH = torch.where(counts_CH, value_CH, lowest)
        none_SH = known_CH.new_full(shape, lowest)
        return none_SH.scatter_reduce(0, group_CH, known_CH, "amax")

    highest_CH = highest(scores_CH.detach()).gather(0, group_CH)
    lead_CH = torch.where(counts_CH, scores_CH - highest_CH, 0.0)
    share_CH = torch.where(counts_CH, copies_CH * lead_CH.exp(), 0.0)
    total_CH = share_CH.new_zeros(shape).scatter_add(0, group_CH, share_CH).gather(0, group_CH)
    differs_SH = highest(labels_CH) > -highest(-labels_CH)
    counted_CH = weight_CH * copies_CH * labels_CH * (differs_SH.gather(0, group_CH) & counts_CH)
    tiny = torch.finfo(torch.float32).tiny
    losses_CH = total_CH.clamp(min=tiny).log() - lead_CH
    return (counted_CH * losses_CH).sum() / counted_CH.sum().clamp(min=tiny)


def _counted(
    scores_BH: Float[Tensor, "B H"], rows: LabelledRows
) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B H"], Float[Tensor, "B H"]]:
    """Return labels, what each counts in a mean, and how many copies its row stands for."""
    ones_BH = torch.ones_like(scores_BH)
    weight_BH = ones_BH if rows.weight_BH is None else rows.weight_BH
    copies_BH = ones_BH
    if rows.row_weight_B is not None:
        copies_BH = rows.row_weight_B.unsqueeze(1).expand_as(scores_BH)
    return rows.labels_BH, weight_BH, copies_BH


LOSS = Loss(softmax_within_groups, of_pairs=True)
