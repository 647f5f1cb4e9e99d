"""Linear layers: x W + b of one layer, of many in one tensor, and of STAR's products of weights.

Experts, gates and towers are all built from StackedLinear; they differ in how many layers a group
has. A group alone has few rows, so what autograd notes for each product costs as much as the
product: on the CPU, one function does all products of all groups.

On the CPU a matrix product that writes rows of, say, 341 numbers takes 1.5 times as long as one
whose rows start at multiples of 64 bytes. The width of x depends on the data, so its gradient is a
view of rows padded to such a length. Nothing else differs from torch's own product.
Shape legend: G groups (scenarios, or 1), S layers of one group, L = G * S all layers group by
group, B rows sorted by group, R rows of one group, I inputs, O outputs, C = S * O; M scenarios, T
tasks.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

# In bf16 torch builds a kernel for every new shape, which takes ten times as long as running it;
# fp32 has one kernel for all shapes. Groups of rows differ in size from batch to batch, so sizes
# are padded to a multiple of this: few distinct shapes, few wasted rows.
KERNEL_ROWS = 32
ALIGNED = 16  # numbers of 4 bytes to a multiple of 64 bytes
Forward = TypeVar("Forward", bound=Callable[..., Any])


def product(
    x_BI: Float[Tensor, "B I"],
    weight_IO: Float[Tensor, "I O"],
    bias_O: Float[Tensor, "O"] | None = None,
) -> Float[Tensor, "B O"]:
    """Return x W + b, as torch.addmm and torch.mm do."""
    width = x_BI.shape[1]
    # Kernels of bf16 and of GPUs are as fast on unaligned rows.
    alignment_matters = x_BI.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    is_unaligned = width > ALIGNED and width % ALIGNED != 0
    if not (alignment_matters and is_unaligned and x_BI.requires_grad):
        return _product(x_BI, weight_IO, bias_O)
    y_BO: Tensor = _Product.apply(x_BI, weight_IO, bias_O)  # type: ignore[no-untyped-call]
    return y_BO


class Linear(nn.Linear):
    """torch's linear layer, computed by `product`."""

    is_hidden = False  # models/layers/hidden_norm.py

    def forward(self, x_BI: Float[Tensor, "B I"]) -> Float[Tensor, "B O"]:
        """Return x W^T + b."""
        return product(x_BI, self.weight.T, self.bias)


def _product(x_BI: Tensor, weight_IO: Tensor, bias_O: Tensor | None) -> Tensor:
    return x_BI @ weight_IO if bias_O is None else torch.addmm(bias_O, x_BI, weight_IO)


def empty_rows(x_BI: Float[Tensor, "B I"]) -> Float[Tensor, "B I"]:
    """Return an empty tensor of that shape, whose rows start at multiples of 64 bytes."""
    num_rows, width = x_BI.shape
    return x_BI.new_empty(num_rows, -(-width // ALIGNED) * ALIGNED)[:, :width]


def signed(forward: Forward) -> Forward:
    """Store the signature of an autograd function's `forward`, so that torch need not inspect it.

    Inspecting at every call took a twentieth of a step of many small products.
    """
    # PEP 362 allows the attribute on any callable.
    forward.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    return forward


class _Product(torch.autograd.Function):
    @staticmethod
    @signed
    def forward(x_BI: Tensor, weight_IO: Tensor, bias_O: Tensor | None) -> Tensor:
        return _product(x_BI, weight_IO, bias_O)

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], _output: Tensor
    ) -> None:
        *products, bias_O = inputs
        ctx.save_for_backward(*products)
        ctx.has_bias = bias_O is not None

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BO: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        x_BI, weight_IO = ctx.saved_tensors
        grad_BI = torch.mm(grad_BO, weight_IO.T, out=empty_rows(x_BI))
        return grad_BI, x_BI.T @ grad_BO, grad_BO.sum(dim=0) if ctx.has_bias else None


def linear(
    x: Float[Tensor, "*stack B I"],
    weight_SIO: Float[Tensor, "S I O"],
    bias_SO: Float[Tensor, "S O"] | None,
) -> Float[Tensor, "S B O"]:
    """Apply S layers by one matrix product if they share x, by one batched product otherwise."""
    num_rows = x.shape[-2]
    if torch.is_autocast_enabled("cpu") and num_rows % KERNEL_ROWS:
        padded = pad(x, (0, 0, 0, -num_rows % KERNEL_ROWS))
        return linear(padded, weight_SIO, bias_SO)[:, :num_rows]
    if x.dim() == 3:
        if bias_SO is None:
            return torch.bmm(x, weight_SIO)
        return torch.baddbmm(bias_SO.unsqueeze(1), x, weight_SIO)
    weight_IC = weight_SIO.transpose(0, 1).flatten(start_dim=1)
    bias_C = None if bias_SO is None else bias_SO.flatten()
    y_BC = product(x, weight_IC, bias_C)
    return torch.unflatten(y_BC, 1, (len(weight_SIO), -1)).transpose(0, 1)


class StackedLinear(nn.Module):
    """`num_groups` groups of `num_layers` linear layers, initialised like nn.Linear."""

    bias_LO: nn.Parameter | None
    is_hidden = False

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


class StarLinear(nn.Module):
    """STAR's linear layer per (scenario, task), x (W_p (elementwise) W) + b_p + b for scenario p.

    Shared weights start as nn.Linear's do; W_p starts at 1 and b_p at 0, so all scenarios
    start as the shared layer.
    """

    is_hidden = False

    def __init__(
        self, in_width: int, out_width: int, num_tasks: int, *, num_scenarios: int
    ) -> None:
        super().__init__()
        bound = 1 / math.sqrt(in_width)
        self.weight_TIO = nn.Parameter(
            torch.empty(num_tasks, in_width, out_width).uniform_(-bound, bound)
        )
        self.bias_TO = nn.Parameter(torch.empty(num_tasks, out_width).uniform_(-bound, bound))
        # Stored as W_p - 1, so that weight decay pulls a scenario to the shared layer, not to 0.
        self.weight_change_MTIO = nn.Parameter(
            torch.zeros(num_scenarios, num_tasks, in_width, out_width)
        )
        self.bias_change_MTO = nn.Parameter(torch.zeros(num_scenarios, num_tasks, out_width))

    def forward(
        self, x: Float[Tensor, "*tasks B I"], sizes: Sequence[int]
    ) -> Float[Tensor, "T B O"]:
        """Apply the layers of its own scenario to each row.

        x is (B, I), the same for all tasks, or (T, B, I). Rows are sorted by scenario, `sizes[m]`
        of them for scenario m. Weights of absent scenarios are not merged.
        """
        # Unbind once: indexing a stacked parameter per scenario would write a full-size gradient
        # for each scenario.
        weight_changes = self.weight_change_MTIO.unbind(0)
        bias_changes = self.bias_change_MTO.unbind(0)
        runs = torch.split(x, list(sizes), dim=-2)
        outputs = []
        for run, weight_TIO, bias_TO in zip(runs, weight_changes, bias_changes, strict=True):
            if run.shape[-2] > 0:
                merged_weight_TIO = (1 + weight_TIO) * self.weight_TIO
                outputs.append(linear(run, merged_weight_TIO, bias_TO + self.bias_TO))
        return torch.cat(outputs, dim=-2)
