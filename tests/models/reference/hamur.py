"""HAMUR layer by layer and row by row, with the weights of every row's adapter cells written out."""

import torch
from reference.plain import input_vector, linear, perceptron, tower
from reference.star import normalised
from torch import Tensor

from hinet_search.models.hamur import AdapterCell, GeneratedLinear, Model
from hinet_search.models.layers.batch import Batch


def logits(model: Model, batch: Batch) -> Tensor:
    inputs = [input_vector(model.embedding, model.schema, batch, row) for row in range(len(batch))]
    scenarios = batch.scenario_B.tolist()
    matrices = [instance_matrix(model, x) for x in inputs]
    hidden = inputs
    for number, layer in enumerate(model.layers):
        own = [m if layer.num_groups > 1 else 0 for m in scenarios]
        hidden = [linear(layer, m, h).clamp(min=0) for m, h in zip(own, hidden, strict=True)]
        adapter = adapter_after(model, number)
        if adapter is not None:
            hidden = adapted(adapter, hidden, matrices, scenarios)
    return torch.stack([_row(model, m, h) for m, h in zip(scenarios, hidden, strict=True)])


def _row(model: Model, m: int, h: Tensor) -> Tensor:
    num_tasks = model.schema.num_tasks
    return torch.stack([tower(model.towers, m * num_tasks + t, h) for t in range(num_tasks)])


def instance_matrix(model: Model, x: Tensor) -> Tensor:
    """Return I of a row, row by row of the matrix."""
    output = model.hyper.output
    flat = output.weight @ perceptron(model.hyper.hidden, x) + output.bias
    rank = model.hyper.rank
    return torch.stack([flat[number * rank : (number + 1) * rank] for number in range(rank)])


def adapter_after(model: Model, number: int) -> AdapterCell | None:
    """Return the cell after a layer: the last layers have one."""
    adapters = list(model.adapters)
    all_layers = [None] * (len(model.layers) - len(adapters)) + adapters
    return all_layers[number]


def adapted(
    adapter: AdapterCell, hidden: list[Tensor], matrices: list[Tensor], scenarios: list[int]
) -> list[Tensor]:
    changes = []
    for h, matrix in zip(hidden, matrices, strict=True):
        down = generated_weight(adapter.down, matrix).T @ h + adapter.down.v.bias
        a = torch.sigmoid(down)
        changes.append(generated_weight(adapter.up, matrix).T @ a)
    return [h + normalised(adapter.norm, changes, scenarios, row) for row, h in enumerate(hidden)]


def generated_weight(layer: GeneratedLinear, matrix: Tensor) -> Tensor:
    """Return U I V, inputs by outputs."""
    return layer.u.weight.T @ matrix @ layer.v.weight.T
