"""M3oE: two levels of fusion over three kinds of experts, the star layer and the normalisation."""

import pytest
import torch
from reference.m3oe import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise
from torch import nn

from hinet_search.data.schema import Schema
from hinet_search.models.m3oe import Config, KindWeights, Model, StackedLayerNorm

NUM_COMMON, NUM_SCENARIOS, NUM_TASKS = 2, SCHEMA.num_scenarios, SCHEMA.num_tasks
SMALL: dict[str, object] = {
    "embedding_dim": 2,
    "star_widths": [5, 4],
    "num_experts": NUM_COMMON,
    "expert": {"widths": [4, 3]},
    "tower": {"widths": [3]},
}
ALL, NONE = 1000.0, -1000.0  # before the sigmoid


def small(changes: dict[str, object], schema: Schema = SCHEMA) -> Model:
    return randomise(Model(Config.model_validate({**SMALL, **changes}), schema))


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def set_to(number: nn.Parameter, value: float) -> None:
    with torch.no_grad():
        number.fill_(value)


@pytest.mark.parametrize(
    "changes",
    [
        {"layer_norm": False},
        {"gate_stop_gradient": False},
        {"num_experts": 1},
        {"expert": {"widths": [4]}},
        {"tower": {"widths": []}},
    ],
    ids=str,
)
def test_every_option_equals_the_reference(changes: dict[str, object]) -> None:
    model, rows = small(changes), batch(rows=5)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


@pytest.mark.parametrize("scenarios", [("only",), ("a", "b", "c", "d")], ids=len)
@pytest.mark.parametrize("tasks", [("click",), ("click", "order", "pay")], ids=len)
def test_other_numbers_of_scenarios_and_tasks_equal_the_reference(
    scenarios: tuple[str, ...], tasks: tuple[str, ...]
) -> None:
    schema = Schema(scenarios, tasks, ("user",), (4,), ("age",))
    model, rows = small({}, schema), batch(schema, rows=5)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


def test_a_kind_starts_at_the_weights_of_the_released_code() -> None:
    weights = KindWeights(3)
    assert weights.kind.sigmoid().item() == pytest.approx(0.7311, abs=1e-4)
    assert weights.own.sigmoid().item() == pytest.approx(0.7311, abs=1e-4)


def test_a_new_layer_normalisation_equals_torchs_for_every_expert() -> None:
    norm = StackedLayerNorm(7, 3).double()
    x_NBO = normal(3, 5, 7) * 4 + 2
    expected = nn.LayerNorm(7).double()(x_NBO)
    torch.testing.assert_close(norm(x_NBO), expected)


def test_insight_shows_shares_of_the_three_kinds() -> None:
    model = small({})
    set_to(model.scenario_weights.kind, NONE)
    set_to(model.task_weights.kind, 0.0)
    set_to(model.task_weights.own, ALL)
    gates = {gate.where: gate for gate in model.insight(batch(scenarios=(0, 2))).gates}
    assert list(gates) == ["feed/click", "feed/order", "cart/click", "cart/order"]
    names = ("common 1", "common 2", "scenario feed", "scenario search", "scenario cart")
    assert gates["cart/order"].experts == (*names, "task click", "task order")
    weights = gates["cart/order"].weights
    assert sum(weights[:2]) == pytest.approx(1 / 1.5)
    assert weights[2:] == pytest.approx((0, 0, 0, 0, 0.5 / 1.5))
