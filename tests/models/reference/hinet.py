"""HiNet row by row and expert by expert, from the equations of arXiv 2303.06095."""

import torch
from reference.plain import expert, gate, input_vector, softmax, tower, weighted
from torch import Tensor

from hinet_search.models.hinet import Model
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.experts import Mixture
from hinet_search.models.layers.san import BottleneckAttention, ScenarioAttention


def logits(model: Model, batch: Batch) -> Tensor:
    return torch.stack([_row(model, batch, row) for row in range(len(batch))])


def _row(model: Model, batch: Batch, row: int) -> Tensor:
    i, x = int(batch.scenario_B[row]), input_vector(model.embedding, model.schema, batch, row)
    num_tasks = model.schema.num_tasks
    c = x if model.scenario is None else _scenario_layer(model, x, i)
    outputs = [
        tower(model.towers, i * num_tasks + j, t) for j, t in enumerate(_task_layer(model, c, i))
    ]
    if model.config.loss.entire_space:
        outputs = _funnel(outputs, model.schema.has_task[i].tolist())
    return torch.stack(outputs)


def _mixture(mixture: Mixture, group: int, x: Tensor) -> Tensor:
    num_experts = mixture.gate.num_experts
    outputs = [expert(mixture.experts, group * num_experts + k, x) for k in range(num_experts)]
    return weighted(gate(mixture.gate, group, x), outputs)


def _scenario_layer(model: Model, x: Tensor, i: int) -> Tensor:
    layer = model.scenario
    own = _mixture(layer.specific, i, x)
    parts = [_mixture(layer.shared, 0, x), own]
    if layer.san is not None:
        attention = _attention(layer.san, i, model.schema.num_scenarios)
        taken = torch.zeros_like(own)
        for m, weight in attention.items():
            taken = taken + weight * _mixture(layer.specific, m, x)
        parts.append(taken)
    return torch.cat(parts)


def _attention(
    san: ScenarioAttention | BottleneckAttention, i: int, num_scenarios: int
) -> dict[int, Tensor]:
    """Return the weight of every other scenario for scenario i."""
    others = [m for m in range(num_scenarios) if m != i]
    vector = san.embedding.weight[i]
    if isinstance(san, BottleneckAttention):
        unit = (san.bottleneck.weight @ vector + san.bottleneck.bias).clamp(min=0)
        over_all = softmax(list((san.output.weight @ unit + san.output.bias).clamp(min=0)))
        return {m: over_all[m] for m in others}
    for layer in san.hidden:
        vector = (layer.weight @ vector + layer.bias).clamp(min=0)
    weights = dict(zip(others, softmax(list(san.output.weight_LIO[i].T @ vector)), strict=True))
    if san.top_k is not None:
        kept = {m: weight for m, weight in weights.items() if bool(san.kept_MM[i, m])}
        weights = {m: weight / sum(kept.values()) for m, weight in kept.items()}
    return weights


def _task_layer(model: Model, c: Tensor, i: int) -> list[Tensor]:
    """Return T_ij for the tasks j of scenario i.

    Slots are numbered over scenarios and tasks, or over tasks only.
    """
    options, cgc = model.config.cgc, model.cgc
    num_scenarios, num_tasks = model.schema.num_scenarios, model.schema.num_tasks
    num_shared, num_specific = options.num_shared_experts, options.num_specific_experts
    group = i if options.layout == "per_scenario" else 0
    own = [(0 if options.layout == "shared" else i * num_tasks) + j for j in range(num_tasks)]
    slots = list(range(num_scenarios * num_tasks)) if options.layout == "global" else own
    shared_input, inputs = c, dict.fromkeys(slots, c)
    for level in [*cgc.below, cgc.last]:
        shared = [
            expert(level.shared, group * num_shared + e, shared_input) for e in range(num_shared)
        ]
        outputs, all_experts = {}, list(shared)
        for u in slots:
            numbers = range(u * num_specific, (u + 1) * num_specific)
            specific = [expert(level.specific, number, inputs[u]) for number in numbers]
            outputs[u] = weighted(gate(level.gate, u, inputs[u]), shared + specific)
            all_experts += specific
        if level is not cgc.last:
            shared_input = weighted(gate(level.shared_gate, group, shared_input), all_experts)
        inputs = outputs
    return [inputs[u] for u in own]


def _funnel(conditional: list[Tensor], has_task: list[bool]) -> list[Tensor]:
    outputs, probability = [], conditional[0].new_tensor(1.0)
    for z, has in zip(conditional, has_task, strict=True):
        if not has:
            outputs.append(z)
            continue
        probability = probability / (1 + torch.exp(-z))
        outputs.append(torch.log(probability / (1 - probability)))
    return outputs
