"""STAR row by row and task by task, with a scenario's statistics computed row by row."""

import torch
from reference import plain
from reference.plain import input_vector, only, tower
from torch import Tensor, nn

from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.hidden_norm import NormalisedLayer
from hinet_search.models.layers.partitioned_norm import EPSILON, PartitionedNorm
from hinet_search.models.star import Model


def logits(model: Model, batch: Batch) -> Tensor:
    inputs = [input_vector(model.embedding, model.schema, batch, row) for row in range(len(batch))]
    scenarios = batch.scenario_B.tolist()
    return torch.stack([_row(model, inputs, scenarios, row) for row in range(len(batch))])


def _row(model: Model, inputs: list[Tensor], scenarios: list[int], row: int) -> Tensor:
    x, p = inputs[row], scenarios[row]
    together = torch.cat([model.scenario_embedding.weight[p], x])
    if model.norm is not None:
        x = normalised(model.norm, inputs, scenarios, row)
    tasks = range(model.schema.num_tasks)
    return torch.stack(
        [_main(model, x, p, task) + tower(model.auxiliary, task, together) for task in tasks]
    )


def _main(model: Model, x: Tensor, p: int, task: int) -> Tensor:
    for layer in model.star.hidden:
        x = _layer(layer, x, p, task).clamp(min=0)
    return only(_layer(model.star.output, x, p, task))


def _layer(layer: nn.Module, x: Tensor, p: int, task: int) -> Tensor:
    if isinstance(layer, NormalisedLayer):
        y = _layer(layer.layer, x, p, task)
        return plain.normalised(layer, p * layer.num_layers + task, y)
    weight = (layer.weight_change_MTIO[p, task] + 1) * layer.weight_TIO[task]
    return weight.T @ x + (layer.bias_change_MTO[p, task] + layer.bias_TO[task])


def normalised(
    norm: PartitionedNorm, inputs: list[Tensor], scenarios: list[int], row: int
) -> Tensor:
    """Return partitioned normalisation of one row of a batch, in the current mode of `norm`."""
    p = scenarios[row]
    mean, variance = norm.mean_MD[p], norm.variance_MD[p]
    own = [x for x, scenario in zip(inputs, scenarios, strict=True) if scenario == p]
    if norm.training and len(own) > 1:
        mean = sum(own) / len(own)
        variance = sum((x - mean) ** 2 for x in own) / len(own)
    z = (inputs[row] - mean) / (variance + EPSILON) ** 0.5
    if norm.gamma_change_MD is None:
        return z * norm.gamma_D + norm.beta_D
    gamma = norm.gamma_D * (1 + norm.gamma_change_MD[p])
    return z * gamma + (norm.beta_D + norm.beta_change_MD[p])
