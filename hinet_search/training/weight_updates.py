"""What all optimisers share: groups of weights, gradients, and the state that is kept of a weight.

They are no `torch.optim.Optimizer`: the first one of these that a process makes loads torch's
compiler, which compiles nothing here, but costs every slot a second and 70 megabytes.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class WeightUpdates(ABC):
    """Updates of groups of weights, each with its `params`, its rate `lr` and options of its kind.

    A weight without gradient is left as it is. `rate_share` is what the latest step took of the
    rates; a tensor on the device if steps are replayed.
    """

    def __init__(self, param_groups: Sequence[dict[str, Any]]) -> None:
        self.param_groups = list(param_groups)
        self.rate_share: float | Tensor = 1.0
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
