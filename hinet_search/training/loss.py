"""Loss: the cross entropy of every row's own scenario.

It is the default loss of labels and what students learn by (teaching.py); losses/ has the others.
Labels of 0 and 1 cost their binary cross-entropy, amounts half their Poisson deviance
(results/families.py).

HiNet's loss is the sum over scenarios i and tasks j of lambda_ij times the mean over the rows of i.
With lambda_ij = (rows of i) / (rows of the batch * tasks) this is the mean over all rows and tasks
of the batch, which is used here: the scale does not depend on the number of tasks, and the value
compares with the log loss of metrics. Where scenarios lack tasks it is the mean over the labels
that the batch has, lambda_ij = (rows of i) / (labels of the batch): the other heads of a row bring
no loss and get no gradient. With weights of tasks and scenarios it is the weighted mean, the sum of
weight times loss over the sum of weights. A weight of a row multiplies its losses, but not what
they are divided by: a batch of light rows makes a small step, and all batches of an epoch together
are the weighted mean. Models return logits of each row's own scenario, so no other scenario's head
gets a gradient from the row. Only HiNet's `released_code` returns logits of all scenarios while it
trains, since that code has no such mask.
Shape legend: B rows of a batch, T tasks, H heads: the T heads of the own scenario, or those of all
scenarios, scenario by scenario; M scenarios, R rows of a split.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from hinet_search.data.columns import Columns
from hinet_search.data.mapped import blocks_of
from hinet_search.data.schema import Schema
from hinet_search.results.families import MAX_LOG
from hinet_search.training.train_config import TrainConfig


def own_scenario_loss(
    logits_BH: Float[Tensor, "B H"],
    labels_BH: Float[Tensor, "B H"],
    weight_BH: Float[Tensor, "B H"] | None = None,
    is_amount_H: Bool[Tensor, "H"] | None = None,
    row_weight_B: Float[Tensor, "B"] | None = None,
) -> Float[Tensor, ""]:
    """Return the mean loss in nats over rows and heads; for labels of 0 and 1 stable at any logit.

    With `weight_BH`, which must not be 0 everywhere, it is the weighted mean. `row_weight_B`, whose
    mean over the training rows is 1, multiplies the losses of a row. `is_amount_H` says which
    labels are amounts; without it none is.
    """
    if is_amount_H is None and row_weight_B is None:
        if weight_BH is None:
            return functional.binary_cross_entropy_with_logits(logits_BH, labels_BH)
        total = functional.binary_cross_entropy_with_logits(
            logits_BH, labels_BH, weight_BH, reduction="sum"
        )
        return total / weight_BH.sum()
    losses_BH = _label_losses(logits_BH, labels_BH, is_amount_H)
    if row_weight_B is not None:
        losses_BH = losses_BH * row_weight_B.unsqueeze(1)
    if weight_BH is None:
        return losses_BH.mean()
    return (losses_BH * weight_BH).sum() / weight_BH.sum()


def _label_losses(
    logits_BH: Float[Tensor, "B H"],
    labels_BH: Float[Tensor, "B H"],
    is_amount_H: Bool[Tensor, "H"] | None,
) -> Float[Tensor, "B H"]:
    """Return the loss of every label; a logit counts as 0 where exp might be infinite."""
    of_classes_BH = functional.binary_cross_entropy_with_logits(
        logits_BH, labels_BH, reduction="none"
    )
    if is_amount_H is None:
        return of_classes_BH
    zero = torch.zeros((), device=logits_BH.device)
    scores_BH = torch.where(is_amount_H, logits_BH, zero)
    amounts_BH = torch.where(is_amount_H, labels_BH, zero)
    least_BH = amounts_BH - torch.xlogy(amounts_BH, amounts_BH)
    of_amounts_BH = scores_BH.exp() - amounts_BH * scores_BH - least_BH
    return torch.where(is_amount_H, of_amounts_BH, of_classes_BH)


def expected_labels(
    scores_BT: Float[Tensor, "B T"], is_amount_T: Bool[Tensor, "T"] | None = None
) -> Float[Tensor, "B T"]:
    """Return the labels that scores expect: probabilities, or amounts in their unit."""
    if is_amount_T is None:
        return scores_BT.sigmoid()
    return torch.where(is_amount_T, scores_BT.clamp(max=MAX_LOG).exp(), scores_BT.sigmoid())


def cell_weights(config: TrainConfig, schema: Schema) -> NDArray[np.float32] | None:
    """Return what the labels of a scenario and task count, 0 where it lacks the task (M, T).

    None if all count alike.
    """
    of_scenarios_M = config.scenario_weights.of(schema.scenarios)
    weight_MT = np.outer(of_scenarios_M, config.task_weights.of(schema.tasks)) * schema.has_task
    return None if (weight_MT == 1).all() else weight_MT.astype(np.float32)


def row_weight_scale(
    rows: Columns, num_scenarios: int, weight_MT: NDArray[np.float32] | None
) -> float:
    """Return the factor that makes 1 the mean weight of the training rows.

    Rows of more labels, or labels of more weight, count more in that mean: the losses of an epoch
    then have the scale of a weighted mean over labels.
    """
    of_row_M = np.ones(num_scenarios)
    if weight_MT is not None:
        of_row_M = weight_MT.sum(axis=1, dtype=np.float64)
    alike = _totals(rows.scenario_R, None, num_scenarios) @ of_row_M
    weighted = _totals(rows.scenario_R, rows.weight_R, num_scenarios) @ of_row_M
    return float(alike / weighted) if weighted else 0.0  # a sample may have weights of 0 alone


def _totals(
    scenario_R: NDArray[np.int16], weight_R: NDArray[np.float32] | None, num_scenarios: int
) -> NDArray[np.float64]:
    """Return the sum of the weights of every scenario's rows (M,), without weights their number."""
    total_M = np.zeros(num_scenarios)
    for block in blocks_of(len(scenario_R)):
        weight_B = None if weight_R is None else weight_R[block]
        total_M += np.bincount(scenario_R[block], weight_B, num_scenarios)
    return total_M


def label_weights(
    weight_MT: Float[Tensor, "M T"], scenario_B: Int[Tensor, "B"], num_heads: int
) -> Float[Tensor, "B H"]:
    """Return what every label counts, 0 unless the row's and the head's scenario have the task."""
    weight_BT = weight_MT.index_select(0, scenario_B)
    num_scenarios = num_heads // weight_MT.shape[1]
    if num_scenarios == 1:
        return weight_BT
    return weight_BT.repeat(1, num_scenarios) * (weight_MT.flatten() > 0)
