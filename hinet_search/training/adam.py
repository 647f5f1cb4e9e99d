"""Adam with decoupled weight decay, on the fused kernel of torch: a call updates a whole group."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hinet_search.training.weight_updates import WeightUpdates

BETA1, BETA2 = 0.9, 0.999
EPSILON = 1e-8


class Adam(WeightUpdates):
    """AdamW (Loshchilov and Hutter 2019, algorithm 2); every group has a `weight_decay`."""

    def update(self, weights: list[nn.Parameter], group: Mapping[str, Any]) -> None:
        """Update weights of a group, each of which has a gradient."""
        for weight in weights:
            if not self.state[weight]:
                self.state[weight] = _before_the_first_step(weight)
        states = [self.state[weight] for weight in weights]
        steps = [state["step"] for state in states]
        torch._foreach_add_(steps, 1)
        torch._fused_adamw_(
            tuple(weights),
            [weight.grad for weight in weights if weight.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],  # the largest second moments, which only AMSGrad keeps
            steps,
            lr=group["lr"],
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=group["weight_decay"],
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )


def _before_the_first_step(weight: Tensor) -> dict[str, Tensor]:
    """Return both moments, and the number of steps as the kernel takes it."""
    return {
        "step": torch.zeros((), dtype=torch.float32, device=weight.device),
        "exp_avg": torch.zeros_like(weight),
        "exp_avg_sq": torch.zeros_like(weight),
    }
