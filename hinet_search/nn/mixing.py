"""Mixing: weighted sums of experts, in few readings of memory.

Shape legend: S mixtures made of the same rows, K experts, B rows, H width of an expert's output; E is S, or 1 where all
mixtures share their experts.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from hinet_search.nn.signed import signed

WIDE = 256


def mix(weights_SBK: Float[Tensor, "S B K"], y_EKBH: Float[Tensor, "one_or_S K B H"]) -> Float[Tensor, "S B H"]:
    """S weighted sums over K, in the precision of the experts; experts that all S share come with a first axis of 1."""
    weights_SBK = weights_SBK.to(y_EKBH.dtype)
    if y_EKBH.shape[-1] >= WIDE and len(y_EKBH) == 1:
        # B small matrix products: on CPU twice as fast as the sums for wide outputs, half as fast for narrow ones
        return torch.bmm(weights_SBK.transpose(0, 1), y_EKBH[0].transpose(0, 1)).transpose(0, 1)
    if y_EKBH.is_cuda:
        return (weights_SBK.transpose(1, 2).unsqueeze(-1) * y_EKBH).sum(dim=1)
    sums_SBH: Tensor = _Sums.apply(weights_SBK, y_EKBH)  # type: ignore[no-untyped-call]  # torch's own has no types
    return sums_SBH


class _Sums(torch.autograd.Function):
    """Expert after expert is added up, so that the S * K * B * H products never stand in memory."""

    @staticmethod
    @signed
    def forward(weights_SBK: Tensor, y_EKBH: Tensor) -> Tensor:
        first_SB1, *others = torch.split(weights_SBK, 1, dim=2)
        sums_SBH: Tensor = y_EKBH[:, 0] * first_SB1
        for k, weight_SB1 in enumerate(others, start=1):
            sums_SBH.addcmul_(y_EKBH[:, k], weight_SB1)
        return sums_SBH

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:  # noqa: ARG004  torch's form
        ctx.save_for_backward(*inputs)

    @staticmethod
    def vmap(info: Any, dims: tuple[int | None, int | None], weights: Tensor, y: Tensor) -> tuple[Tensor, int]:
        """Of stacked models: one after another."""
        each = zip(*(_unbound(*one, info.batch_size) for one in zip((weights, y), dims, strict=True)), strict=True)
        return torch.stack([_Sums.apply(*one) for one in each]), 0  # type: ignore[no-untyped-call]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_SBH: Tensor) -> tuple[Tensor, Tensor]:
        weights_SBK, y_EKBH = ctx.saved_tensors
        grad_weights_SBK, grad_y_EKBH = torch.empty_like(weights_SBK), torch.empty_like(y_EKBH)
        for k, weight_SB1 in enumerate(torch.split(weights_SBK, 1, dim=2)):
            grad_weights_SBK[:, :, k] = (grad_SBH * y_EKBH[:, k]).sum(dim=-1)
            if len(y_EKBH) == len(weights_SBK):
                torch.mul(grad_SBH, weight_SB1, out=grad_y_EKBH[:, k])
            else:
                grad_y_EKBH[0, k] = (grad_SBH * weight_SB1).sum(dim=0)
        return grad_weights_SBK, grad_y_EKBH


def _unbound(stacked: Tensor, dim: int | None, size: int) -> Sequence[Tensor]:
    """Every model's tensor; one that all share has no axis of models."""
    return [stacked] * size if dim is None else stacked.unbind(dim)
