"""Product: x W + b, whose gradient for x is written where matrix products are fast.

An input of 341 numbers makes rows that begin anywhere in memory; a product that writes such rows takes half as long again
as one whose rows begin at multiples of 64 bytes. The width of x follows from the data, so its gradient gets a row of such a
length and is a view of it. Nothing else differs from torch's own product.
Shape legend: B rows, I inputs, O outputs.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from hinet_search.nn.signed import signed

ALIGNED = 16  # numbers of 4 bytes to a multiple of 64 bytes


def product(
    x_BI: Float[Tensor, "B I"], weight_IO: Float[Tensor, "I O"], bias_O: Float[Tensor, "O"] | None = None
) -> Float[Tensor, "B O"]:
    """As torch.addmm and torch.mm."""
    width = x_BI.shape[1]
    # bf16 and GPUs have kernels that do not mind
    minds = x_BI.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    if not minds or width < ALIGNED or width % ALIGNED == 0 or not x_BI.requires_grad:
        return _product(x_BI, weight_IO, bias_O)
    y_BO: Tensor = _Product.apply(x_BI, weight_IO, bias_O)  # type: ignore[no-untyped-call]  # torch's own has no types
    return y_BO


class Linear(nn.Linear):
    """torch's linear layer, by `product`."""

    def forward(self, x_BI: Float[Tensor, "B I"]) -> Float[Tensor, "B O"]:
        """x W^T + b."""
        return product(x_BI, self.weight.T, self.bias)


def _product(x_BI: Tensor, weight_IO: Tensor, bias_O: Tensor | None) -> Tensor:
    return x_BI @ weight_IO if bias_O is None else torch.addmm(bias_O, x_BI, weight_IO)


class _Product(torch.autograd.Function):
    @staticmethod
    @signed
    def forward(x_BI: Tensor, weight_IO: Tensor, bias_O: Tensor | None) -> Tensor:
        return _product(x_BI, weight_IO, bias_O)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:  # noqa: ARG004  torch's form
        *products, bias_O = inputs
        ctx.save_for_backward(*products)
        ctx.has_bias = bias_O is not None

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BO: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        x_BI, weight_IO = ctx.saved_tensors
        num_rows, width = x_BI.shape
        aligned = grad_BO.new_empty(num_rows, -(-width // ALIGNED) * ALIGNED)
        grad_BI = torch.mm(grad_BO, weight_IO.T, out=aligned[:, :width])
        return grad_BI, x_BI.T @ grad_BO, grad_BO.sum(dim=0) if ctx.has_bias else None

    @staticmethod
    def vmap(_info: Any, dims: tuple[int | None, ...], *inputs: Tensor | None) -> tuple[Tensor, int]:
        """Of stacked models: torch's own batched product."""
        first = [
            one if one is None or dim is None else one.movedim(dim, 0) for one, dim in zip(inputs, dims, strict=True)
        ]
        x, weight, bias = first
        assert x is not None, "an input"
        assert weight is not None, "a weight"
        y = x @ weight
        return y if bias is None else y + bias.unsqueeze(-2), 0
