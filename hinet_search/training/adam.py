"""Adam, on the fused kernels of torch: a call updates a whole group of weights."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hinet_search.training.weight_updates import WeightUpdates

BETA1 = 0.9
BETA2 = 0.999
EPSILON = 1e-8
Moments = dict[str, Tensor]  # both moments of a weight, and its number of steps


class Adam(WeightUpdates):
    """Adam (Kingma and Ba 2015). Every group has a `weight_decay`.

    Where it is `decoupled`, it shrinks weights at each step by its share of the rate (Loshchilov
    and Hutter 2019, algorithm 2). Elsewhere it is the gradient of a penalty, its half times the
    squared norm of the weights, which the moments take in.
    """

    moments_of_weight = 2

    def update(self, weights: list[nn.Parameter], group: Mapping[str, Any]) -> None:
        """Update weights of a group, each of which has a gradient."""
        for weight in weights:
            if not self.state[weight]:
                self.state[weight] = _before_the_first_step(weight)
        states = [self.state[weight] for weight in weights]
        torch._foreach_add_([state["step"] for state in states], 1)
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        update_all = torch._fused_adamw_ if group["decoupled"] else torch._fused_adam_
        update_all(
            tuple(weights),
            gradients,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],  # the largest second moments, which only AMSGrad keeps
            [state["step"] for state in states],
            lr=group["lr"] * self.rate_share,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=group["weight_decay"],
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )


def _before_the_first_step(weight: Tensor) -> Moments:
    """Return both moments, and the number of steps as the kernel takes it."""
    return {
        "step": torch.zeros((), dtype=torch.float32, device=weight.device),
        "exp_avg": torch.zeros_like(weight),
        "exp_avg_sq": torch.zeros_like(weight),
    }
