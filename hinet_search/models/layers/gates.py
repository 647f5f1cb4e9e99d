"""Gates: the weight of each expert for a row, and the weighted sums of experts.

Shape legend: G groups (scenarios, or 1), S gates of one group or mixtures of the same rows,
K experts, B rows, D inputs, H width of an expert's output; E is S, or 1 where all mixtures share
their experts.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from hinet_search.models.layers.linear import StackedLinear, signed

GateKind = Literal["softmax", "uniform", "relu_softmax", "sum"]
WIDE = 256


class Gate(nn.Module):
    """`num_groups` groups of `num_gates` gates over `num_experts` experts each: softmax(W x).

    Kinds: `softmax`; `uniform`, weight 1 / K for every expert and no parameters. Two more exist
    only to reproduce the code published with HiNet: `relu_softmax` cuts negative logits to 0; `sum`
    gives every expert weight 1, because that code takes a softmax over an axis of length one (the
    gate gets no gradient, so it has no parameters here). A gate over one expert has no parameters
    either.
    """

    def __init__(
        self,
        in_width: int,
        num_experts: int,
        kind: GateKind,
        *,
        num_gates: int = 1,
        num_groups: int = 1,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.num_experts = num_experts
        self.num_gates = num_gates
        self.num_groups = num_groups
        self.logits = None
        if kind in ("softmax", "relu_softmax") and num_experts > 1:
            self.logits = StackedLinear(
                in_width, num_experts, num_gates, num_groups=num_groups, bias=False
            )

    def forward(
        self,
        x: Float[Tensor, "*stack B D"],
        sizes: Sequence[int] | None = None,
        is_open: Bool[Tensor, "gates B K"] | None = None,
    ) -> Float[Tensor, "gates B K"]:
        """Return the weights of every gate of every group, (G * S, B, K).

        With `sizes` only those of the row's own group, (S, B, K). See StackedLinear for the forms
        of x and for `sizes`. Weights sum to 1 over K, except for kind `sum`. With `is_open`, of
        which some must be True for every row and gate, the other experts have weight 0.
        """
        if self.logits is None:
            groups = 1 if sizes is not None else self.num_groups
            weight = 1.0 if self.kind == "sum" else 1 / self.num_experts
            return x.new_full((groups * self.num_gates, x.shape[-2], self.num_experts), weight)
        logits: Tensor = self.logits(x, sizes)
        if self.kind == "relu_softmax":
            logits = torch.relu(logits)
        if is_open is not None:
            logits = logits.masked_fill(~is_open, -torch.inf)
        return logits.softmax(dim=-1)


def mix(
    weights_SBK: Float[Tensor, "S B K"], y_EKBH: Float[Tensor, "one_or_S K B H"]
) -> Float[Tensor, "S B H"]:
    """Return S weighted sums over K, in the precision of the experts.

    Experts that all S mixtures share have a first axis of length 1.
    """
    weights_SBK = weights_SBK.to(y_EKBH.dtype)
    if y_EKBH.shape[-1] >= WIDE and len(y_EKBH) == 1:
        # B small matrix products: on the CPU twice as fast as the sums for wide outputs, half as
        # fast for narrow ones.
        return torch.bmm(weights_SBK.transpose(0, 1), y_EKBH[0].transpose(0, 1)).transpose(0, 1)
    if y_EKBH.is_cuda or torch.compiler.is_exporting():
        return (weights_SBK.transpose(1, 2).unsqueeze(-1) * y_EKBH).sum(dim=1)
    sums_SBH: Tensor = _Sums.apply(weights_SBK, y_EKBH)  # type: ignore[no-untyped-call]
    return sums_SBH


class _Sums(torch.autograd.Function):
    """Add up expert after expert, so that the S * K * B * H products are never all in memory."""

    @staticmethod
    @signed
    def forward(weights_SBK: Tensor, y_EKBH: Tensor) -> Tensor:
        first_SB1, *others = torch.split(weights_SBK, 1, dim=2)
        sums_SBH: Tensor = y_EKBH[:, 0] * first_SB1
        for k, weight_SB1 in enumerate(others, start=1):
            sums_SBH.addcmul_(y_EKBH[:, k], weight_SB1)
        return sums_SBH

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], _output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_SBH: Tensor) -> tuple[Tensor, Tensor]:
        weights_SBK, y_EKBH = ctx.saved_tensors
        grad_weights_SBK = torch.empty_like(weights_SBK)
        grad_y_EKBH = torch.empty_like(y_EKBH)
        for k, weight_SB1 in enumerate(torch.split(weights_SBK, 1, dim=2)):
            grad_weights_SBK[:, :, k] = (grad_SBH * y_EKBH[:, k]).sum(dim=-1)
            if len(y_EKBH) == len(weights_SBK):
                torch.mul(grad_SBH, weight_SB1, out=grad_y_EKBH[:, k])
            else:
                grad_y_EKBH[0, k] = (grad_SBH * weight_SB1).sum(dim=0)
        return grad_weights_SBK, grad_y_EKBH
