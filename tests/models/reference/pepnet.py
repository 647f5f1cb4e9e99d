"""PEPNet row by row, task by task, one gate at a time."""

import torch
from reference.plain import input_vector, linear, only
from torch import Tensor

from hinet_search.models.layers.batch import Batch
from hinet_search.models.pepnet import GateUnit, Model


def logits(model: Model, batch: Batch) -> Tensor:
    return torch.stack([_row(model, batch, row) for row in range(len(batch))])


def _row(model: Model, batch: Batch, row: int) -> Tensor:
    x = input_vector(model.embedding, model.schema, batch, row)
    scenario = model.scenario_embedding.weight[int(batch.scenario_B[row])]
    scales = _gate(model.epnet.gate, 0, [*scenario, *x.detach()])
    o = torch.stack([scale * value for scale, value in zip(scales, x, strict=True)])
    prior = x[: len(model.schema.categorical) * model.scenario_embedding.weight.shape[1]]
    return torch.stack([_task(model, t, o, prior) for t in range(model.schema.num_tasks)])


def _task(model: Model, task: int, o: Tensor, prior: Tensor) -> Tensor:
    hidden = o
    for layer, gate in zip(model.ppnet.hidden, model.ppnet.gates, strict=True):
        scales = _gate(gate, task, [*prior, *o.detach()])
        units = linear(layer, task, hidden).clamp(min=0)
        hidden = torch.stack([scale * unit for scale, unit in zip(scales, units, strict=True)])
    return only(linear(model.ppnet.output, task, hidden))


def _gate(gate: GateUnit, number: int, inputs: list[Tensor]) -> list[Tensor]:
    hidden = linear(gate.hidden, number, torch.stack(inputs)).clamp(min=0)
    return [2 / (1 + torch.exp(-logit)) for logit in linear(gate.output, number, hidden)]
