"""Diagnostics of experts: the mean weight that each gate gives them.

Shape legend: S gates of every row, B rows sorted by scenario, K experts of one gate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hinet_search.data.schema import Schema
from hinet_search.results.records import GateUsage


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
