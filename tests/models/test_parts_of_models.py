"""What no comparison with a plain reference shows: where weights of models start, and what insight names."""

from dataclasses import replace

import pytest
import torch
from small_models import SCHEMA, batch
from test_every_option import small
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hinet_search.models import hamur, pepnet, star
from hinet_search.models.layers.linear import StackedLinear, StarLinear
from hinet_search.models.m2m import MetaUnit
from hinet_search.models.m3oe import KindWeights

CELLS = ["feed/click", "feed/order", "cart/click", "cart/order"]


def weights_of(layer: nn.Module) -> tuple[nn.Parameter, nn.Parameter]:
    return tuple(layer.parameters())[:2]


@pytest.mark.parametrize(
    "make",
    [lambda: StackedLinear(64, 500, 3), lambda: StarLinear(64, 500, 2, num_scenarios=2)],
    ids=["stacked", "shared ones of STAR"],
)
def test_weights_start_with_the_spread_of_linear_layers(make) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(64, 500)
    for start, expected in zip(weights_of(make()), weights_of(linear), strict=True):
        assert float(start.detach().std()) == pytest.approx(float(expected.detach().std()), rel=0.1)
        assert float(start.detach().abs().max()) <= 1 / 8


def test_at_the_start_star_has_one_main_network_and_acts_through_the_auxiliary_one() -> None:
    torch.manual_seed(0)
    model, rows = star.Model(star.Config(dropout=0.0), SCHEMA).double().eval(), batch()
    x_BD = model.embedding(rows)
    main = [model.star(x_BD, [12 * (m == p) for m in range(3)]) for p in range(3)]
    assert torch.equal(main[0], main[1])
    assert torch.equal(main[0], main[2])
    moved = [replace(rows, scenario_B=torch.full_like(rows.scenario_B, m)) for m in (0, 1)]
    assert not torch.equal(model(moved[0]), model(moved[1]))
    with torch.no_grad():
        model.scenario_embedding.weight.zero_()
    assert torch.equal(model(moved[0]), model(moved[1]))


def test_generated_weights_of_m2m_start_in_the_range_of_a_linear_layer() -> None:
    torch.manual_seed(0)
    unit, bound = MetaUnit(64, 16, 2, 1), 1 / 8
    start = unit.generators[0](torch.zeros(1, 16)).detach()
    assert float(start.abs().max()) <= bound
    assert float(start.std()) == pytest.approx(bound / 3**0.5, rel=0.05)
    step = unit.generators[0](torch.eye(16)).detach() - start  # one part of the knowledge is 1
    assert float(step.abs().max()) <= bound / 4 + 1e-6
    assert float(step.std()) == pytest.approx(bound / 4 / 3**0.5, rel=0.05)


def test_kinds_of_m3oe_start_at_the_weights_of_the_released_code() -> None:
    weights = KindWeights(3)
    assert weights.kind.sigmoid().item() == pytest.approx(0.7311, abs=1e-4)
    assert weights.own.sigmoid().item() == pytest.approx(0.7311, abs=1e-4)


def test_gates_of_pepnet_start_near_one() -> None:
    torch.manual_seed(0)
    model, seen = pepnet.Model(pepnet.Config(), SCHEMA).double().eval(), []
    for gate in model.modules():
        if isinstance(gate, pepnet.GateUnit):
            gate.register_forward_hook(lambda _gate, _inputs, scales: seen.append(scales))
    model(batch(rows=60))
    assert len(seen) == 3
    assert all((scales - 1).abs().mean() < 0.2 for scales in seen)


def fresh_hamur(**options: object) -> hamur.Model:
    torch.manual_seed(0)
    return hamur.Model(hamur.Config.model_validate({"dropout": 0.0, **options}), SCHEMA).double()


@pytest.mark.parametrize(("after", "adapted"), [("all", [5, 4]), ("last", [4])])
def test_hamur_adapts_every_hidden_layer_or_the_last(after: str, adapted: list[int]) -> None:
    model = fresh_hamur(widths=[5, 4], adapter={"width": 3, "after": after})
    assert [cell.down.u.weight.shape[1] for cell in model.adapters] == adapted


def test_units_of_hamurs_bottleneck_start_apart_and_stay_apart() -> None:
    """In the released code they start equal, so that they get equal gradients for ever."""
    model, rows = fresh_hamur(adapter={"width": 6}).train(), batch(rows=60)
    labels = torch.arange(120).view(60, 2).remainder(3).clamp(max=1).double()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _step in range(5):
        optimiser.zero_grad()
        binary_cross_entropy_with_logits(model(rows), labels).backward()
        optimiser.step()
        weight_NK = model.adapters[0].down.v.weight
        distances = torch.cdist(weight_NK, weight_NK) + torch.eye(6)
        assert distances.min() > 1e-3


@pytest.mark.parametrize(("slots", "own"), [("scenario_task", "cart/order"), ("task", "/order")])
def test_insight_of_ple_shows_specific_experts_owned_by_a_slot(slots: str, own: str) -> None:
    gates = small("ple", {"slots": slots}).insight(batch(scenarios=(0, 2))).gates
    assert [gate.where for gate in gates] == CELLS
    assert gates[0].experts == ("shared 1", "shared 2", "specific 1", "specific 2")
    assert gates[-1].owners == ("/", "/", own, own)


def test_insight_of_hmoe_shows_weights_over_experts_and_over_scores() -> None:
    gates = small("hmoe").insight(batch(scenarios=(0, 2))).gates
    assert [gate.where for gate in gates] == CELLS + [f"{name} scores" for name in CELLS]
    assert gates[0].experts == ("expert 1", "expert 2", "expert 3")
    assert gates[-1].experts == SCHEMA.scenarios
    owners = {gate.where: set(gate.owners) for gate in gates}
    assert (owners["cart/order"], owners["cart/order scores"]) == ({"/"}, {"/order scores"})


def test_insight_of_m3oe_shows_shares_of_the_three_kinds() -> None:
    model = small("m3oe")
    with torch.no_grad():
        model.scenario_weights.kind.fill_(-1000.0)
        model.task_weights.kind.fill_(0.0)
        model.task_weights.own.fill_(1000.0)
    gates = {gate.where: gate for gate in model.insight(batch(scenarios=(0, 2))).gates}
    names = ("common 1", "common 2", "scenario feed", "scenario search", "scenario cart")
    assert gates["cart/order"].experts == (*names, "task click", "task order")
    weights = gates["cart/order"].weights
    assert sum(weights[:2]) == pytest.approx(1 / 1.5)
    assert weights[2:] == pytest.approx((0, 0, 0, 0, 0.5 / 1.5))


def test_insight_of_m2m_is_the_mean_attention_of_a_task_in_a_scenario() -> None:
    model, rows = small("m2m"), batch(scenarios=(0, 2))
    x_BD = model.embedding(rows)
    knowledge = model.knowledge(x_BD, rows.scenario_B)
    weight_TBK = model.attention(model.experts(x_BD), model.tasks(), knowledge)
    for task, gate in enumerate(model.insight(rows).gates[-2:]):
        expected = weight_TBK[task, rows.scenario_B == 2].mean(dim=0)
        assert gate.weights == pytest.approx(expected.tolist())


@pytest.mark.parametrize(
    ("name", "gate"), [("mmoe", "gate"), ("hmoe", "gate"), ("ple", "cgc.last.gate")]
)
def test_insight_of_gates_that_prefer_one_expert_names_it(name: str, gate: str) -> None:
    model = small(name)
    with torch.no_grad():
        weight_LIO = model.get_submodule(gate).logits.weight_LIO
        weight_LIO.zero_()
        weight_LIO[:, -1, 0] = 1000.0  # the last input is a number, 1 in all rows
    rows = replace(batch(), numeric_BN=torch.ones_like(batch().numeric_BN))
    gates = [gate for gate in model.insight(rows).gates if not gate.where.endswith(" scores")]
    assert len(gates) == 6
    for of_cell in gates:
        assert of_cell.weights[:2] == (1.0, 0.0)
