"""Focal loss: the mean of (1 - p)^2 times the log loss -log p, where p is the label's probability.

Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, section 3.2, with their best exponent
and without their balance of classes: rows that are right already count little. A baseline. It is
not calibrated: probabilities are drawn to 1/2. Amounts cost half their Poisson deviance.
Shape legend: B rows of a batch, H heads.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from hinet_search.training.loss import label_losses, mean_of_labels
from hinet_search.training.losses import LabelledRows, Loss

GAMMA = 2


def focal(
    scores_BH: Float[Tensor, "B H"], rows: LabelledRows, _ranking_weight: float | Tensor
) -> Float[Tensor, ""]:
    """Return the mean over the labels."""
    losses_BH = label_losses(scores_BH, rows.labels_BH, rows.is_amount_H)
    focused_BH = (-torch.expm1(-losses_BH)) ** GAMMA * losses_BH
    if rows.is_amount_H is not None:
        focused_BH = torch.where(rows.is_amount_H, losses_BH, focused_BH)
    return mean_of_labels(focused_BH, rows.weight_BH, rows.row_weight_B)


LOSS = Loss(focal)
