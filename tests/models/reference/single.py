"""Single models row by row: each row through the networks of its own scenario."""

import torch
from reference.plain import input_vector, perceptron
from torch import Tensor

from hinet_search.models.single import Cell, Model
from hinet_search.schema import Batch, Schema


def logits(model: Model, batch: Batch) -> Tensor:
    networks = model.cell_modules()
    return torch.stack(
        [
            torch.stack([_cell(cell, model.schema, batch, row) for cell in networks[int(batch.scenario_B[row])]])
            for row in range(len(batch))
        ]
    )


def _cell(cell: Cell, schema: Schema, batch: Batch, row: int) -> Tensor:
    hidden = perceptron(cell.hidden, input_vector(cell.embedding, schema, batch, row))
    return (cell.output.weight @ hidden + cell.output.bias)[0]
