"""Loss: binary cross-entropy of every row's own scenario, and the precision of a training step.

HiNet's loss is the sum over scenarios i and tasks j of lambda_ij times the mean over the rows of i.
With lambda_ij = (rows of i) / (rows of the batch * tasks) this is the mean over all rows and tasks
of the batch, which is used here: the scale does not depend on the number of tasks, and the value
compares with the log loss of metrics. Where scenarios lack tasks it is the mean over the labels
that the batch has, lambda_ij = (rows of i) / (labels of the batch): the other heads of a row bring
no loss and get no gradient. Models return logits of each row's own scenario, so no other
scenario's head gets a gradient from the row. Only HiNet's `released_code` returns logits of all
scenarios while it trains, since that code has no such mask.
Shape legend: B rows of a batch, T tasks, H heads: the T heads of the own scenario, or those of all
scenarios, scenario by scenario; M scenarios.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from hinet_search.training.train_config import TrainConfig


def own_scenario_loss(
    logits_BH: Float[Tensor, "B H"],
    labels_BT: Float[Tensor, "B T"],
    has_label_BH: Bool[Tensor, "B H"] | None = None,
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy in nats over rows and heads; stable for any logit.

    With `has_label_BH`, which must not be False everywhere, it is the mean where that is True.
    """
    num_scenarios = logits_BH.shape[1] // labels_BT.shape[1]
    labels_BH = labels_BT if num_scenarios == 1 else labels_BT.repeat(1, num_scenarios)
    if has_label_BH is None:
        return functional.binary_cross_entropy_with_logits(logits_BH, labels_BH)
    weight_BH = has_label_BH.to(logits_BH.dtype)
    total = functional.binary_cross_entropy_with_logits(
        logits_BH, labels_BH, weight_BH, reduction="sum"
    )
    return total / weight_BH.sum()


def has_label(
    has_task_MT: Bool[Tensor, "M T"], scenario_B: Int[Tensor, "B"], num_heads: int
) -> Bool[Tensor, "B H"]:
    """Return where a row has a label: its own scenario and that of the head have the task."""
    has_label_BT = has_task_MT.index_select(0, scenario_B)
    num_scenarios = num_heads // has_task_MT.shape[1]
    if num_scenarios == 1:
        return has_label_BT
    return has_label_BT.repeat(1, num_scenarios) & has_task_MT.flatten()


def matrix_products(config: TrainConfig, device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which a forward pass and its gradients have the configured precision."""
    return (
        torch.autocast(device.type, torch.bfloat16) if config.precision == "bf16" else nullcontext()
    )
