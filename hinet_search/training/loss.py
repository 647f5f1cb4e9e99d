"""Loss: what the scores of every row's own scenario cost, and the precision of a training step.

Labels of 0 and 1 cost their binary cross-entropy, amounts half their Poisson deviance
(results/families.py).

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

from hinet_search.results.families import MAX_LOG
from hinet_search.training.train_config import TrainConfig


def own_scenario_loss(
    logits_BH: Float[Tensor, "B H"],
    labels_BT: Float[Tensor, "B T"],
    has_label_BH: Bool[Tensor, "B H"] | None = None,
    is_amount_T: Bool[Tensor, "T"] | None = None,
) -> Float[Tensor, ""]:
    """Return the mean loss in nats over rows and heads; that of 0/1 is stable for any logit.

    With `has_label_BH`, which must not be False everywhere, it is the mean where that is True.
    `is_amount_T` says which labels are amounts; without it none is.
    """
    num_scenarios = logits_BH.shape[1] // labels_BT.shape[1]
    labels_BH = labels_BT if num_scenarios == 1 else labels_BT.repeat(1, num_scenarios)
    if is_amount_T is not None:
        losses_BH = _losses(logits_BH, labels_BH, is_amount_T.repeat(num_scenarios))
        if has_label_BH is None:
            return losses_BH.mean()
        return (losses_BH * has_label_BH).sum() / has_label_BH.sum()
    if has_label_BH is None:
        return functional.binary_cross_entropy_with_logits(logits_BH, labels_BH)
    weight_BH = has_label_BH.to(logits_BH.dtype)
    total = functional.binary_cross_entropy_with_logits(
        logits_BH, labels_BH, weight_BH, reduction="sum"
    )
    return total / weight_BH.sum()


def _losses(
    logits_BH: Float[Tensor, "B H"], labels_BH: Float[Tensor, "B H"], is_amount_H: Bool[Tensor, "H"]
) -> Float[Tensor, "B H"]:
    """Return the loss of every label; a logit counts as 0 where exp might be infinite."""
    zero = torch.zeros((), device=logits_BH.device)
    scores_BH, amounts_BH = (
        torch.where(is_amount_H, values, zero) for values in (logits_BH, labels_BH)
    )
    least_BH = amounts_BH - torch.xlogy(amounts_BH, amounts_BH)
    of_amounts_BH = scores_BH.exp() - amounts_BH * scores_BH - least_BH
    of_classes_BH = functional.binary_cross_entropy_with_logits(
        logits_BH, labels_BH, reduction="none"
    )
    return torch.where(is_amount_H, of_amounts_BH, of_classes_BH)


def expected_labels(
    scores_BT: Float[Tensor, "B T"], is_amount_T: Bool[Tensor, "T"] | None = None
) -> Float[Tensor, "B T"]:
    """Return the labels that scores expect: probabilities, or amounts in their unit."""
    if is_amount_T is None:
        return scores_BT.sigmoid()
    return torch.where(is_amount_T, scores_BT.clamp(max=MAX_LOG).exp(), scores_BT.sigmoid())


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
