"""Pairs within users: cross entropy, and `train.ranking_weight` times that of its pairs.

For lists that are ranked for every user; training/pairs.py has the equation and its sources.
Random batches of many users hold few pairs: use it with `train.shuffle: users`.
Shape legend: B rows of a batch, H heads.
"""

from jaxtyping import Float
from torch import Tensor

from hinet_search.training.losses import LabelledRows, Loss
from hinet_search.training.pairs import with_pairs


def pairs_within_users(
    scores_BH: Float[Tensor, "B H"], rows: LabelledRows, ranking_weight: float
) -> Float[Tensor, ""]:
    """Return the mean over the labels, and the weighted mean over the pairs."""
    return with_pairs(scores_BH, rows, ranking_weight, rows.columns.user_R)


LOSS = Loss(pairs_within_users, of_pairs=True)
