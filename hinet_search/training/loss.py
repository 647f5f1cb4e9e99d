"""Loss: binary cross-entropy of every row's own scenario.

HiNet's loss is the sum over scenarios i and tasks j of lambda_ij times the mean over the rows of i. With lambda_ij =
(rows of i) / (rows of the batch * tasks) this is the plain mean over rows and tasks of the mixed batch, which is what
is used: one task's scale does not depend on how many there are, and the figure compares with the log loss of metrics.
Models return the logits of a row's own scenario, so no other scenario's heads receive gradient from the row.
Shape legend: B rows of a batch, T tasks.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def own_scenario_loss(logits_BT: Float[Tensor, "B T"], labels_BT: Float[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Mean cross-entropy in nats over rows and tasks; stable at any logit."""
    return functional.binary_cross_entropy_with_logits(logits_BT, labels_BT)
