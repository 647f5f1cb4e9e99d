"""Gate usage: the mean weight that each gate gives to its experts, per scenario.

Shape legend: S gates that every row passes, B rows sorted by scenario, K experts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hinet_search.insight import GateUsage


@dataclass(frozen=True)
class Expert:
    """What gates weigh. `of_scenario`: every scenario has another one of this name; `of_gate`: every gate has."""

    name: str
    of_scenario: bool = False
    of_gate: bool = False


def gate_usage(
    weights_SBK: Float[Tensor, "S B K"],
    sizes: Sequence[int],
    scenarios: Sequence[str],
    gates: Sequence[str],
    experts: Sequence[Expert],
) -> tuple[GateUsage, ...]:
    """One `scenario/gate` after the other; scenarios without rows are left out.

    `sizes[m]` rows belong to `scenarios[m]`; `gates` names the S gates, `experts` the K experts that they weigh. What has
    one scenario or gate only is that one's own: so models that a protocol trains apart never share an expert.
    """

    def owner(expert: Expert, scenario: str, gate: str) -> str:
        of_scenario, of_gate = expert.of_scenario or len(scenarios) == 1, expert.of_gate or len(gates) == 1
        return f"{scenario if of_scenario else ''}/{gate if of_gate else ''}"

    names = tuple(expert.name for expert in experts)
    return tuple(
        GateUsage(
            f"{scenario}/{gate}",
            names,
            tuple(mean_K.tolist()),
            tuple(owner(expert, scenario, gate) for expert in experts),
        )
        for scenario, run_SBK in zip(scenarios, torch.split(weights_SBK, list(sizes), dim=1), strict=True)
        if run_SBK.shape[1] > 0
        for gate, mean_K in zip(gates, run_SBK.mean(dim=1), strict=True)
    )


def numbered(kind: str, count: int, *, of_scenario: bool = False, of_gate: bool = False) -> tuple[Expert, ...]:
    """Experts named `shared 1`, `shared 2`, ..."""
    return tuple(Expert(f"{kind} {number}", of_scenario, of_gate) for number in range(1, count + 1))
