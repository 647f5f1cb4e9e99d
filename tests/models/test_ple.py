"""PLE: its slots and levels, what its gates see, and what a row trains."""

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from reference.ple import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise, take
from torch import nn

from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.stacked_linear import StackedLinear
from hinet_search.models.ple import Config, Model

NUM_SCENARIOS, NUM_TASKS = SCHEMA.num_scenarios, SCHEMA.num_tasks
SMALL = {
    "embedding_dim": 2,
    "num_shared_experts": 2,
    "num_specific_experts": 2,
    "expert": {"widths": [4, 3]},
    "tower": {"widths": [3]},
}
every_slots = pytest.mark.parametrize("slots", ["scenario_task", "task"])


def small(changes: dict[str, object], schema: Schema = SCHEMA) -> nn.Module:
    return randomise(Model(Config.model_validate({**SMALL, **changes}), schema))


def trained_scenarios(layer: StackedLinear) -> list[bool]:
    """Return whether the layers of each scenario got any gradient."""
    return (
        (layer.weight_LIO.grad.unflatten(0, (NUM_SCENARIOS, -1)).flatten(1) != 0)
        .any(dim=1)
        .tolist()
    )


def prefer(gate: nn.Module, expert: int) -> None:
    """Give all weight of every gate to one expert in rows whose last numeric input is 1."""
    with torch.no_grad():
        gate.logits.weight_LIO.zero_()
        gate.logits.weight_LIO[:, -1, expert] = 1000.0


def with_numeric_one(rows: Batch) -> Batch:
    return replace(rows, numeric_BN=torch.ones_like(rows.numeric_BN))


@every_slots
@pytest.mark.parametrize("num_levels", [1, 2, 3])
@pytest.mark.parametrize("scenarios", [(0, 1, 2), (2, 0)])
def test_any_slots_and_number_of_levels_equal_the_reference(
    slots: str, num_levels: int, scenarios: tuple[int, ...]
) -> None:
    model = small({"slots": slots, "num_levels": num_levels})
    rows = batch(rows=5, scenarios=scenarios)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


@pytest.mark.parametrize(
    "changes",
    [
        {"tower": {"widths": []}},
        {"expert": {"widths": [4]}},
        {"num_shared_experts": 1, "num_specific_experts": 1},
        {"num_shared_experts": 3, "num_specific_experts": 1, "slots": "task"},
    ],
    ids=str,
)
def test_every_option_equals_the_reference_with_two_levels(changes: dict[str, object]) -> None:
    model, rows = small({"num_levels": 2, **changes}), batch(rows=5)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


@every_slots
@pytest.mark.parametrize("scenarios", [("only",), ("a", "b", "c", "d")], ids=len)
def test_other_numbers_of_scenarios_and_tasks_equal_the_reference(
    slots: str, scenarios: tuple[str, ...]
) -> None:
    schema = Schema(scenarios, ("click", "order", "pay"), ("user",), (4,), ())
    model, rows = small({"slots": slots, "num_levels": 2}, schema), batch(schema, rows=5)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


@every_slots
def test_a_row_alone_gets_the_same_logits_as_in_a_batch_with_two_levels(slots: str) -> None:
    model, rows = small({"slots": slots, "num_levels": 2}), batch()
    alone = torch.cat([model(take(rows, torch.tensor([row]))) for row in range(len(rows))])
    torch.testing.assert_close(alone, model(rows), rtol=0, atol=1e-12)


@every_slots
@pytest.mark.parametrize("num_levels", [1, 2, 3])
def test_no_parameter_is_unused_at_the_last_level_or_below(slots: str, num_levels: int) -> None:
    model = small({"slots": slots, "num_levels": num_levels})
    model(batch(rows=48)).square().sum().backward()
    unused = [
        path for path, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert unused == []


def test_only_the_last_level_has_no_shared_gate() -> None:
    model = small({"num_levels": 3})
    assert [level.shared_gate is None for level in [*model.cgc.below, model.cgc.last]] == [
        False,
        False,
        True,
    ]


@every_slots
def test_gates_sum_to_one_over_own_and_shared_experts(slots: str) -> None:
    model = small({"slots": slots, "num_shared_experts": 3})
    x = torch.randn(
        4, model.embedding.width, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    weights = model.cgc.last_gates(x, [1, 2, 1])
    assert weights.shape == (NUM_TASKS, 4, 3 + 2)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(NUM_TASKS, 4, dtype=torch.float64))


def test_a_shared_gate_weighs_the_experts_of_all_slots() -> None:
    by_cell, by_task = small({"num_levels": 2}), small({"num_levels": 2, "slots": "task"})
    assert by_cell.cgc.below[0].shared_gate.num_experts == 2 + NUM_SCENARIOS * NUM_TASKS * 2
    assert by_task.cgc.below[0].shared_gate.num_experts == 2 + NUM_TASKS * 2


@pytest.mark.parametrize("shared_expert", [0, 1])
def test_a_gate_that_prefers_a_shared_expert_passes_it_to_every_tower(shared_expert: int) -> None:
    model, rows = small({"tower": {"widths": []}}), with_numeric_one(batch())
    prefer(model.cgc.last.gate, shared_expert)
    with torch.no_grad():
        model.towers.output.weight_LIO.copy_(model.towers.output.weight_LIO[:1].expand(6, 3, 1))
        model.towers.output.bias_LO.zero_()
    expert_BH = model.cgc.last.shared(model.embedding(rows))[shared_expert]
    expected_B = expert_BH @ model.towers.output.weight_LIO[0, :, 0]
    torch.testing.assert_close(
        model(rows), expected_B.unsqueeze(-1).expand(-1, 2), rtol=0, atol=1e-12
    )


def test_gates_that_prefer_own_experts_leave_the_shared_experts_untrained() -> None:
    model, rows = small({}), with_numeric_one(batch())
    prefer(model.cgc.last.gate, 2)
    model(rows).sum().backward()
    assert all(torch.equal(p.grad, torch.zeros_like(p)) for p in model.cgc.last.shared.parameters())
    assert all(trained_scenarios(layer) == [True] * 3 for layer in model.cgc.last.specific.layers)


def test_rows_of_a_scenario_train_no_slot_of_another_scenario_in_one_level() -> None:
    model = small({})
    model(batch(scenarios=(1,))).sum().backward()
    own = [False, True, False]
    heads = [model.cgc.last.gate.logits, *model.cgc.last.specific.layers, model.towers.output]
    assert [trained_scenarios(head) for head in heads] == [own] * len(heads)


def test_lower_levels_train_experts_but_not_gates_of_other_scenarios() -> None:
    model = small({"num_levels": 2})
    model(batch(scenarios=(1,))).sum().backward()
    below, own = model.cgc.below[0], [False, True, False]
    assert [trained_scenarios(layer) for layer in below.specific.layers] == [[True] * 3] * 2
    assert trained_scenarios(below.gate.logits) == own
    assert [trained_scenarios(layer) for layer in model.cgc.last.specific.layers] == [own] * 2


def test_a_shared_gate_that_prefers_a_shared_expert_trains_no_expert_of_others() -> None:
    model, rows = small({"num_levels": 2}), with_numeric_one(batch(scenarios=(1,)))
    prefer(model.cgc.below[0].shared_gate, 0)
    model(rows).sum().backward()
    assert [trained_scenarios(layer) for layer in model.cgc.below[0].specific.layers] == [
        [False, True, False]
    ] * 2


def test_the_second_level_selects_by_the_output_of_the_slot_in_the_first() -> None:
    model, rows = small({"num_levels": 2}), batch(rows=1, scenarios=(0,))
    selectors = []
    model.cgc.last.gate.register_forward_hook(
        lambda _gate, inputs, _weights: selectors.append(inputs[0])
    )
    model(rows)
    x_BD = model.embedding(rows)
    _, slots_SBH = model.cgc.below[0](x_BD, x_BD, [1, 0, 0])
    torch.testing.assert_close(selectors[0], slots_SBH[:NUM_TASKS], rtol=0, atol=1e-12)


def with_one_scenario_in_embedding_and_towers(slots: str) -> nn.Module:
    model = small({"slots": slots, "num_levels": 2})
    with torch.no_grad():
        scenarios = model.embedding.table.weight[-NUM_SCENARIOS:]
        scenarios.copy_(scenarios[:1].expand_as(scenarios))
        for parameter in model.towers.parameters():
            parameter.copy_(
                parameter[:NUM_TASKS].repeat(NUM_SCENARIOS, *[1] * (parameter.dim() - 1))
            )
    return model


def moved(rows: Batch) -> Batch:
    return replace(rows, scenario_B=(rows.scenario_B + 1) % NUM_SCENARIOS)


def test_slots_of_tasks_distinguish_scenarios_only_by_embedding_and_tower() -> None:
    model, rows = with_one_scenario_in_embedding_and_towers("task"), batch()
    torch.testing.assert_close(model(moved(rows)), model(rows), rtol=0, atol=1e-12)


def test_slots_of_scenarios_distinguish_scenarios_without_embedding_and_tower() -> None:
    model, rows = with_one_scenario_in_embedding_and_towers("scenario_task"), batch()
    assert ((model(moved(rows)) - model(rows)).abs() > 1e-3).any()


def test_permuting_the_scenarios_permutes_the_logits() -> None:
    model, permuted = small({}), small({})
    order = torch.tensor([2, 0, 1])  # new scenario number i was number order[i]
    with torch.no_grad():
        last, towers = permuted.cgc.last, permuted.towers
        for part in (last.gate, last.specific, towers):
            for parameter in part.parameters():
                parameter.copy_(parameter.unflatten(0, (NUM_SCENARIOS, -1))[order].flatten(0, 1))
        permuted.embedding.table.weight[-NUM_SCENARIOS:] = model.embedding.table.weight[
            -NUM_SCENARIOS:
        ][order]
    rows = batch()
    renamed = replace(rows, scenario_B=order.argsort()[rows.scenario_B])
    torch.testing.assert_close(permuted(renamed), model(rows), rtol=0, atol=1e-12)


def test_insight_names_shared_then_own_experts_of_scenarios_that_have_rows() -> None:
    gates = small({}).insight(batch(scenarios=(0, 2))).gates
    assert [gate.where for gate in gates] == [
        "feed/click",
        "feed/order",
        "cart/click",
        "cart/order",
    ]
    assert gates[0].experts == ("shared 1", "shared 2", "specific 1", "specific 2")


@pytest.mark.parametrize(("slots", "own"), [("scenario_task", "cart/order"), ("task", "/order")])
def test_insight_shows_specific_experts_owned_by_a_slot(slots: str, own: str) -> None:
    gates = small({"slots": slots}).insight(batch()).gates
    assert (gates[-1].where, gates[-1].owners) == ("cart/order", ("/", "/", own, own))


def test_insight_of_gates_that_prefer_one_expert_shows_it() -> None:
    model = small({})
    prefer(model.cgc.last.gate, 1)
    assert {gate.weights for gate in model.insight(with_numeric_one(batch())).gates} == {
        (0.0, 1.0, 0.0, 0.0)
    }


def test_default_slots_are_the_scenarios_times_the_tasks() -> None:
    model = Model(Config(num_levels=2), SCHEMA)
    assert [
        level.gate.num_gates * level.gate.num_groups for level in [*model.cgc.below, model.cgc.last]
    ] == [6, 6]


@pytest.mark.parametrize(
    "change", [{"slots": "scenario"}, {"num_levels": 0}, {"num_shared_experts": 0}], ids=str
)
def test_impossible_options_are_errors(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        Config.model_validate(change)
