"""M2M: generated weights, attention over experts and residual towers."""

from dataclasses import replace

import pytest
import torch
from reference.m2m import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise
from torch import nn
from torch.nn.functional import leaky_relu

from hinet_search.data.schema import Schema
from hinet_search.models.layers.measure import count_parameters
from hinet_search.models.m2m import Config, MetaUnit, Model
from hinet_search.study.search_space import load_space
from hinet_search.training.trial_config import build_config

SMALL: dict[str, object] = {
    "embedding_dim": 2,
    "num_experts": 3,
    "expert": {"widths": [4, 3]},
    "knowledge_width": 3,
    "dropout": 0.0,
}


def small(changes: dict[str, object], schema: Schema = SCHEMA) -> Model:
    return randomise(Model(Config.model_validate({**SMALL, **changes}), schema))


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def forget_knowledge(model: Model) -> None:
    """Make every generated weight a constant."""
    with torch.no_grad():
        for unit in (module for module in model.modules() if isinstance(module, MetaUnit)):
            for generator in unit.generators:
                generator.weight_LIO.zero_()


def silence(unit: MetaUnit) -> None:
    """Make a meta unit output 0."""
    with torch.no_grad():
        for parameter in unit.parameters():
            parameter.zero_()


@pytest.mark.parametrize(
    "changes",
    [{"num_experts": 1}, {"expert": {"widths": [5]}}, {"unit_layers": 2}, {"tower_layers": 3}],
    ids=str,
)
@pytest.mark.parametrize("scenarios", [(0, 1, 2), (2, 0), (1,)], ids=str)
def test_every_option_equals_the_reference(
    changes: dict[str, object], scenarios: tuple[int, ...]
) -> None:
    model, rows = small(changes), batch(rows=5, scenarios=scenarios)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


def test_a_meta_unit_is_a_layer_with_the_weights_that_knowledge_generates() -> None:
    unit, h, knowledge = randomise(MetaUnit(3, 2, 2, 1)), drawn(2, 4, 5, 3), drawn(4, 2, seed=1)
    generated = unit.generators[0](knowledge)
    for task in range(2):
        for row in range(4):
            layer = nn.Linear(3, 3).double()
            with torch.no_grad():
                layer.weight.copy_(generated[task, row, :9].reshape(3, 3).T)
                layer.bias.copy_(generated[task, row, 9:])
            expected = leaky_relu(layer(h[task, row]))
            torch.testing.assert_close(unit(h, knowledge)[task, row], expected)


def test_the_same_view_passes_through_other_weights_in_another_scenario() -> None:
    model, rows = small({}), batch()
    moved = replace(rows, scenario_B=(rows.scenario_B + 1) % 3)
    assert ((model(rows) - model(moved)).abs() > 1e-6).all()
    forget_knowledge(model)
    assert torch.equal(model(rows), model(moved))


def test_knowledge_is_of_the_row_too_so_rows_of_a_scenario_have_weights_of_their_own() -> None:
    model = small({})
    x, scenario = drawn(2, model.embedding.width), torch.tensor([1, 1])
    first, second = model.tower.units[0].generators[0](model.knowledge(x, scenario))[0]
    assert ((first - second).abs() > 1e-9).all()


@pytest.mark.parametrize("part", ["attention", "tower"])
def test_knowledge_reaches_the_logits_through_attention_and_through_towers(part: str) -> None:
    model, rows = small({}), batch()
    moved = replace(rows, scenario_B=(rows.scenario_B + 1) % 3)
    units = {"attention": [model.attention.unit], "tower": list(model.tower.units)}
    for name, others in units.items():
        if name != part:
            for unit in others:
                silence(unit)
    assert ((model(rows) - model(moved)).abs() > 1e-9).all()


def test_attention_sums_to_one_and_differs_between_tasks_and_scenarios() -> None:
    model, views = small({}), drawn(3, 6, 3)
    x, scenario = drawn(1, model.embedding.width, seed=1).expand(6, -1), torch.arange(6) % 3
    weights = model.attention(
        views[:, :1].expand(-1, 6, -1), model.tasks(), model.knowledge(x, scenario)
    )
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 6, dtype=torch.float64))
    assert ((weights[0] - weights[1]).abs() > 1e-6).all()
    assert ((weights[:, 0] - weights[:, 1]).abs() > 1e-6).all()
    torch.testing.assert_close(weights[:, :3], weights[:, 3:])


def test_the_attention_sees_the_view_of_the_task() -> None:
    model, views = small({}), drawn(3, 6, 3)
    knowledge, tasks = drawn(6, 3, seed=1), model.tasks()
    before = model.attention(views, tasks, knowledge)
    after = model.attention(views, tasks + torch.tensor([[1.0], [0.0]]), knowledge)
    changed = ((after - before).abs() > 1e-9).flatten(start_dim=1).all(dim=1)
    assert changed.tolist() == [True, False]


def test_a_silent_meta_unit_leaves_the_residual() -> None:
    model, r = small({"tower_layers": 3}), drawn(2, 6, 3).abs()
    for unit in model.tower.units:
        silence(unit)
    expected = model.tower.output(r)[:, :, 0].T
    torch.testing.assert_close(model.tower(r, drawn(6, 3)), expected, rtol=0, atol=1e-12)


def test_one_expert_gets_all_the_attention_whatever_the_scenario() -> None:
    model = small({"num_experts": 1})
    weights = model.attention(drawn(1, 6, 3), model.tasks(), drawn(6, 3))
    assert torch.equal(weights, torch.ones(2, 6, 1, dtype=torch.float64))


def test_another_scenario_costs_one_vector() -> None:
    few, more = (
        Schema(("a", "b", "c", "d")[:m], ("click",), (), (), ("age", "price")) for m in (2, 4)
    )
    dense = [count_parameters(small({}, schema))[1] for schema in (few, more)]
    assert dense[1] - dense[0] == 2 * SMALL["embedding_dim"]


@pytest.mark.parametrize("scenario", range(3))
def test_rows_of_a_scenario_train_the_vector_of_that_scenario_alone(scenario: int) -> None:
    model = small({})
    model(batch(rows=40, scenarios=(scenario,))).sum().backward()
    trained = (model.knowledge.scenario_embedding.weight.grad != 0).any(dim=1)
    assert trained.tolist() == [m == scenario for m in range(3)]


def test_generated_weights_start_in_the_range_of_a_linear_layer() -> None:
    torch.manual_seed(0)
    unit, bound = MetaUnit(64, 16, 2, 1), 1 / 8
    start = unit.generators[0](torch.zeros(1, 16)).detach()
    assert float(start.abs().max()) <= bound
    assert float(start.std()) == pytest.approx(bound / 3**0.5, rel=0.05)
    step = unit.generators[0](torch.eye(16)).detach() - start  # one part of the knowledge is 1
    assert float(step.abs().max()) <= bound / 4 + 1e-6
    assert float(step.std()) == pytest.approx(bound / 4 / 3**0.5, rel=0.05)


def test_insight_shows_the_attention_of_present_scenarios() -> None:
    model, rows = small({}), batch(scenarios=(0, 2))
    gates = model.insight(rows).gates
    assert [gate.where for gate in gates] == [
        "feed/click",
        "feed/order",
        "cart/click",
        "cart/order",
    ]
    x = model.embedding(rows)
    weights = model.attention(model.experts(x), model.tasks(), model.knowledge(x, rows.scenario_B))
    expected = weights[1, rows.scenario_B == 2].mean(dim=0)
    assert gates[-1].weights == pytest.approx(expected.tolist())


def test_the_default_of_the_space_is_the_default_of_the_model() -> None:
    space = load_space("m2m")
    assert build_config("m2m", space.values(space.default())).model == Config()
