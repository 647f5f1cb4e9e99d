"""PLE row by row, level by level and expert by expert."""

import torch
from reference.plain import expert, gate, input_vector, tower, weighted
from torch import Tensor

from hinet_search.models.layers.batch import Batch
from hinet_search.models.ple import Model


def logits(model: Model, batch: Batch) -> Tensor:
    return torch.stack([_row(model, batch, row) for row in range(len(batch))])


def _row(model: Model, batch: Batch, row: int) -> Tensor:
    x, num_tasks = input_vector(model.embedding, model.schema, batch, row), model.schema.num_tasks
    first = int(batch.scenario_B[row]) * num_tasks
    slots = _slots(model, x)
    first_slot = 0 if model.config.slots == "task" else first
    return torch.stack(
        [tower(model.towers, first + j, slots[first_slot + j]) for j in range(num_tasks)]
    )


def _slots(model: Model, x: Tensor) -> list[Tensor]:
    """Return every slot's output of the last level."""
    options = model.config
    owners = 1 if options.slots == "task" else model.schema.num_scenarios
    slots = range(owners * model.schema.num_tasks)
    shared_input, inputs = x, [x for _ in slots]
    for level in [*model.cgc.below, model.cgc.last]:
        shared = [expert(level.shared, e, shared_input) for e in range(options.num_shared_experts)]
        outputs, all_experts = [], list(shared)
        for u in slots:
            first = u * options.num_specific_experts
            numbers = range(first, first + options.num_specific_experts)
            specific = [expert(level.specific, number, inputs[u]) for number in numbers]
            outputs.append(weighted(gate(level.gate, u, inputs[u]), shared + specific))
            all_experts += specific
        if level is not model.cgc.last:
            shared_input = weighted(gate(level.shared_gate, 0, shared_input), all_experts)
        inputs = outputs
    return inputs
