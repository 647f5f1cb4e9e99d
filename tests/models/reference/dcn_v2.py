"""DCN-V2 row by row, layer by layer and expert by expert."""

import torch
from reference.plain import gate, input_vector, linear, perceptron, tower, weighted
from torch import Tensor

from hinet_search.models.dcn_v2 import LowRankExperts, Model
from hinet_search.models.layers.batch import Batch


def logits(model: Model, batch: Batch) -> Tensor:
    return torch.stack([_row(model, batch, row) for row in range(len(batch))])


def _row(model: Model, batch: Batch, row: int) -> Tensor:
    x_0 = input_vector(model.embedding, model.schema, batch, row)
    x = x_0
    for layer in model.cross.layers:
        if isinstance(layer, LowRankExperts):
            experts = [_expert(layer, i, x_0, x) for i in range(layer.gate.num_experts)]
            x = weighted(gate(layer.gate, 0, x), experts) + x
        else:
            x = x_0 * (layer.weight @ x + layer.bias) + x
    if model.is_parallel:
        h = torch.cat([x, perceptron(model.deep, x_0)])
    else:
        h = perceptron(model.deep, x)
    first = int(batch.scenario_B[row]) * model.schema.num_tasks
    return torch.stack([tower(model.towers, first + j, h) for j in range(model.schema.num_tasks)])


def _expert(layer: LowRankExperts, i: int, x_0: Tensor, x: Tensor) -> Tensor:
    z = linear(layer.down, i, x)
    rank = len(z)
    if layer.core is not None:
        z = torch.tanh(linear(layer.core, i, torch.tanh(z)))
    u_i = layer.up.weight[:, i * rank : (i + 1) * rank]
    return x_0 * (u_i @ z + layer.up.bias)
