"""Diagnostics of experts: the mean weight that each gate gives them, and how similar they are.

Similarity is measured with forward hooks while the model runs, so it works for every model.
Shape legend: S gates of every row, B rows sorted by scenario or group, G groups, K experts of one
gate or group, H width of an expert's output.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.experts import Experts, Towers
from hinet_search.models.layers.measure import evaluating
from hinet_search.results.records import ExpertSimilarity, GateUsage

MINIMUM_ROWS = 2  # outputs on a single row do not vary


@dataclass(frozen=True)
class Expert:
    """An expert that gates weigh, by name.

    `of_scenario`: every scenario has its own expert of this name; `of_gate`: every gate has.
    """

    name: str
    of_scenario: bool = False
    of_gate: bool = False


def gate_usage(
    weights_SBK: Float[Tensor, "S B K"],
    sizes: Sequence[int],
    schema: Schema,
    experts: Sequence[Expert],
    gates: Sequence[str] | None = None,
) -> tuple[GateUsage, ...]:
    """Return the usage of every `scenario/gate`, scenario by scenario, without absent scenarios.

    `sizes[m]` rows belong to scenario m; `experts` names the K experts, `gates` the S gates, one
    for each task if it is None. With a single scenario (or gate) all experts count as its own, so
    that separate models of a protocol never share an expert.
    """
    scenarios = schema.scenarios
    gates = schema.tasks if gates is None else gates

    def owner(expert: Expert, scenario: str, gate: str) -> str:
        of_scenario = expert.of_scenario or len(scenarios) == 1
        of_gate = expert.of_gate or len(gates) == 1
        return f"{scenario if of_scenario else ''}/{gate if of_gate else ''}"

    names = tuple(expert.name for expert in experts)
    usage = []
    runs = torch.split(weights_SBK, list(sizes), dim=1)
    for scenario, run_SBK in zip(scenarios, runs, strict=True):
        if run_SBK.shape[1] == 0:
            continue
        for gate, mean_K in zip(gates, run_SBK.mean(dim=1), strict=True):
            owners = tuple(owner(expert, scenario, gate) for expert in experts)
            usage.append(GateUsage(f"{scenario}/{gate}", names, tuple(mean_K.tolist()), owners))
    return tuple(usage)


def numbered(
    kind: str, count: int, *, of_scenario: bool = False, of_gate: bool = False
) -> tuple[Expert, ...]:
    """Return `count` experts named `shared 1`, `shared 2`, ..."""
    return tuple(Expert(f"{kind} {number}", of_scenario, of_gate) for number in range(1, count + 1))


@torch.no_grad()
def expert_similarities(model: nn.Module, batch: Batch) -> tuple[ExpertSimilarity, ...]:
    """Return a table for every module of two or more experts, in the order of the forward pass.

    Towers are left out: no gate weighs them. Experts that run more than once are compared on their
    first run.
    """
    similarities: dict[str, ExpertSimilarity] = {}

    def similarity_hook(path: str) -> Any:
        def hook(experts: Experts, inputs: tuple[Any, ...], output: Tensor) -> None:
            sizes = inputs[1] if len(inputs) > 1 else None
            tables = [cka(run_KBH) for run_KBH in _outputs_by_group(experts, output, sizes)]
            if tables and path not in similarities:
                mean_KK = torch.stack(tables).mean(dim=0)
                table = tuple(map(tuple, mean_KK.tolist()))
                similarities[path] = ExpertSimilarity(path, table)

        return hook

    towers = {id(module.hidden) for module in model.modules() if isinstance(module, Towers)}
    handles = []
    for path, module in model.named_modules():
        if isinstance(module, Experts) and id(module) not in towers:
            hook = similarity_hook(path.removesuffix(".experts"))
            handles.append(module.register_forward_hook(hook))
    try:
        with evaluating(model):
            model(batch)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(similarities.values())


def cka(y_KBH: Float[Tensor, "K B H"]) -> Float[Tensor, "K K"]:
    """Return linear CKA of every pair of experts, 0 for a constant expert.

    CKA is |Y_k' Y_l|^2 / (|Y_k' Y_k| |Y_l' Y_l|) with centred columns.
    """
    y_KBH = (y_KBH - y_KBH.mean(dim=1, keepdim=True)).double()
    cross_KK = torch.stack([torch.linalg.matrix_norm(y_BH.T @ y_KBH).square() for y_BH in y_KBH])
    own_K = cross_KK.diagonal().sqrt()
    own_KK = own_K.unsqueeze(0) * own_K.unsqueeze(1)
    return cross_KK / own_KK.clamp_min(torch.finfo(torch.float64).tiny)


def _outputs_by_group(
    experts: Experts, output: Tensor, sizes: Sequence[int] | None
) -> list[Float[Tensor, "K B H"]]:
    """Return each group's expert outputs on its own rows; nothing for a single expert."""
    num_groups = experts.num_groups
    num_experts = experts.num_experts
    if num_experts < 2:
        return []
    if sizes is None or num_groups == 1:
        return list(torch.unflatten(output, 0, (num_groups, num_experts)))
    runs = torch.split(output, list(sizes), dim=1)
    return [run_KBH for run_KBH in runs if run_KBH.shape[1] >= MINIMUM_ROWS]
