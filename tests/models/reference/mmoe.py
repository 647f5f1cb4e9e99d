"""MMoE row by row and expert by expert."""

import torch
from reference.plain import expert, gate, input_vector, tower, weighted
from torch import Tensor

from hinet_search.models.layers.batch import Batch
from hinet_search.models.mmoe import Model


def logits(model: Model, batch: Batch) -> Tensor:
    return torch.stack([_row(model, batch, row) for row in range(len(batch))])


def _row(model: Model, batch: Batch, row: int) -> Tensor:
    x = input_vector(model.embedding, model.schema, batch, row)
    outputs = [expert(model.experts, k, x) for k in range(model.gate.num_experts)]
    cells = [
        int(batch.scenario_B[row]) * model.schema.num_tasks + j
        for j in range(model.schema.num_tasks)
    ]
    return torch.stack(
        [tower(model.towers, cell, weighted(gate(model.gate, cell, x), outputs)) for cell in cells]
    )
