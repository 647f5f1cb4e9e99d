"""Activation: ReLU, then dropout, fused; as separate steps they took a third of a HiNet step.

Four random numbers are drawn as one word. The gradient needs no mask: an output is above 0 exactly
where neither ReLU nor dropout cut it.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from hinet_search.models.layers.linear import signed

LEVELS = 2**16


class Activation(nn.Module):
    """ReLU; in training it zeroes a share `rate` of the outputs and rescales the rest.

    On the CPU the rate is rounded to multiples of 1 / 65536, because a random 64-bit word decides
    about four outputs.
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Apply ReLU and dropout, drawing from torch's default generator, which training seeds."""
        if not self.training or self.rate == 0:
            # In place is safe: nothing else reads a layer's output. With gradients, writing to a
            # view would cost a copy, and a graph that is exported has no places.
            is_new = torch.is_grad_enabled() or torch.compiler.is_exporting()
            return torch.relu(x) if is_new else torch.relu_(x)
        if x.device.type != "cpu":
            return functional.dropout(torch.relu(x), self.rate)
        num_dropped = min(round(self.rate * LEVELS), LEVELS - 1)
        y: Tensor = _ReluDropout.apply(x, num_dropped)  # type: ignore[no-untyped-call]
        return y

    def extra_repr(self) -> str:
        """Return what print(model) shows."""
        return f"rate={self.rate}"


class _ReluDropout(torch.autograd.Function):
    """ReLU and dropout of `num_dropped` of LEVELS draws, for the CPU."""

    @staticmethod
    @signed
    def forward(x: Tensor, num_dropped: int) -> Tensor:
        words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        draws = words.view(torch.int16)[: x.numel()].view(x.shape)
        kept = torch.ge(draws, num_dropped - LEVELS // 2, out=torch.empty(x.shape, dtype=x.dtype))
        return torch.relu(x).mul_(kept.mul_(_scale(num_dropped)))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.scale = _scale(inputs[1])
        ctx.save_for_backward(output)

    @staticmethod
    def vmap(_info: Any, dims: tuple[int, None], x: Tensor, num_dropped: int) -> tuple[Tensor, int]:
        """Apply to stacked models; each model's outputs have their own draws."""
        return _ReluDropout.apply(x, num_dropped), dims[0]  # type: ignore[no-untyped-call]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(grad, y, 0).mul_(ctx.scale), None


def _scale(num_dropped: int) -> float:
    """Return the factor that keeps the mean when `num_dropped` of LEVELS draws are dropped."""
    return LEVELS / (LEVELS - num_dropped)
