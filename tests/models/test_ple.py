"""PLE: its slots and levels, what its gates see, and what a row trains."""

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from reference.ple import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise
from torch import nn

from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.ple import Config, Model

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
