"""Single models row by row: each row through the networks of its own scenario."""

import torch
from reference.plain import input_vector, only, perceptron
from torch import Tensor

from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.single import CellNetwork, Model


def logits(model: Model, batch: Batch) -> Tensor:
    networks = model.cell_modules()
    rows = []
    for row, scenario in enumerate(batch.scenario_B.tolist()):
        cells = [
            _cell(cell, model.schema, batch, row) if cell else torch.zeros((), dtype=torch.float64)
            for cell in networks[scenario]
        ]
        rows.append(torch.stack(cells))
    return torch.stack(rows)


def _cell(cell: CellNetwork, schema: Schema, batch: Batch, row: int) -> Tensor:
    hidden = perceptron(cell.hidden, input_vector(cell.embedding, schema, batch, row))
    return only(cell.output.weight @ hidden + cell.output.bias)
