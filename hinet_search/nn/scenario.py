"""HiNet's scenario layer: what all scenarios share, what one has for itself, what it takes from the others.

C_i = [G, S_i, A_i]: G is one mixture of sub-experts for all scenarios, S_i scenario i's own mixture, A_i SAN's weighted
sum of the other scenarios' S_m (arXiv 2303.06095, section III).
Shape legend: M scenarios, B rows sorted by scenario, D inputs, H width of a mixture, C = 3 H (2 H without SAN).
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.frozen import Count, Frozen
from hinet_search.nn.experts import Experts, Mixture
from hinet_search.nn.gates import Gate
from hinet_search.nn.san import BottleneckAttention, SANConfig, ScenarioAttention, weighted_sums


class ScenarioConfig(Frozen):
    """Options of the sub-experts. Without `enabled` there is no hierarchy: the task layer works on x itself."""

    enabled: bool = True
    num_shared_sub_experts: Count = 3
    num_specific_sub_experts: Count = 3
    widths: Annotated[tuple[Count, ...], Field(min_length=1)] = (128, 64)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    gate: Literal["softmax", "uniform"] = "softmax"


class ScenarioLayer(nn.Module):
    """[G, S_i] and, with SAN, A_i of every row; `width` numbers in all.

    `released_code` takes gates and SAN as in the code published with HiNet: see Gate and BottleneckAttention.
    """

    def __init__(
        self, in_width: int, num_scenarios: int, config: ScenarioConfig, san: SANConfig, *, released_code: bool = False
    ) -> None:
        super().__init__()
        kind = "relu_softmax" if released_code and config.gate == "softmax" else config.gate

        def mixture(num_experts: int, num_groups: int) -> Mixture:
            return Mixture(
                Experts(in_width, config.widths, num_experts, dropout=config.dropout, num_groups=num_groups),
                Gate(in_width, num_experts, kind, num_groups=num_groups),
            )

        self.shared = mixture(config.num_shared_sub_experts, 1)
        self.specific = mixture(config.num_specific_sub_experts, num_scenarios)
        attention = BottleneckAttention if released_code else ScenarioAttention
        self.san = attention(num_scenarios, san) if san.enabled else None
        self.stop_gradient = san.stop_gradient
        self.width = config.widths[-1] * (3 if san.enabled else 2)

    def forward(self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int]) -> Float[Tensor, "B C"]:
        """C of every row; `sizes[m]` rows of scenario m, in this order."""
        shared_1BH = self.shared(x_BD)
        if self.san is None:
            return torch.cat([*shared_1BH, *self.specific(x_BD, sizes)], dim=-1)
        table_1MM = self.san().unsqueeze(0)
        needed = self.san.needed_others()
        if self.stop_gradient:
            others_1BH = weighted_sums(self._specific_without_gradient, x_BD, sizes, table_1MM, needed)
            return torch.cat([*shared_1BH, *self.specific(x_BD, sizes), *others_1BH], dim=-1)
        own_1MM = torch.eye(len(sizes), dtype=x_BD.dtype, device=x_BD.device).unsqueeze(0)
        if needed is not None:
            needed = tuple((*others, i) for i, others in enumerate(needed))
        # S_i and A_i are two weighted sums of the same S_m
        own_and_others_2BH = weighted_sums(self.specific, x_BD, sizes, torch.cat([own_1MM, table_1MM]), needed)
        return torch.cat([*shared_1BH, *own_and_others_2BH], dim=-1)

    def _specific_without_gradient(
        self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int] | None
    ) -> Float[Tensor, "G B H"]:
        with torch.no_grad():
            specific_GBH: Tensor = self.specific(x_BD, sizes)
        return specific_GBH
