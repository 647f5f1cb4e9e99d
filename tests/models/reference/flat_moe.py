"""Flat mixture of experts row by row and expert by expert."""

import torch
from reference.plain import gate, input_vector, linear, tower, weighted
from torch import Tensor

from hinet_search.models.flat_moe import Model
from hinet_search.models.layers.batch import Batch


def logits(model: Model, batch: Batch) -> Tensor:
    return torch.stack([_row(model, batch, row) for row in range(len(batch))])


def _row(model: Model, batch: Batch, row: int) -> Tensor:
    x = input_vector(model.embedding, model.schema, batch, row)
    (layer,) = model.experts.layers
    outputs = [linear(layer, k, x).clamp(min=0) for k in range(model.gate.num_experts)]
    cells = [
        int(batch.scenario_B[row]) * model.schema.num_tasks + j
        for j in range(model.schema.num_tasks)
    ]
    return torch.stack(
        [tower(model.towers, cell, weighted(gate(model.gate, cell, x), outputs)) for cell in cells]
    )
