"""Gate usage: the mean weight that each gate gives to its experts, per scenario.

Shape legend: S gates that every row passes, B rows sorted by scenario, K experts.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from hinet_search.insight import GateUsage


def gate_usage(
    weights_SBK: Float[Tensor, "S B K"],
    sizes: Sequence[int],
    scenarios: Sequence[str],
    gates: Sequence[str],
    experts: Sequence[str],
) -> tuple[GateUsage, ...]:
    """One `scenario/gate` after the other; scenarios without rows are left out.

    `sizes[m]` rows belong to `scenarios[m]`; `gates` names the S gates, `experts` the K experts that they weigh.
    """
    return tuple(
        GateUsage(f"{scenario}/{gate}", tuple(experts), tuple(mean_K.tolist()))
        for scenario, run_SBK in zip(scenarios, torch.split(weights_SBK, list(sizes), dim=1), strict=True)
        if run_SBK.shape[1] > 0
        for gate, mean_K in zip(gates, run_SBK.mean(dim=1), strict=True)
    )


def numbered(kind: str, count: int) -> tuple[str, ...]:
    """Names of experts: `shared 1`, `shared 2`, ..."""
    return tuple(f"{kind} {number}" for number in range(1, count + 1))
