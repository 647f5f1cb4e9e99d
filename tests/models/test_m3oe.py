"""M3oE: two levels of fusion over three kinds of experts, the star layer and the normalisation."""

from dataclasses import replace

import pytest
import torch
from reference.m3oe import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise
from torch import nn

from hinet_search.data.schema import Schema
from hinet_search.models.m3oe import Config, KindWeights, Model, Perceptrons, StackedLayerNorm
from hinet_search.study.search_space import load_space
from hinet_search.training.trial_config import build_config

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


def fresh(changes: dict[str, object]) -> Model:
    torch.manual_seed(0)
    return Model(Config.model_validate({**SMALL, **changes}), SCHEMA).double().eval()


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def set_to(number: nn.Parameter, value: float) -> None:
    with torch.no_grad():
        number.fill_(value)


def changed_cells(model: Model, expert: int) -> set[tuple[int, int]]:
    """Return the (scenario, task) whose logits change if one expert does."""
    rows = batch(rows=60)
    before = model(rows)
    with torch.no_grad():
        model.experts.layers[-1].weight_LIO[expert].mul_(-1)
        model.experts.norms[-1].bias_N1O[expert].add_(1)
    changed = (model(rows) != before).nonzero().tolist()
    return {(int(rows.scenario_B[row]), task) for row, task in changed}


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


@pytest.mark.parametrize("num_experts", [2, 3, 5])
def test_a_kind_shares_out_its_gamma_between_the_own_expert_and_the_others_alike(
    num_experts: int,
) -> None:
    weights = KindWeights(num_experts).double()
    set_to(weights.kind, 0.3)
    set_to(weights.own, -0.7)
    table, gamma = weights(), torch.tensor(0.3, dtype=torch.float64).sigmoid()
    alpha = torch.tensor(-0.7, dtype=torch.float64).sigmoid()
    torch.testing.assert_close(table.sum(dim=1), gamma.expand(num_experts))
    torch.testing.assert_close(table.diagonal(), (gamma * alpha).expand(num_experts))
    others = table[~torch.eye(num_experts, dtype=torch.bool)]
    torch.testing.assert_close(others, (gamma * (1 - alpha) / (num_experts - 1)).expand_as(others))


def test_a_kind_starts_at_the_weights_of_the_released_code() -> None:
    weights = KindWeights(3)
    assert weights.kind.sigmoid().item() == pytest.approx(0.7311, abs=1e-4)
    assert weights.own.sigmoid().item() == pytest.approx(0.7311, abs=1e-4)


@pytest.mark.parametrize("scenario", range(NUM_SCENARIOS))
def test_with_all_weight_on_the_own_expert_a_scenario_expert_reaches_its_scenario_alone(
    scenario: int,
) -> None:
    model = small({})
    set_to(model.scenario_weights.own, ALL)
    reached = changed_cells(model, NUM_COMMON + scenario)
    assert reached == {(scenario, task) for task in range(NUM_TASKS)}


@pytest.mark.parametrize("task", range(NUM_TASKS))
def test_with_all_weight_on_the_own_expert_a_task_expert_reaches_its_task_alone(task: int) -> None:
    model = small({})
    set_to(model.task_weights.own, ALL)
    reached = changed_cells(model, NUM_COMMON + NUM_SCENARIOS + task)
    assert reached == {(scenario, task) for scenario in range(NUM_SCENARIOS)}


@pytest.mark.parametrize("expert", range(NUM_COMMON + NUM_SCENARIOS + NUM_TASKS))
def test_otherwise_every_expert_reaches_every_scenario_and_task(expert: int) -> None:
    every = {(scenario, task) for scenario in range(NUM_SCENARIOS) for task in range(NUM_TASKS)}
    assert changed_cells(small({}), expert) == every


@pytest.mark.parametrize("expert", range(NUM_COMMON + NUM_SCENARIOS + NUM_TASKS))
def test_with_no_weight_on_a_kind_none_of_its_experts_reaches_a_logit(expert: int) -> None:
    model = small({})
    set_to(model.scenario_weights.kind, NONE)
    set_to(model.task_weights.kind, NONE)
    assert bool(changed_cells(model, expert)) == (expert < NUM_COMMON)


@pytest.mark.parametrize("stops", [True, False])
def test_the_gates_train_what_is_before_them_only_without_the_stop(stops: bool) -> None:
    model = small({"gate_stop_gradient": stops})
    with torch.no_grad():  # experts that ignore h: only the gates pass a gradient on
        for layer in model.experts.layers:
            layer.weight_LIO.zero_()
        for norm in model.experts.norms:
            norm.bias_N1O.abs_()
    model(batch()).sum().backward()
    assert model.gate.logits.weight_LIO.grad.abs().sum() > 0
    reached = [bool(p.grad.abs().sum() > 0) for p in model.star.parameters()]
    assert reached == [not stops] * 4


@pytest.mark.parametrize("scenario", range(NUM_SCENARIOS))
def test_rows_of_a_scenario_train_the_star_weights_of_that_scenario_alone(scenario: int) -> None:
    model = small({})
    model(batch(rows=40, scenarios=(scenario,))).sum().backward()
    for change in (model.star.weight_change_MTIO, model.star.bias_change_MTO):
        reached = [bool(change.grad[m].abs().sum() > 0) for m in range(NUM_SCENARIOS)]
        assert reached == [m == scenario for m in range(NUM_SCENARIOS)]


def test_the_representation_is_a_sum_with_a_skip_past_the_star_layer() -> None:
    model, rows = small({"layer_norm": False}), batch()
    with torch.no_grad():
        for layer in (*model.after_star.layers, *model.skip.layers):
            layer.bias_LO.zero_()
        model.after_star.layers[0].weight_LIO.zero_()
    moved = replace(rows, numeric_BN=rows.numeric_BN + 1)
    assert not torch.equal(model(rows), model(moved))
    with torch.no_grad():
        model.skip.layers[0].weight_LIO.zero_()
    assert torch.equal(model(rows), model(moved))


def test_a_new_layer_normalisation_equals_torchs_for_every_expert() -> None:
    norm = StackedLayerNorm(7, 3).double()
    x_NBO = normal(3, 5, 7) * 4 + 2
    expected = nn.LayerNorm(7).double()(x_NBO)
    torch.testing.assert_close(norm(x_NBO), expected)


@pytest.mark.parametrize("has_norm", [True, False])
def test_with_normalisation_the_scale_of_a_layer_does_not_matter(has_norm: bool) -> None:
    torch.manual_seed(0)
    perceptrons = Perceptrons(6, [8], 2, has_norm=has_norm).double()
    with torch.no_grad():
        perceptrons.layers[0].bias_LO.zero_()
    x_BD = normal(4, 6)
    is_same = torch.allclose(perceptrons(x_BD * 50), perceptrons(x_BD), atol=1e-3)
    assert is_same == has_norm


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


def test_the_default_of_the_space_is_the_default_of_the_model() -> None:
    space = load_space("m3oe")
    assert build_config("m3oe", space.values(space.default())).model == Config()
