"""HMoE: how scenarios weigh the scores of others, and that those scores get no gradient."""

from dataclasses import replace

import pytest
import torch
from reference.hmoe import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise
from torch import nn

from hinet_search.data.schema import Schema
from hinet_search.models import mmoe
from hinet_search.models.hmoe import Config, Model
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.stacked_linear import StackedLinear

NUM_SCENARIOS, NUM_TASKS = SCHEMA.num_scenarios, SCHEMA.num_tasks
SMALL = {
    "embedding_dim": 2,
    "num_experts": 3,
    "expert": {"widths": [4, 3]},
    "tower": {"widths": [3]},
}


def small(changes: dict[str, object], schema: Schema = SCHEMA) -> nn.Module:
    return randomise(Model(Config.model_validate({**SMALL, **changes}), schema))


def same_in_mmoe(model: nn.Module) -> nn.Module:
    """Return an MMoE with the embedding, experts, gates and towers of `model`."""
    bare = mmoe.Model(mmoe.Config.model_validate(SMALL), SCHEMA).double().eval()
    shared = {
        path: value
        for path, value in model.state_dict().items()
        if not path.startswith("relation.")
    }
    bare.load_state_dict(shared)
    return bare


def trained_scenarios(layer: StackedLinear) -> list[bool]:
    """Return whether the layers of each scenario got any gradient, however small."""
    return (
        (layer.weight_LIO.grad.unflatten(0, (NUM_SCENARIOS, -1)).flatten(1) != 0)
        .any(dim=1)
        .tolist()
    )


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


def test_rows_give_gates_and_towers_of_other_scenarios_exactly_zero_gradient() -> None:
    model = small({})
    model(batch(scenarios=(1,))).sum().backward()
    heads = [
        model.gate.logits,
        *model.towers.hidden.layers,
        model.towers.output,
        model.relation.logits,
    ]
    assert [trained_scenarios(head) for head in heads] == [[False, True, False]] * len(heads)


def test_rows_that_only_borrow_scores_give_the_experts_exactly_zero_gradient() -> None:
    model = small({})
    look_at(model, [2, 0, 0])
    model(numeric_one()).sum().backward()
    assert all(torch.equal(p.grad, torch.zeros_like(p)) for p in model.experts.parameters())


@pytest.mark.parametrize("chosen", [[1, 2, 0], [0, 0, 0], [2, 1, 1]], ids=str)
def test_a_scenario_that_looks_at_one_scenario_returns_its_score(chosen: list[int]) -> None:
    model, rows = small({}), numeric_one()
    look_at(model, chosen)
    expected = scores(model, rows)[torch.tensor(chosen)[rows.scenario_B], torch.arange(len(rows))]
    torch.testing.assert_close(model(rows), expected, rtol=0, atol=1e-12)


def test_scenarios_that_look_at_themselves_are_an_mmoe() -> None:
    model, rows = small({}), numeric_one()
    look_at(model, [0, 1, 2])
    torch.testing.assert_close(model(rows), same_in_mmoe(model)(rows), rtol=0, atol=1e-12)


def test_scenarios_whose_scores_agree_return_that_score_whatever_the_weights() -> None:
    model, rows = small({}), batch()
    with torch.no_grad():
        for parameter in [*model.gate.parameters(), *model.towers.parameters()]:
            parameter.copy_(
                parameter[:NUM_TASKS].repeat(NUM_SCENARIOS, *[1] * (parameter.dim() - 1))
            )
    torch.testing.assert_close(model(rows), same_in_mmoe(model)(rows), rtol=0, atol=1e-12)


def test_the_fused_score_lies_between_the_lowest_and_the_highest_score() -> None:
    model, rows = small({}), batch(rows=60)
    fused, of_scenarios = model(rows), scores(model, rows)
    assert ((of_scenarios.amin(dim=0) < fused) & (fused < of_scenarios.amax(dim=0))).all()


def test_the_tower_of_a_scenario_scores_rows_of_all_others() -> None:
    model, rows = small({}), batch()
    before = model(rows)
    with torch.no_grad():
        model.towers.output.bias_LO[2 * NUM_TASKS :] += 1
    assert (model(rows) > before).all()


def test_weights_sum_to_one_over_the_scenarios() -> None:
    model = small({})
    x = torch.randn(
        4, model.embedding.width, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    weights = model.relation(x, [1, 2, 1])
    assert weights.shape == (NUM_TASKS, 4, NUM_SCENARIOS)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(NUM_TASKS, 4, dtype=torch.float64))


def test_weights_differ_between_rows_and_between_tasks() -> None:
    model = small({})
    weights = model.relation(model.embedding(batch(scenarios=(0,))), [12, 0, 0])
    assert (weights[0] != weights[1]).all()
    assert (weights[:, 1:] != weights[:, :-1]).any()


def test_experts_see_a_row_once_so_own_and_borrowed_scores_share_their_dropout() -> None:
    model, calls = small({"dropout": 0.5}).train(), []
    model.experts.register_forward_hook(
        lambda _experts, inputs, _output: calls.append(len(inputs[0]))
    )
    model(batch(rows=7))
    assert calls == [7]


def test_permuting_the_scenarios_permutes_the_logits() -> None:
    model, permuted = small({}), small({})
    order = torch.tensor([2, 0, 1])  # new scenario number i was number order[i]
    with torch.no_grad():
        for part in (permuted.gate, permuted.towers, permuted.relation):
            for parameter in part.parameters():
                parameter.copy_(parameter.unflatten(0, (NUM_SCENARIOS, -1))[order].flatten(0, 1))
        relation = permuted.relation.logits.weight_LIO
        relation.copy_(relation[:, :, order].clone())
        permuted.embedding.table.weight[-NUM_SCENARIOS:] = model.embedding.table.weight[
            -NUM_SCENARIOS:
        ][order]
    rows = batch()
    renamed = replace(rows, scenario_B=order.argsort()[rows.scenario_B])
    torch.testing.assert_close(permuted(renamed), model(rows), rtol=0, atol=1e-12)


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
