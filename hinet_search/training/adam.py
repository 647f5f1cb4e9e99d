"""Adam, on the fused kernels of torch: a call updates a whole group of weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
        self.change(weights, gradients, states, group)

    def change(
        self,
        weights: Sequence[Tensor],
        gradients: Sequence[Tensor],
        states: Sequence[Moments],
        group: Mapping[str, Any],
    ) -> None:
        """Update weights of a group and their moments."""
        _fused(weights, gradients, states, group, self.rate_share)


class StackedAdam(Adam):
    """Adam of a stack of models (training/stack.py), each with its own rates and decay.

    Every weight has the models in front. `models` of a group are the groups of each model alone.
    """

    def __init__(self, param_groups: Sequence[dict[str, Any]]) -> None:
        super().__init__(param_groups)
        self._of_models: dict[Tensor, _OfModels] = {}

    def change(
        self,
        weights: Sequence[Tensor],
        gradients: Sequence[Tensor],
        states: Sequence[Moments],
        group: Mapping[str, Any],
    ) -> None:
        """Update weights of a group and their moments: as one if all models have equal options."""
        first, *others = group["models"]
        if all(other == first for other in others):
            _fused(weights, gradients, states, first, self.rate_share)
            return
        if weights[0].device.type != "cpu":
            self._change_at_once(weights, gradients, states, group["models"])
            return
        # On a CPU a call for each model is faster for large weights; small ones take a short time.
        for k, options in enumerate(group["models"]):
            _fused(
                [weight[k] for weight in weights],
                [gradient[k] for gradient in gradients],
                [_of_model(state, k) for state in states],
                options,
                self.rate_share,
            )

    def _change_at_once(
        self,
        weights: Sequence[Tensor],
        gradients: Sequence[Tensor],
        states: Sequence[Moments],
        models: Sequence[Mapping[str, Any]],
    ) -> None:
        """Update weights in as many calls for any number of models; gradients take in penalties.

        The kernel, at a rate of 1 and without decay, turns zeros into changes. These are multiplied
        by the rates and added.
        """
        for weight in weights:
            if weight not in self._of_models:
                self._of_models[weight] = _OfModels.of(weight, models)
        of_models = [self._of_models[weight] for weight in weights]
        changes = [each.change for each in of_models]
        decays = [each.decay for each in of_models]
        decoupled = models[0]["decoupled"]
        assert isinstance(self.rate_share, float), "steps of a stack are not replayed"
        if not decoupled:
            torch._foreach_addcmul_(list(gradients), list(weights), decays)
        torch._foreach_zero_(changes)
        options = {"lr": 1.0, "weight_decay": 0.0, "decoupled": decoupled}
        _fused(changes, gradients, states, options, rate_share=1.0)
        if decoupled:
            torch._foreach_addcmul_(changes, list(weights), decays, value=-1)
        torch._foreach_mul_(changes, [each.rate for each in of_models])
        torch._foreach_add_(list(weights), changes, alpha=self.rate_share)

    def states_of_models(self, num_models: int) -> list[dict[str, Any]]:
        """Return the state of each model as its own optimiser would have it."""
        taken = self.state_dict()["state"].items()
        return [
            {"state": {number: _copied(_of_model(state, k)) for number, state in taken}}
            for k in range(num_models)
        ]

    def put_back(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Go on from the states of all models, which have taken equally many steps."""
        numbers = states[0]["state"]
        self.load_state_dict(
            {"state": {n: _stacked([state["state"][n] for state in states]) for n in numbers}}
        )


@dataclass(frozen=True)
class _OfModels:
    """Of a stacked weight, in its shape: the rate and decay of every model, and room for a change.

    Tensors of one shape are what the kernels for many tensors take.
    """

    rate: Tensor
    decay: Tensor
    change: Tensor

    @classmethod
    def of(cls, weight: Tensor, models: Sequence[Mapping[str, Any]]) -> "_OfModels":
        """Return the rates and decays of the models for a weight."""

        def of_each(option: str) -> Tensor:
            values = weight.new_empty(weight.shape)
            for of_model, options in zip(values, models, strict=True):
                of_model.fill_(options[option])
            return values

        return cls(of_each("lr"), of_each("weight_decay"), torch.empty_like(weight))


def _fused(
    weights: Sequence[Tensor],
    gradients: Sequence[Tensor],
    states: Sequence[Moments],
    group: Mapping[str, Any],
    rate_share: float | Tensor,
) -> None:
    update = torch._fused_adamw_ if group["decoupled"] else torch._fused_adam_
    update(
        tuple(weights),
        list(gradients),
        [state["exp_avg"] for state in states],
        [state["exp_avg_sq"] for state in states],
        [],  # the largest second moments, which only AMSGrad keeps
        [state["step"] for state in states],
        lr=group["lr"] * rate_share,
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


def _of_model(state: Moments, k: int) -> Moments:
    """Return a view of the moments of one model of a stack; the number of steps is common."""
    return {name: values if name == "step" else values[k] for name, values in state.items()}


def _copied(state: Moments) -> Moments:
    return {name: values.clone() for name, values in state.items()}


def _stacked(states: Sequence[Moments]) -> Moments:
    return {
        name: values if name == "step" else torch.stack([state[name] for state in states])
        for name, values in states[0].items()
    }
