"""Activation: ReLU, then dropout, fused; as separate steps they took a third of a HiNet step.

Four random numbers are drawn as one word. The gradient needs no mask: an output is above 0 exactly
where neither ReLU nor dropout cut it.
Shape legend: W words.
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
        rate = self.rate if self.training else 0.0
        if rate == 0 and not torch.is_grad_enabled() and not torch.compiler.is_exporting():
            return torch.relu_(x)  # in place is safe: nothing else reads a layer's output
        is_on_cpu = x.device.type == "cpu"
        if rate == 0 and (x.is_contiguous() or not self.training or not is_on_cpu):
            return torch.relu(x)
        if not is_on_cpu:
            return functional.dropout(torch.relu(x), rate)
        y: Tensor = _ReluDropout.apply(x, min(round(rate * LEVELS), LEVELS - 1))  # type: ignore[no-untyped-call]
        return y

    def extra_repr(self) -> str:
        """Return what print(model) shows."""
        return f"rate={self.rate}"


class _ReluDropout(torch.autograd.Function):
    """ReLU and dropout on the CPU, which drops `num_dropped` of LEVELS draws.

    Several layers of one input come from one product, hence side by side in its rows. The output
    has each layer by itself, and the gradient is as x again: products of the next layers are up to
    half as fast again on rows that are next to each other, and no pass over memory is added.
    """

    @staticmethod
    @signed
    def forward(x: Tensor, num_dropped: int) -> Tensor:
        y = torch.clamp_min(x, 0, out=torch.empty(x.shape, dtype=x.dtype, device=x.device))
        if num_dropped:
            num_words = -(-y.numel() // 4)
            words_W = torch.empty(num_words, dtype=torch.int64).random_(-(2**63), None)
            draws = words_W.view(torch.int16)[: y.numel()].view(y.shape)
            least_kept = num_dropped - LEVELS // 2
            kept = torch.ge(draws, least_kept, out=torch.empty_like(y))
            y.mul_(kept.mul_(LEVELS / (LEVELS - num_dropped)))  # keeps the mean
        return y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        x, ctx.num_dropped = inputs
        ctx.stride = x.stride()
        ctx.save_for_backward(output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        grad_x = torch.empty_strided(y.shape, ctx.stride, dtype=y.dtype, device=y.device)
        torch.ops.aten.threshold_backward.grad_input(grad, y, 0, grad_input=grad_x)
        if ctx.num_dropped:
            grad_x.mul_(LEVELS / (LEVELS - ctx.num_dropped))
        return grad_x, None
