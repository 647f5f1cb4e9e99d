"""Stacked linear layers: many layers of one shape, held in one tensor and computed together.

Experts, gates and towers are all built from StackedLinear; they differ in how many layers a group
has. A group alone has few rows, so what autograd notes for each product costs as much as the
product: on the CPU, one function does all products of all groups.
Shape legend: G groups (scenarios, or 1), S layers of one group, L = G * S all layers group by
group, B rows sorted by group, R rows of one group, I inputs, O outputs, C = S * O.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from hinet_search.models.layers.linear import empty_rows, linear, signed


class StackedLinear(nn.Module):
    """`num_groups` groups of `num_layers` linear layers, initialised like nn.Linear."""

    bias_LO: nn.Parameter | None

    def __init__(
        self,
        in_width: int,
        out_width: int,
        num_layers: int,
        *,
        num_groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_groups = num_groups
        self.num_layers = num_layers
        bound = 1 / math.sqrt(in_width)
        shape = (num_groups * num_layers, in_width, out_width)
        self.weight_LIO = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        initial_bias = torch.empty(num_groups * num_layers, out_width).uniform_(-bound, bound)
        self.bias_LO = nn.Parameter(initial_bias) if bias else None

    def forward(
        self, x: Float[Tensor, "*stack B I"], sizes: Sequence[int] | None = None
    ) -> Float[Tensor, "layers B O"]:
        """Apply all L layers to all rows, or with `sizes` to each row the S layers of its group.

        x is (B, I), the same input for every layer, or has an input per layer: (L, B, I), and with
        `sizes` (S, B, I). Rows are sorted by group, `sizes[g]` of them for group g, which may be 0.
        A single group takes all rows.
        """
        if sizes is None or self.num_groups == 1:
            return linear(x, self.weight_LIO, self.bias_LO)
        tensors = (x, self.weight_LIO, self.bias_LO)
        is_plain_training = torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
        is_exporting = torch.compiler.is_exporting()
        if is_plain_training and not is_exporting and x.device.type == "cpu":
            y_SBO: Tensor = _GroupedLinear.apply(*tensors, list(sizes))  # type: ignore[no-untyped-call]
            return y_SBO
        return _groups_in_turn(*tensors, sizes)


def _groups_in_turn(
    x: Float[Tensor, "*stack B I"],
    weight_LIO: Float[Tensor, "L I O"],
    bias_LO: Float[Tensor, "L O"] | None,
    sizes: Sequence[int],
) -> Float[Tensor, "S B O"]:
    """Apply to each row the layers of its group, group after group."""
    groups = (len(sizes), -1)
    # Unbind once: indexing a stacked parameter per group would write a full-size gradient for each
    # group.
    weights = torch.unflatten(weight_LIO, 0, groups).unbind(0)
    biases: Sequence[Tensor | None] = [None] * len(sizes)
    if bias_LO is not None:
        biases = torch.unflatten(bias_LO, 0, groups).unbind(0)
    runs = list(zip(torch.split(x, list(sizes), dim=-2), weights, biases, strict=True))
    if not torch.compiler.is_exporting():  # in a graph, sizes are variables
        runs = [run for run, size in zip(runs, sizes, strict=True) if size] or runs
    outputs = [linear(*run) for run in runs]
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-2)


class _GroupedLinear(torch.autograd.Function):
    """`_groups_in_turn` as one function, for the CPU."""

    @staticmethod
    @signed
    def forward(x: Tensor, weight_LIO: Tensor, bias_LO: Tensor | None, sizes: list[int]) -> Tensor:
        return _groups_in_turn(x, weight_LIO, bias_LO, sizes)

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None, list[int]], _output: Tensor
    ) -> None:
        x, weight_LIO, bias_LO, ctx.sizes = inputs
        ctx.save_for_backward(x, weight_LIO)
        ctx.has_bias = bias_LO is not None

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_SBO: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None]:
        x, weight_LIO = ctx.saved_tensors
        gradients = _of_shared_inputs if x.dim() == 2 else _of_own_inputs
        grad_x, grad_weight_LIO = gradients(x, weight_LIO, grad_SBO, ctx.sizes)
        if not ctx.has_bias:
            return grad_x, grad_weight_LIO, None, None
        sums = [grad_SRO.sum(dim=1) for grad_SRO in torch.split(grad_SBO, ctx.sizes, dim=1)]
        return grad_x, grad_weight_LIO, torch.cat(sums), None


def _of_shared_inputs(
    x_BI: Tensor, weight_LIO: Tensor, grad_SBO: Tensor, sizes: list[int]
) -> tuple[Tensor, Tensor]:
    """Return the gradients of x and of the weights; the S layers of a group are one product."""
    num_layers = len(grad_SBO)
    weight_GIC = (
        torch.unflatten(weight_LIO, 0, (-1, num_layers)).transpose(1, 2).flatten(start_dim=2)
    )
    grad_BC = grad_SBO.transpose(0, 1).flatten(start_dim=1)
    grad_weight_GIC = torch.empty_like(weight_GIC)
    grad_BI = empty_rows(x_BI)
    rows = (torch.split(each, sizes) for each in (x_BI, grad_BC, grad_BI))
    groups = zip(*rows, weight_GIC, grad_weight_GIC, strict=True)
    for x_RI, grad_RC, grad_RI, weight_IC, grad_weight_IC in groups:
        torch.mm(x_RI.T, grad_RC, out=grad_weight_IC)
        torch.mm(grad_RC, weight_IC.T, out=grad_RI)
    grad_weight_GSIO = torch.unflatten(grad_weight_GIC, 2, (num_layers, -1)).transpose(1, 2)
    return grad_BI, grad_weight_GSIO.flatten(0, 1)


def _of_own_inputs(
    x_SBI: Tensor, weight_LIO: Tensor, grad_SBO: Tensor, sizes: list[int]
) -> tuple[Tensor, Tensor]:
    """Return the gradients of x and of the weights; each of the S layers has its own product."""
    groups = (-1, len(grad_SBO))
    weight_GSIO = torch.unflatten(weight_LIO, 0, groups)
    grad_weight_LIO = torch.empty_like(weight_LIO)
    rows = (torch.split(each, sizes, dim=1) for each in (x_SBI, grad_SBO))
    grads = []
    for x_SRI, grad_SRO, weight_SIO, grad_weight_SIO in zip(
        *rows, weight_GSIO, torch.unflatten(grad_weight_LIO, 0, groups), strict=True
    ):
        torch.bmm(x_SRI.transpose(1, 2), grad_SRO, out=grad_weight_SIO)
        grads.append(torch.bmm(grad_SRO, weight_SIO.transpose(1, 2)))
    return torch.cat(grads, dim=1), grad_weight_LIO
