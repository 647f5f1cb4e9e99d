"""Gates: how much each expert counts for a row.

Shape legend: G groups (scenarios, or 1), S gates of one group, B rows, D inputs, K experts.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hinet_search.nn.stacked import StackedLinear

GateKind = Literal["softmax", "uniform", "relu_softmax", "sum"]


class Gate(nn.Module):
    """`num_groups` groups of `num_gates` gates over `num_experts` experts each, without bias: softmax(W x).

    Kinds: `softmax`; `uniform`, every expert counts 1 / K and there are no weights to learn. Two more exist only to
    repeat the code published with HiNet: `relu_softmax` (negative logits are cut to 0) and `sum` (its softmax over an
    axis of length one makes every weight 1 and gives the gate no gradient, so it has no weights here). A gate over one
    expert has nothing to learn either.
    """

    def __init__(
        self, in_width: int, num_experts: int, kind: GateKind, *, num_gates: int = 1, num_groups: int = 1
    ) -> None:
        super().__init__()
        self.kind = kind
        self.num_experts = num_experts
        self.num_gates = num_gates
        self.num_groups = num_groups
        self.logits = (
            StackedLinear(in_width, num_experts, num_gates, num_groups=num_groups, bias=False)
            if kind in ("softmax", "relu_softmax") and num_experts > 1
            else None
        )

    def forward(self, x: Float[Tensor, "*stack B D"], sizes: Sequence[int] | None = None) -> Float[Tensor, "gates B K"]:
        """Weights of every gate of every group, (G * S, B, K); with `sizes` of the row's own group only, (S, B, K).

        See StackedLinear for the forms of x and for `sizes`. Weights sum to 1 over K (but for `sum`).
        """
        if self.logits is None:
            groups = 1 if sizes is not None else self.num_groups
            weight = 1.0 if self.kind == "sum" else 1 / self.num_experts
            return x.new_full((groups * self.num_gates, x.shape[-2], self.num_experts), weight)
        logits: Tensor = self.logits(x, sizes)
        if self.kind == "relu_softmax":
            logits = torch.relu(logits)
        return logits.softmax(dim=-1)
