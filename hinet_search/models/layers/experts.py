"""Experts: MLPs of one shape computed together, their gates, mixtures and towers, and a plain MLP.

Shape legend: G groups (scenarios, or 1), K experts of one group or of a gate, S gates of one group
or mixtures of the same rows, M scenarios, T tasks, B rows, D inputs, H width of an expert's output
and inputs of a tower; E is S, or 1 where all mixtures share their experts.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from hinet_search.common.frozen_model import Frozen, Layers
from hinet_search.models.layers.activation import Activation
from hinet_search.models.layers.hidden_norm import hidden
from hinet_search.models.layers.linear import Linear, StackedLinear, signed

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

        With `sizes` only the weights of the row's own group, (S, B, K). See StackedLinear for the
        forms of x and for `sizes`. Weights sum to 1 over K, except for kind `sum`. With `is_open`,
        of which some must be True for every row and gate, the other experts have weight 0.
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


class ExpertConfig(Frozen):
    """Hidden widths of an expert, the same at all levels."""

    widths: Annotated[Layers, Field(min_length=1)] = (128, 64)


class Experts(nn.Module):
    """`num_groups` groups of `num_experts` MLPs; ReLU and dropout follow every layer."""

    def __init__(
        self,
        in_width: int,
        widths: Sequence[int],
        num_experts: int,
        *,
        dropout: float = 0.0,
        num_groups: int = 1,
    ) -> None:
        super().__init__()
        self.num_experts = num_experts
        self.num_groups = num_groups
        steps = pairwise([in_width, *widths])
        self.layers = nn.ModuleList(
            hidden(StackedLinear(*step, num_experts, num_groups=num_groups)) for step in steps
        )
        self.activation = Activation(dropout)

    def forward(
        self, x: Float[Tensor, "*stack B D"], sizes: Sequence[int] | None = None
    ) -> Float[Tensor, "*experts B H"]:
        """Apply every expert of every group to every row, (G * K, B, H).

        With `sizes` only the experts of the row's own group, (K, B, H). See StackedLinear for the
        forms of x and for `sizes`. Without `widths` the output is x itself.
        """
        for layer in self.layers:
            x = self.activation(layer(x, sizes))
        return x


class Mixture(nn.Module):
    """A mixture of experts per group: HiNet's sub-expert integration (arXiv 2303.06095, III-B).

    `gate` has one gate per group and as many groups as `experts`.
    """

    def __init__(self, experts: Experts, gate: Gate) -> None:
        super().__init__()
        self.experts = experts
        self.gate = gate

    def forward(
        self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int] | None = None
    ) -> Float[Tensor, "G B H"]:
        """Return every group's mixture of every row; with `sizes` only the row's group (G = 1).

        See StackedLinear for `sizes`.
        """
        gate_GBK = self.gate(x_BD, sizes)
        y_GKBH = self.experts(x_BD, sizes).unflatten(0, (-1, self.gate.num_experts))
        return mix(gate_GBK, y_GKBH)


def mlp(
    in_width: int, widths: Sequence[int], dropout: float = 0.0, *, of_rows: bool = True
) -> nn.Sequential:
    """Return an MLP (B, in_width) -> (B, widths[-1]) with ReLU and dropout after every layer.

    Only layers `of_rows` of a batch are hidden layers, which can be normalised.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise([in_width, *widths]):
        layer = Linear(inputs, outputs)
        layers += [hidden(layer) if of_rows else layer, Activation(dropout)]
    return nn.Sequential(*layers)


class TowerConfig(Frozen):
    """Hidden widths of a tower; without any it is linear."""

    widths: Layers = (16,)


class Towers(nn.Module):
    """An MLP with a linear output per (scenario, task); without `widths` only the output."""

    def __init__(
        self, in_width: int, widths: Sequence[int], num_tasks: int, *, num_scenarios: int
    ) -> None:
        super().__init__()
        self.hidden = Experts(in_width, widths, num_tasks, num_groups=num_scenarios)
        self.output = StackedLinear([in_width, *widths][-1], 1, num_tasks, num_groups=num_scenarios)

    def forward(
        self, x: Float[Tensor, "*stack B H"], sizes: Sequence[int] | None = None
    ) -> Float[Tensor, "B towers"]:
        """Return logits of each row's own scenario, (B, T); x is (B, H) or (T, B, H).

        Rows are sorted by scenario, see StackedLinear. Without `sizes` the logits are those of all
        scenarios, (B, M * T), scenario by scenario, and x is (B, H) or (M * T, B, H).
        """
        logits: Tensor = self.output(self.hidden(x, sizes), sizes)
        return logits[:, :, 0].T
