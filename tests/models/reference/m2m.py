"""M2M row by row, task by task, one output of a generated layer at a time."""

import torch
from reference.plain import expert, input_vector, linear, only, softmax, weighted
from torch import Tensor

from hinet_search.models.layers.batch import Batch
from hinet_search.models.m2m import MetaUnit, Model


def logits(model: Model, batch: Batch) -> Tensor:
    return torch.stack([_row(model, batch, row) for row in range(len(batch))])


def _row(model: Model, batch: Batch, row: int) -> Tensor:
    x = input_vector(model.embedding, model.schema, batch, row)
    scenario = model.knowledge.scenario_embedding.weight[int(batch.scenario_B[row])]
    to_knowledge = model.knowledge.linear
    knowledge = _leaky(
        to_knowledge.weight @ torch.stack([*scenario, *x]) + to_knowledge.bias,
    )
    views = [expert(model.experts, k, x) for k in range(model.experts.num_experts)]
    return torch.stack(
        [_task(model, task, views, knowledge) for task in range(model.schema.num_tasks)]
    )


def _task(model: Model, task: int, views: list[Tensor], knowledge: Tensor) -> Tensor:
    to_view = model.tasks.linear
    task_view = _leaky(to_view.weight @ model.tasks.embedding.weight[task] + to_view.bias)
    scores = []
    for view in views:
        output = meta(model.attention.unit, task, torch.stack([*view, *task_view]), knowledge)
        scores.append(only(linear(model.attention.score, task, output)))
    layer = weighted(softmax(scores), views)
    for unit in model.tower.units:
        layer = _leaky(meta(unit, task, layer, knowledge) + layer)
    return only(linear(model.tower.output, task, layer))


def meta(unit: MetaUnit, task: int, h: Tensor, knowledge: Tensor) -> Tensor:
    """Return a meta unit's output, with W[i, o] at place i * width + o and b after all of W."""
    width = len(h)
    for generator in unit.generators:
        generated = linear(generator, task, knowledge)
        outputs = []
        for o in range(width):
            weights = generated[o : width * width : width]
            outputs.append(weights @ h + generated[width * width + o])
        h = _leaky(torch.stack(outputs))
    return h


def _leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.01 * x)
