"""Cross entropy: the mean log loss of the labels; of amounts, half their Poisson deviance.

The default. Its scores are calibrated: the loss is least where they expect the labels.
Shape legend: B rows of a batch, H heads.
"""

from jaxtyping import Float
from torch import Tensor

from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.losses import LabelledRows, Loss


def cross_entropy(
    scores_BH: Float[Tensor, "B H"], rows: LabelledRows, _ranking_weight: float
) -> Float[Tensor, ""]:
    """Return the mean over the labels."""
    return own_scenario_loss(
        scores_BH, rows.labels_BH, rows.weight_BH, rows.is_amount_H, rows.row_weight_B
    )


LOSS = Loss(cross_entropy)
