"""M3oE row by row, expert by expert, with both levels of fusion written out."""

import torch
from reference.plain import expert, gate, input_vector, tower, weighted
from torch import Tensor, nn

from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.linear import StarLinear
from hinet_search.models.m3oe import Model


def logits(model: Model, batch: Batch) -> Tensor:
    return torch.stack([_row(model, batch, row) for row in range(len(batch))])


def _row(model: Model, batch: Batch, row: int) -> Tensor:
    x, m = input_vector(model.embedding, model.schema, batch, row), int(batch.scenario_B[row])
    h = expert(model.after_star, 0, star(model.star, m, x)) + expert(model.skip, 0, x)
    return torch.stack([_logit(model, h, m, t) for t in range(model.schema.num_tasks)])


def _logit(model: Model, h: Tensor, m: int, t: int) -> Tensor:
    num_scenarios, num_tasks = model.schema.num_scenarios, model.schema.num_tasks
    outputs = [expert(model.experts, number, h) for number in range(model.experts.num_experts)]
    num_common = len(outputs) - num_scenarios - num_tasks
    common, of_scenarios = outputs[:num_common], outputs[num_common:][:num_scenarios]
    of_tasks = outputs[num_common + num_scenarios :]
    cell = m * num_tasks + t
    weights = gate(model.gate, cell, h.detach() if model.gate_stop_gradient else h)
    e_s = weighted(weights, common)
    e_d = balanced(model.scenario_weights.own, m, of_scenarios)
    e_t = balanced(model.task_weights.own, t, of_tasks)
    gamma_d, gamma_t = sigmoid(model.scenario_weights.kind), sigmoid(model.task_weights.kind)
    return tower(model.towers, cell, e_s + gamma_d * e_d + gamma_t * e_t)


def balanced(own: nn.Parameter | None, number: int, outputs: list[Tensor]) -> Tensor:
    """Return the first level of a kind: the expert of `number` against the mean of the others."""
    if own is None:
        return outputs[number]
    others = [output for j, output in enumerate(outputs) if j != number]
    alpha = sigmoid(own)
    return alpha * outputs[number] + (1 - alpha) * sum(others) / len(others)


def star(layer: StarLinear, m: int, x: Tensor) -> Tensor:
    weight = layer.weight_TIO[0] * (layer.weight_change_MTIO[m, 0] + 1)
    return weight.T @ x + layer.bias_TO[0] + layer.bias_change_MTO[m, 0]


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))
