"""AdaSparse row by row and neuron by neuron."""

import torch
from reference.plain import input_vector, tower
from torch import Tensor

from hinet_search.models.adasparse import Config, Model, Pruner
from hinet_search.models.layers.batch import Batch


def logits(model: Model, batch: Batch) -> Tensor:
    return torch.stack([_row(model, batch, row) for row in range(len(batch))])


def _row(model: Model, batch: Batch, row: int) -> Tensor:
    scenario, num_tasks = int(batch.scenario_B[row]), model.schema.num_tasks
    h = input_vector(model.embedding, model.schema, batch, row)
    first_scenario = sum(model.schema.vocabulary_sizes)
    e_d = model.embedding.table.weight[first_scenario + scenario]
    for layer, pruner in zip(model.hidden, model.pruners, strict=True):
        h = (layer.weight @ h + layer.bias).clamp(min=0)
        factors = _factors(model, pruner, e_d, h)
        h = torch.stack([factors[neuron] * h[neuron] for neuron in range(len(h))])
    cells = range(scenario * num_tasks, (scenario + 1) * num_tasks)
    return torch.stack([tower(model.towers, cell, h) for cell in cells])


def _factors(model: Model, pruner: Pruner, e_d: Tensor, h: Tensor) -> list[Tensor]:
    v_in = pruner.linear.weight @ torch.cat([e_d, h]) + pruner.linear.bias
    alpha = 0.1 + 4.9 * min(1.0, int(model.num_steps) / model.config.annealing_steps)
    return [factor(model.config, alpha, neuron) for neuron in v_in]


def factor(config: Config, alpha: float, v_in: Tensor) -> Tensor:
    """Return pi of one neuron; where a binary factor has no gradient, it has that of v_out."""
    if config.form == "scaling":
        return config.scale / (1 + torch.exp(-v_in))
    v_out = 1 / (1 + torch.exp(-alpha * v_in))
    if config.form == "binarization":
        step = 1.0 if v_out.item() > config.threshold else 0.0
        return v_out + (step - v_out.item())
    v_out = config.scale * v_out
    return v_out if v_out.item() > config.threshold else v_out * 0
