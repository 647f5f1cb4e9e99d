"""Every option of HiNet equals the plain reference in double precision, forward and backward."""

import pytest
import torch
from pydantic import ValidationError
from reference.hinet import logits
from small_hinet import small
from small_models import assert_same_with_gradients, batch, randomise
from torch import nn

from hinet_search.data.schema import Schema
from hinet_search.models.hinet import Config

LAYOUTS = ["per_scenario", "global", "shared"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("num_levels", [1, 2, 3])
@pytest.mark.parametrize("scenarios", [(0, 1, 2), (2, 0)])
def test_every_layout_and_number_of_levels_equals_the_reference(
    layout: str, num_levels: int, scenarios: tuple[int, ...]
) -> None:
    model = small({"cgc.layout": layout, "cgc.num_levels": num_levels})
    rows = batch(rows=5, scenarios=scenarios)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


@pytest.mark.parametrize(
    "changes",
    [
        {"san.enabled": False},
        {"san.hidden_widths": [5, 4]},
        {"san.top_k": 1},
        {"san.top_k": 7},
        {"scenario.enabled": False},
        {"scenario.gate": "uniform"},
        {"scenario.num_specific_sub_experts": 1, "scenario.num_shared_sub_experts": 1},
        {"cgc.gate": "uniform"},
        {"cgc.num_shared_experts": 1, "cgc.num_specific_experts": 1, "cgc.widths": [3, 4]},
        {"tower.widths": []},
        {"loss.entire_space": True},
        {"released_code": True},
        {"released_code": True, "cgc.layout": "global"},
    ],
    ids=str,
)
@pytest.mark.parametrize("scenarios", [(0, 1, 2), (1,)])
def test_every_option_equals_the_reference_after_the_warm_up(
    changes: dict[str, object], scenarios: tuple[int, ...]
) -> None:
    model, rows = small(changes), batch(rows=5, scenarios=scenarios)
    model.begin_epoch(1)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


def test_one_scenario_equals_the_reference() -> None:
    schema = Schema(("only",), ("click", "order", "pay"), ("user",), (4,), ())
    model, rows = small({}, schema), batch(schema, rows=4)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


def test_three_tasks_of_a_funnel_equal_the_reference() -> None:
    schema = Schema(("a", "b"), ("click", "order", "pay"), ("user",), (4,), ("age",))
    model, rows = small({"loss.entire_space": True}, schema), batch(schema, rows=4)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


def test_before_the_warm_up_ends_top_k_attends_to_all_others() -> None:
    exact, limited, rows = small({}), small({"san.top_k": 1, "san.warmup_epochs": 2}), batch()
    limited.begin_epoch(0)
    limited.begin_epoch(1)
    torch.testing.assert_close(limited(rows), exact(rows), rtol=0, atol=1e-12)


def test_after_the_warm_up_every_scenario_attends_to_its_k_most_weighted_others() -> None:
    model = small({"san.top_k": 1, "san.warmup_epochs": 2})
    before = model.scenario.san()
    model.begin_epoch(2)
    assert torch.equal(
        model.scenario.san(), nn.functional.one_hot(before.argmax(dim=-1), 3).double()
    )


def test_the_choice_of_top_k_is_frozen_while_weights_change() -> None:
    schema = Schema(("a", "b", "c", "d", "e"), ("click",), ("user",), (4,), ())
    model = small({"san.top_k": 2}, schema)
    model.begin_epoch(1)
    kept_MM, weights = model.scenario.san() > 0, model.scenario.san()
    randomise(model.scenario.san, seed=7)
    model.begin_epoch(2)
    assert torch.equal(model.scenario.san() > 0, kept_MM)
    assert not torch.equal(model.scenario.san(), weights)


def test_the_choice_of_top_k_travels_with_the_weights() -> None:
    source, target, rows = small({"san.top_k": 1}), small({"san.top_k": 1}), batch()
    source.begin_epoch(1)
    target.load_state_dict(source.state_dict())
    assert torch.equal(target(rows), source(rows))


def test_top_k_computes_only_the_sub_experts_that_are_attended_to() -> None:
    schema = Schema(tuple("abcdef"), ("click",), ("user",), (4,), ())
    model, rows = small({"san.top_k": 2}, schema), batch(schema, rows=12)
    seen = []
    model.scenario.specific.register_forward_hook(
        lambda _m, inputs, _o: seen.append(len(inputs[0]))
    )
    model.begin_epoch(1)
    model(rows)
    assert seen == [12 * 3]


def test_released_code_refuses_options_that_it_would_ignore() -> None:
    with pytest.raises(ValidationError, match=r"leave san\.top_k and san\.hidden_widths out"):
        Config.model_validate({"released_code": True, "san": {"top_k": 2}})


def test_insight_shows_the_attention_table_with_a_diagonal_of_zero() -> None:
    model = small({})
    attention = torch.tensor(model.insight(batch()).attention, dtype=torch.float64)
    torch.testing.assert_close(attention, model.scenario.san())


def test_insight_without_san_shows_no_attention() -> None:
    assert small({"san.enabled": False}).insight(batch()).attention is None


def test_insight_names_gates_of_scenarios_that_have_rows() -> None:
    gates = small({}).insight(batch(scenarios=(0, 2))).gates
    assert [gate.where for gate in gates] == [
        "feed/shared sub-experts",
        "cart/shared sub-experts",
        "feed/specific sub-experts",
        "cart/specific sub-experts",
        "feed/click",
        "feed/order",
        "cart/click",
        "cart/order",
    ]
    assert gates[-1].experts == ("shared 1", "shared 2", "specific 1", "specific 2")


@pytest.mark.parametrize(
    ("layout", "shared", "own"),
    [
        ("per_scenario", "cart/", "cart/order"),
        ("global", "/", "cart/order"),
        ("shared", "/", "/order"),
    ],
)
def test_insight_names_the_owner_of_every_expert(layout: str, shared: str, own: str) -> None:
    owners = {
        gate.where: gate.owners for gate in small({"cgc.layout": layout}).insight(batch()).gates
    }
    assert owners["cart/order"] == (shared, shared, own, own)
    assert set(owners["cart/shared sub-experts"]) == {"/shared sub-experts"}
    assert set(owners["cart/specific sub-experts"]) == {"cart/specific sub-experts"}
