"""Adam on the fused kernels of torch, and what all optimisers share: groups and states of weights.

They are no `torch.optim.Optimizer`: the first such optimiser of a process loads torch's
compiler, which compiles nothing here, but costs every slot a second and 70 megabytes.
Shape legend: V rows of a table.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

BETA1 = 0.9
BETA2 = 0.999
EPSILON = 1e-8


class WeightUpdates(ABC):
    """Updates of groups of weights, each with its `params`, its rate `lr` and options of its kind.

    A weight without gradient is left as it is. `rate_share` is what the latest step took of the
    rates; a tensor on the device if steps are replayed. `times_V1` of a table multiplies the
    penalty of its rows.
    """

    def __init__(self, param_groups: Sequence[dict[str, Any]]) -> None:
        self.param_groups = list(param_groups)
        self.rate_share: float | Tensor = 1.0
        self.times_V1: dict[nn.Parameter, Float[Tensor, "V 1"]] = {}
        self.state: dict[nn.Parameter, dict[str, Tensor]] = defaultdict(dict)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for weight in self._weights():
            weight.grad = None

    @torch.no_grad()
    def step(self, rate_share: float | Tensor = 1.0) -> None:
        """Update all weights that have a gradient, at a share of the rates."""
        self.rate_share = rate_share
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                self.update(weights, group)

    @abstractmethod
    def update(self, weights: list[nn.Parameter], group: Mapping[str, Any]) -> None:
        """Update weights of a group, each of which has a gradient."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state of every weight, by its number in the order of the groups."""
        numbered = enumerate(self._weights())
        state = {number: self.state[weight] for number, weight in numbered if weight in self.state}
        return {"state": state}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a copy of a state."""
        weights = self._weights()
        for number, state in state_dict["state"].items():
            weight = weights[number]
            self.state[weight] = {
                name: values.to(weight.device, copy=True) for name, values in state.items()
            }

    def _weights(self) -> list[nn.Parameter]:
        return [weight for group in self.param_groups for weight in group["params"]]


class Adam(WeightUpdates):
    """Adam (Kingma and Ba 2015). Every group has a `weight_decay`.

    Where it is `decoupled`, it shrinks weights at each step by its share of the rate (Loshchilov
    and Hutter 2019, algorithm 2). Elsewhere it is the gradient of a penalty, its half times the
    squared norm of the weights, which the moments take in.
    """

    moments_of_weight = 2

    def update(self, weights: list[nn.Parameter], group: Mapping[str, Any]) -> None:
        """Update weights of a group, each of which has a gradient."""
        gradients: list[Tensor] = []
        steps: list[Tensor] = []
        first_moments: list[Tensor] = []
        second_moments: list[Tensor] = []
        for weight in weights:
            state = self.state[weight]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32, device=weight.device)
                state["exp_avg"] = torch.zeros_like(weight)
                state["exp_avg_sq"] = torch.zeros_like(weight)
            assert weight.grad is not None, "only called with a gradient"
            gradient = weight.grad
            if weight in self.times_V1:
                more_V1 = self.times_V1[weight] - 1
                gradient = gradient.addcmul(more_V1, weight, value=group["weight_decay"])
            gradients.append(gradient)
            steps.append(state["step"])
            first_moments.append(state["exp_avg"])
            second_moments.append(state["exp_avg_sq"])
        torch._foreach_add_(steps, 1)
        update_all = torch._fused_adamw_ if group["decoupled"] else torch._fused_adam_
        update_all(
            tuple(weights),
            gradients,
            first_moments,
            second_moments,
            [],  # the largest second moments, which only AMSGrad keeps
            steps,
            lr=group["lr"] * self.rate_share,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=group["weight_decay"],
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )
