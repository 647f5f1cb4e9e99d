"""M2M: generated weights, attention over experts and residual towers."""

import pytest
import torch
from reference.m2m import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise

from hinet_search.data.schema import Schema
from hinet_search.models.layers.measure import count_parameters
from hinet_search.models.m2m import Config, MetaUnit, Model

SMALL: dict[str, object] = {
    "embedding_dim": 2,
    "num_experts": 3,
    "expert": {"widths": [4, 3]},
    "knowledge_width": 3,
    "dropout": 0.0,
}


def small(changes: dict[str, object], schema: Schema = SCHEMA) -> Model:
    return randomise(Model(Config.model_validate({**SMALL, **changes}), schema))


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


def test_another_scenario_costs_one_vector() -> None:
    few, more = (
        Schema(("a", "b", "c", "d")[:m], ("click",), (), (), ("age", "price")) for m in (2, 4)
    )
    dense = [count_parameters(small({}, schema))[1] for schema in (few, more)]
    assert dense[1] - dense[0] == 2 * SMALL["embedding_dim"]


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
