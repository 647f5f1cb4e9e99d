"""AdaSparse row by row and neuron by neuron; normalisation takes the rows of a batch together."""

import torch
from reference.plain import input_vector, linear, tower
from reference.star import normalised
from torch import Tensor

from hinet_search.models.adasparse import Config, Model, Pruner
from hinet_search.models.layers.batch import Batch


def logits(model: Model, batch: Batch) -> Tensor:
    scenarios = batch.scenario_B.tolist()
    first_scenario = sum(model.schema.vocabulary_sizes)
    e_d = [model.embedding.table.weight[first_scenario + scenario] for scenario in scenarios]
    hidden = [
        _inputs(model, input_vector(model.embedding, model.schema, batch, row), e_d[row])
        for row in range(len(batch))
    ]
    for number, pruner in enumerate(model.pruners):
        if model.config.batch_norm:
            norm, together = model.norms[number], [0] * len(batch)
            outputs = [model.hidden[number].weight @ h for h in hidden]
            outputs = [normalised(norm, outputs, together, row) for row in range(len(batch))]
        else:
            outputs = [linear(model.hidden[number], 0, h) for h in hidden]
        hidden = [
            _weighted(model, pruner, e_d[row], output.clamp(min=0))
            for row, output in enumerate(outputs)
        ]
    return torch.stack([_row(model, m, h) for m, h in zip(scenarios, hidden, strict=True)])


def _row(model: Model, scenario: int, h: Tensor) -> Tensor:
    num_tasks = model.schema.num_tasks
    cells = range(scenario * num_tasks, (scenario + 1) * num_tasks)
    return torch.stack([tower(model.towers, cell, h) for cell in cells])


def _inputs(model: Model, x: Tensor, e_d: Tensor) -> Tensor:
    """Return x, its embeddings weighted where they are pruned: not e_d, and not the numbers."""
    if model.input_pruner is None:
        return x
    schema, width = model.schema, model.config.embedding_dim
    fields, lists = schema.num_fields * width, len(schema.lists) * width
    after = fields + width
    embedded = torch.cat([x[:fields], x[after : after + lists]])
    weighted = _weighted(model, model.input_pruner, e_d, embedded)
    return torch.cat([weighted[:fields], e_d, weighted[fields:], x[after + lists :]])


def _weighted(model: Model, pruner: Pruner, e_d: Tensor, h: Tensor) -> Tensor:
    v_in = pruner.linear.weight @ torch.cat([e_d, h]) + pruner.linear.bias
    factors = [factor(model.config, _alpha(model), neuron) for neuron in v_in]
    return torch.stack([factors[neuron] * h[neuron] for neuron in range(len(h))])


def _alpha(model: Model) -> float:
    epochs = int(model.num_steps) / int(model.steps_per_epoch)
    return 0.1 + 4.9 * min(1.0, epochs / model.config.annealing_epochs)


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
