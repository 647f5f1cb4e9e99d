"""Shared Bottom row by row."""

import torch
from reference.plain import input_vector, perceptron, tower
from torch import Tensor

from hinet_search.models.layers.batch import Batch
from hinet_search.models.shared_bottom import Model


def logits(model: Model, batch: Batch) -> Tensor:
    return torch.stack([_row(model, batch, row) for row in range(len(batch))])


def _row(model: Model, batch: Batch, row: int) -> Tensor:
    trunk = perceptron(model.trunk, input_vector(model.embedding, model.schema, batch, row))
    first = int(batch.scenario_B[row]) * model.schema.num_tasks
    return torch.stack(
        [tower(model.towers, first + j, trunk) for j in range(model.schema.num_tasks)]
    )
