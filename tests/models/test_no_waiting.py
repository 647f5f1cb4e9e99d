"""No step and no scoring reads from its device, so that a GPU never idles while the host waits.

Torch's meta device replaces the GPU: its tensors have shapes but no content, so reading fails.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cases import Case, every_case
from torch import Tensor, nn

from hinet_search.data.columns import Dataset
from hinet_search.models.layers.contracts import PassAware
from hinet_search.results.objectives import objective_named
from hinet_search.study.distributions import Value
from hinet_search.training.feed import make_feed
from hinet_search.training.fit import TrainingSteps
from hinet_search.training.fit_stacked import can_stack
from hinet_search.training.predict import logits
from hinet_search.training.run_state import Conditions, begin
from hinet_search.training.stack import Stack, StackedSteps
from hinet_search.training.teaching import StepLoss
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trial_config import build_config
from tests.training.datasets import separable

UNREADABLE = torch.device("meta")
FORMS_OF_SAN: list[dict[str, Value]] = [
    {"model.san.top_k": 1},
    {"model.san.top_k": 1, "model.san.stop_gradient": True},
    {"model.released_code": True},
    {"model.loss.entire_space": True},
    {"model.scenario.enabled": False},
    {"model.cgc.layout": "global", "model.cgc.num_levels": 2},
]


def three_scenarios() -> Dataset:
    data = separable()
    schema = replace(data.full_schema, scenarios=("home", "search", "feed"))
    train = replace(data.train, scenario_R=(np.arange(data.train.num_rows) % 3).astype(np.int16))
    return replace(data, full_schema=schema, train=train)


DATA = three_scenarios()
CONDITIONS = Conditions(
    DATA,
    DATA.full_schema,
    TrainConfig(batch_size=32, clip_norm=0.1),
    0,
    0,
    objective_named("macro_auc"),
    UNREADABLE,
)


@pytest.fixture(autouse=True)
def kernel_of_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Update weights one after another: the fused kernel of Adam only runs on real devices."""

    def update(
        weights: tuple[Tensor, ...], *states: list[Tensor], lr: float, eps: float, **_: object
    ) -> None:
        gradients, firsts, seconds, _largest, steps = states
        for weight, gradient, first, second, step in zip(
            weights, gradients, firsts, seconds, steps, strict=True
        ):
            first.lerp_(gradient, 0.1)
            second.lerp_(gradient.square(), 0.001)
            weight.sub_(first / second.sqrt().add_(eps) * step, alpha=lr)

    monkeypatch.setattr(torch, "_fused_adamw_", update)


def check_steps_and_scores(model: nn.Module) -> None:
    run, state = begin(model.to(UNREADABLE).train(), CONDITIONS, 0.0)
    steps = TrainingSteps(run)
    for rows_B in torch.arange(64).split(32):
        steps.take(state, rows_B)
    assert logits(model, run.valid_feed).shape == (200, 2)
    with pytest.raises(NotImplementedError, match="meta tensor"):
        state.step_log.read(state.step)  # an evaluation starts with this, and it does read


@every_case
def test_no_network_asks_its_device_in_a_step_or_while_it_scores(case: Case) -> None:
    check_steps_and_scores(case.build(DATA.full_schema))


@pytest.mark.parametrize("values", FORMS_OF_SAN, ids=str)
def test_no_form_of_hinet_asks_its_device(values: dict[str, Value]) -> None:
    model = build_config("hinet", values).build(DATA.full_schema)
    assert isinstance(model, PassAware)
    model.begin_pass(1)
    check_steps_and_scores(model)


@every_case
def test_no_stack_asks_its_device(case: Case) -> None:
    models = [case.build(DATA.full_schema, seed).to(UNREADABLE).train() for seed in (1, 2)]
    assert can_stack(models[0], CONDITIONS.config)
    steps = StackedSteps(
        Stack(models),
        make_feed(DATA.train, UNREADABLE),
        [CONDITIONS.config] * 2,
        StepLoss(),
    )
    loss_K, norm_K = steps.take(torch.arange(32))
    assert (len(loss_K), len(norm_K)) == (2, 2)
