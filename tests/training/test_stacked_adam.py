"""The Adam of a stack updates each model as Adam alone does, in as many calls for any number of them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hinet_search.training.adam import Adam, StackedAdam
from tests.device.simulated import simulated_device

SHAPES = ((7, 3), (3,), (11, 2), (2, 5))
NUM_STEPS = 20
# Of a group: rates and decays of the models, and whether the decays are decoupled.
Options = tuple[list[tuple[float, float]], bool]


def options_of(num_models: int) -> st.SearchStrategy[Options]:
    of_model = st.tuples(st.floats(1e-4, 0.1), st.one_of(st.just(0.0), st.floats(1e-6, 0.1)))
    return st.tuples(st.lists(of_model, min_size=num_models, max_size=num_models), st.booleans())


groups = st.integers(2, 5).flatmap(
    lambda num_models: st.tuples(options_of(num_models), options_of(num_models))
)


def stacked(num_models: int, dtype: torch.dtype = torch.float32) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(num_models)
    return [
        nn.Parameter(torch.randn(num_models, *shape, generator=generator, dtype=dtype))
        for shape in SHAPES
    ]


def make_stacked_adam(weights: Sequence[nn.Parameter], options: Sequence[Options]) -> StackedAdam:
    """The first two weights are of the first group."""
    return StackedAdam(
        [
            {"params": of_group, "models": [group(*each, decoupled=decoupled) for each in models]}
            for of_group, (models, decoupled) in zip(split(weights), options, strict=True)
        ]
    )


def group(rate: float, decay: float, *, decoupled: bool) -> dict[str, Any]:
    return {"lr": rate, "weight_decay": decay, "decoupled": decoupled}


def split(weights: Sequence[nn.Parameter]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    return list(weights[:2]), list(weights[2:])


def give_gradients(weights: Sequence[nn.Parameter], step: int) -> None:
    """The second weight has none at every other step."""
    generator = torch.Generator().manual_seed(step)
    for number, weight in enumerate(weights):
        grad = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
        is_left_out = number == 1 and step % 2
        weight.grad = None if is_left_out else grad.to(weight.device, weight.dtype)


def alone(weights: Sequence[Tensor], options: Sequence[Options], k: int) -> list[nn.Parameter]:
    """The weights of a model that took all steps by itself."""
    everywhere = [nn.Parameter(weight.detach().clone()) for weight in weights]
    own = [nn.Parameter(weight.detach()[k].clone()) for weight in weights]
    adam = Adam(
        [
            {"params": of_group, **group(*models[k], decoupled=decoupled)}
            for of_group, (models, decoupled) in zip(split(own), options, strict=True)
        ]
    )
    for step in range(NUM_STEPS):
        give_gradients(everywhere, step)
        for weight, of_all in zip(own, everywhere, strict=True):
            weight.grad = None if of_all.grad is None else of_all.grad[k]
        adam.step(1 - step / NUM_STEPS)
    return own


@pytest.mark.parametrize("on_device", [False, True], ids=["on the CPU", "on a device"])
@pytest.mark.parametrize(("dtype", "share"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@given(options=groups)
@settings(max_examples=25)
def test_each_model_is_updated_as_by_its_own_adam(
    dtype: torch.dtype, share: float, on_device: bool, options: tuple[Options, Options]
) -> None:
    num_models = len(options[0][0])
    weights = stacked(num_models, dtype)
    expected = [alone(weights, options, k) for k in range(num_models)]
    updated = updated_on_a_device(weights, options) if on_device else updated_here(weights, options)
    for k, of_model in enumerate(expected):
        for weight, own in zip(updated, of_model, strict=True):
            assert (weight[k] - own).abs().max() <= share * own.abs().max()


def updated_here(
    weights: list[nn.Parameter], options: tuple[Options, Options]
) -> list[nn.Parameter]:
    take_steps(make_stacked_adam(weights, options), weights, range(NUM_STEPS))
    return weights


def updated_on_a_device(
    weights: list[nn.Parameter], options: tuple[Options, Options]
) -> list[Tensor]:
    with simulated_device() as device:
        there = [nn.Parameter(weight.detach().to(device)) for weight in weights]
        return [weight.detach().cpu() for weight in updated_here(there, options)]


def different(num_models: int) -> tuple[Options, Options]:
    models = [(0.01 * (k + 1), 0.001 * k) for k in range(num_models)]
    return (models, True), (models, False)


def test_on_a_device_a_stack_goes_on_from_the_states_of_its_models_bit_for_bit() -> None:
    options = different(3)
    with simulated_device() as device:
        undisturbed, stopped = (
            [nn.Parameter(weight.detach().to(device)) for weight in stacked(3)] for _ in range(2)
        )
        take_steps(make_stacked_adam(undisturbed, options), undisturbed, range(4))
        first = make_stacked_adam(stopped, options)
        take_steps(first, stopped, range(2))
        later = make_stacked_adam(stopped, options)
        later.put_back(first.states_of_models(3))
        take_steps(later, stopped, range(2, 4))
        assert all(map(torch.equal, stopped, undisturbed))


def take_steps(adam: StackedAdam, weights: Sequence[nn.Parameter], steps: range) -> None:
    for step in steps:
        give_gradients(weights, step)
        adam.step(1 - step / NUM_STEPS)


class Counting(TorchDispatchMode):
    """Counts the operations inside."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter[str] = Counter()

    def __torch_dispatch__(
        self, operation: Any, _types: object, given: tuple = (), named: dict | None = None
    ) -> Any:
        self.operations[str(operation)] += 1
        return operation(*given, **(named or {}))


def operations_on_a_device(num_models: int) -> Counter[str]:
    """Those of the second step; the first one makes the moments."""
    with simulated_device() as device:
        weights = [nn.Parameter(weight.detach().to(device)) for weight in stacked(num_models)]
        adam = make_stacked_adam(weights, different(num_models))
        for step in (2, 4):
            give_gradients(weights, step)
            with Counting() as counting:
                adam.step()
    return counting.operations


def test_on_a_device_a_step_has_as_many_operations_for_any_number_of_models() -> None:
    of_two, of_eight = operations_on_a_device(2), operations_on_a_device(8)
    assert of_two == of_eight
    assert of_two["aten._fused_adamw_.default"] == of_two["aten._fused_adam_.default"] == 1
    assert of_two.total() <= 16
