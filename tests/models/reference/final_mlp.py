"""FinalMLP row by row, cell by cell and head by head."""

import torch
from reference.plain import input_vector, linear, only, perceptron
from torch import Tensor

from hinet_search.models.final_mlp import BilinearFusion, Model, Stream
from hinet_search.models.layers.batch import Batch


def logits(model: Model, batch: Batch) -> Tensor:
    return torch.stack([_row(model, batch, row) for row in range(len(batch))])


def _row(model: Model, batch: Batch, row: int) -> Tensor:
    x = input_vector(model.embedding, model.schema, batch, row)
    scenario, num_tasks = int(batch.scenario_B[row]), model.schema.num_tasks
    o_1, o_2 = _stream(model.first, x, scenario), _stream(model.second, x, scenario)
    cells = range(scenario * num_tasks, (scenario + 1) * num_tasks)
    return torch.stack([_fused(model.fusion, cell, o_1, o_2) for cell in cells])


def _stream(stream: Stream, x: Tensor, scenario: int) -> Tensor:
    if stream.gate is not None:
        contexts = stream.gate.context.weight
        context = contexts[scenario] if len(contexts) > 1 else contexts[0]
        hidden = perceptron(stream.gate.hidden, context)
        g = stream.gate.output.weight @ hidden + stream.gate.output.bias
        x = x * (2 / (1 + torch.exp(-g)))
    return perceptron(stream.mlp, x)


def _fused(fusion: BilinearFusion, cell: int, o_1: Tensor, o_2: Tensor) -> Tensor:
    logit = only(linear(fusion.first, cell, o_1)) + only(linear(fusion.second, cell, o_2))
    size_1, size_2 = len(o_1) // fusion.num_heads, len(o_2) // fusion.num_heads
    for head in range(fusion.num_heads):
        w_head = fusion.products.weight_LIO[cell * fusion.num_heads + head]
        slice_1, slice_2 = o_1[head * size_1 :][:size_1], o_2[head * size_2 :][:size_2]
        logit = logit + slice_1 @ w_head @ slice_2
    return logit
