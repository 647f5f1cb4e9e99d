"""Pairs within users: cross entropy, and what it costs to score a user's rows in the wrong order.

The loss is L + w P: the mean L over the labels as in loss.py, which keeps their mean right, and
`train.ranking_weight` w times P, the mean of log(1 + exp(z - z')) over all pairs of a batch. A pair
is two rows of one user, or of one group if the data have `rank`, whose labels of a task differ, z'
the score of the larger label and z of the smaller one; amounts are compared like labels of 0 and 1.
P is 0 without a pair.
Sculley, Combined Regression and Ranking, KDD 2010; Li et al., Click-through Prediction for
Advertising in Twitter Timeline, KDD 2015; a relative is JRC: Sheng et al., KDD 2023.

For lists that are ranked for every user. Random batches of many users hold few pairs: use it with
`train.shuffle: users`. Pairs are listed on the host, so that no step waits for a device; a batch
has as many as it has, and no more is computed. Of H heads of all scenarios, each has its own pairs.
Shape legend: B rows of a batch, T tasks, H heads as in loss.py, C rows that have a user, P pairs.
"""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from hinet_search.models.layers.batch import to_device
from hinet_search.results.cells import Labels
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.losses import LabelledRows, Loss

Places = NDArray[np.int64]


def pairs_within_users(
    scores_BH: Float[Tensor, "B H"], rows: LabelledRows, ranking_weight: float
) -> Float[Tensor, ""]:
    """Return the mean over the labels, and the weighted mean over the pairs."""
    of_labels = own_scenario_loss(
        scores_BH, rows.labels_BH, rows.weight_BH, rows.is_amount_H, rows.row_weight_B
    )
    return of_labels + ranking_weight * _mean_pair_loss(scores_BH, rows)


def _mean_pair_loss(scores_BH: Float[Tensor, "B H"], rows: LabelledRows) -> Float[Tensor, ""]:
    """Return the mean loss of the pairs of all heads; 0 without a pair.

    A pair counts the geometric mean of the weights of its labels, nothing if a row lacks its label,
    times the weights of both rows: as many pairs as so many copies of the rows would make.
    """
    device = scores_BH.device
    num_heads = scores_BH.shape[1]
    rows_B = rows.rows_B.numpy()
    labels_BT = rows.columns.labels_RT[rows_B]
    labels_BH = np.tile(labels_BT, (1, num_heads // labels_BT.shape[1]))
    on_host = _pairs(rows.columns.ranked_within[rows_B], labels_BH)
    higher_P, lower_P = (to_device(torch.from_numpy(places_P), device) for places_P in on_host)
    scores = scores_BH.flatten()
    lead_P = scores.index_select(0, higher_P) - scores.index_select(0, lower_P)
    losses_P = functional.softplus(-lead_P)
    if rows.weight_BH is None and rows.row_weight_B is None:
        return losses_P.sum() / max(len(higher_P), 1)
    weight_P = torch.ones_like(losses_P)
    if rows.weight_BH is not None:
        weights = rows.weight_BH.flatten()
        weight_P = (weights.index_select(0, lower_P) * weights.index_select(0, higher_P)).sqrt()
    if rows.row_weight_B is not None:
        weights = rows.row_weight_B.repeat_interleave(num_heads)
        weight_P = weight_P * weights.index_select(0, lower_P) * weights.index_select(0, higher_P)
    return (weight_P * losses_P).sum() / weight_P.sum().clamp(min=torch.finfo(torch.float32).tiny)


def _pairs(user_B: NDArray[np.integer], labels_BH: Labels) -> tuple[Places, Places]:
    """Return the places of the larger and of the smaller label of every pair, in flattened (B, H).

    Rows of user -1 are in no pair.
    """
    num_heads = labels_BH.shape[1]
    rows_C = np.flatnonzero(user_B >= 0)
    higher, lower = [], []
    for head in range(num_heads):
        higher_P, lower_P = _pairs_of_head(user_B[rows_C], labels_BH[rows_C, head])
        higher.append(rows_C[higher_P] * num_heads + head)
        lower.append(rows_C[lower_P] * num_heads + head)
    return np.concatenate(higher), np.concatenate(lower)


def _pairs_of_head(user_C: NDArray[np.integer], label_C: Labels) -> tuple[Places, Places]:
    """Return the rows of the larger and of the smaller label of every pair.

    Rows are sorted by user and label; each is paired with its user's rows before its label.
    """
    order_C = np.lexsort((label_C, user_C))
    places_C = np.arange(len(order_C))
    is_new_user_C = np.diff(user_C[order_C], prepend=-1) != 0
    is_new_label_C = is_new_user_C | (np.diff(label_C[order_C], prepend=-1) != 0)
    first_of_user_C = np.maximum.accumulate(np.where(is_new_user_C, places_C, 0))
    first_of_label_C = np.maximum.accumulate(np.where(is_new_label_C, places_C, 0))
    num_smaller_C = first_of_label_C - first_of_user_C
    num_pairs_before_C = num_smaller_C.cumsum() - num_smaller_C
    higher_P = np.repeat(places_C, num_smaller_C)
    nth_of_row_P = np.arange(len(higher_P)) - np.repeat(num_pairs_before_C, num_smaller_C)
    lower_P = first_of_user_C[higher_P] + nth_of_row_P
    return order_C[higher_P], order_C[lower_P]


LOSS = Loss(pairs_within_users, of_pairs=True)
