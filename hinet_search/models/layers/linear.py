"""Linear layers: x W + b of one layer, and of several with one or as many products.

On the CPU a matrix product that writes rows of, say, 341 numbers takes 1.5 times as long as one
whose rows start at multiples of 64 bytes. The width of x depends on the data, so its gradient is a
view of rows padded to such a length. Nothing else differs from torch's own product.
Shape legend: S layers, B rows, I inputs, O outputs, C = S * O.
"""

import inspect
from collections.abc import Callable
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
