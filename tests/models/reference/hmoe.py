"""HMoE row by row and scenario by scenario."""

import torch
from reference.plain import expert, gate, input_vector, tower, weighted
from torch import Tensor

from hinet_search.models.hmoe import Model
from hinet_search.models.layers.batch import Batch


def logits(model: Model, batch: Batch) -> Tensor:
    return torch.stack([_row(model, batch, row) for row in range(len(batch))])


def _row(model: Model, batch: Batch, row: int) -> Tensor:
    x, t = input_vector(model.embedding, model.schema, batch, row), int(batch.scenario_B[row])
    outputs = [expert(model.experts, k, x) for k in range(model.gate.num_experts)]
    return torch.stack(
        [_fused(model, x, outputs, t, task) for task in range(model.schema.num_tasks)]
    )


def _fused(model: Model, x: Tensor, outputs: list[Tensor], t: int, task: int) -> Tensor:
    num_scenarios, num_tasks = model.schema.num_scenarios, model.schema.num_tasks
    scores = []
    for j in range(num_scenarios):
        cell = j * num_tasks + task
        score = tower(model.towers, cell, weighted(gate(model.gate, cell, x), outputs))
        scores.append(score if j == t else score.detach())
    has_task = model.schema.has_task[:, task].tolist()
    weights = gate(model.relation, t * num_tasks + task, x)
    if has_task[t]:  # else the logit is not used
        weights = [weight * known for weight, known in zip(weights, has_task, strict=True)]
        weights = [weight / sum(weights) for weight in weights]
    return sum(
        (weight * score for weight, score in zip(weights, scores, strict=True)), x.new_tensor(0.0)
    )
