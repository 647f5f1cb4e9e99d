"""HMoE: how scenarios weigh the scores of others, and that those scores get no gradient."""

from dataclasses import replace

import pytest
import torch
from reference.hmoe import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise
from torch import nn

from hinet_search.data.schema import Schema
from hinet_search.models.hmoe import Config, Model
from hinet_search.models.layers.batch import Batch

NUM_SCENARIOS, NUM_TASKS = SCHEMA.num_scenarios, SCHEMA.num_tasks
SMALL = {
    "embedding_dim": 2,
    "num_experts": 3,
    "expert": {"widths": [4, 3]},
    "tower": {"widths": [3]},
}


def small(changes: dict[str, object], schema: Schema = SCHEMA) -> nn.Module:
    return randomise(Model(Config.model_validate({**SMALL, **changes}), schema))


def look_at(model: nn.Module, chosen: list[int]) -> None:
    """Make scenario t take only the score of scenario chosen[t].

    This holds in rows whose numeric input, the last one, is 1.
    """
    weight_LIO = model.relation.logits.weight_LIO
    with torch.no_grad():
        weight_LIO.zero_()
        for cell in range(NUM_SCENARIOS * NUM_TASKS):
            weight_LIO[cell, -1, chosen[cell // NUM_TASKS]] = 1000.0


def numeric_one(scenarios: tuple[int, ...] | None = None) -> Batch:
    rows = batch(scenarios=scenarios)
    return replace(rows, numeric_BN=torch.ones_like(rows.numeric_BN))


def scores(model: nn.Module, rows: Batch) -> torch.Tensor:
    """Return S of every scenario, (M, B, T): an MMoE's logits with the heads of scenario m."""
    x_BD = model.embedding(rows)
    y_KBH = model.experts(x_BD)
    f_LBH = (model.gate(x_BD).unsqueeze(-1) * y_KBH.transpose(0, 1)).sum(dim=2)
    return model.towers(f_LBH).T.unflatten(0, (NUM_SCENARIOS, NUM_TASKS)).transpose(1, 2)


@pytest.mark.parametrize(
    "changes",
    [{}, {"num_experts": 1}, {"expert": {"widths": [4]}}, {"tower": {"widths": []}}],
    ids=str,
)
@pytest.mark.parametrize("scenarios", [(0, 1, 2), (2, 0), (1,)])
def test_every_option_equals_the_reference(
    changes: dict[str, object], scenarios: tuple[int, ...]
) -> None:
    model, rows = small(changes), batch(rows=5, scenarios=scenarios)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


@pytest.mark.parametrize("scenarios", [("only",), ("a", "b", "c", "d")], ids=len)
def test_other_numbers_of_scenarios_and_tasks_equal_the_reference(
    scenarios: tuple[str, ...],
) -> None:
    schema = Schema(scenarios, ("click", "order", "pay"), ("user",), (4,), ())
    model, rows = small({}, schema), batch(schema, rows=5)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


def test_experts_see_a_row_once_so_own_and_borrowed_scores_share_their_dropout() -> None:
    model, calls = small({"dropout": 0.5}).train(), []
    model.experts.register_forward_hook(
        lambda _experts, inputs, _output: calls.append(len(inputs[0]))
    )
    model(batch(rows=7))
    assert calls == [7]


def test_insight_shows_weights_over_experts_and_over_scores() -> None:
    gates = small({}).insight(batch(scenarios=(0, 2))).gates
    names = ["feed/click", "feed/order", "cart/click", "cart/order"]
    assert [gate.where for gate in gates] == names + [f"{name} scores" for name in names]
    assert gates[0].experts == ("expert 1", "expert 2", "expert 3")
    assert gates[-1].experts == SCHEMA.scenarios


def test_insight_shows_experts_owned_by_all_and_towers_by_a_task() -> None:
    owners = {gate.where: set(gate.owners) for gate in small({}).insight(batch()).gates}
    assert (owners["cart/order"], owners["cart/order scores"]) == ({"/"}, {"/order scores"})


def test_insight_of_scenarios_that_look_at_one_another_shows_whom_they_look_at() -> None:
    model = small({})
    look_at(model, [1, 2, 0])
    weights = {gate.where: gate.weights for gate in model.insight(numeric_one()).gates}
    assert weights["feed/click scores"] == (0.0, 1.0, 0.0)
    assert weights["cart/order scores"] == (1.0, 0.0, 0.0)
