"""PEPNet: what the gates scale, what they see, and what they do not train."""

from dataclasses import replace

import pytest
import torch
from reference.pepnet import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise

from hinet_search.data.schema import Schema
from hinet_search.models.pepnet import Config, GateUnit, Model
from hinet_search.study.search_space import load_space
from hinet_search.training.trial_config import build_config

SMALL: dict[str, object] = {"embedding_dim": 2, "widths": [4, 3], "gate_width": 5, "dropout": 0.0}


def small(changes: dict[str, object], schema: Schema = SCHEMA) -> Model:
    return randomise(Model(Config.model_validate({**SMALL, **changes}), schema))


def gates_of(model: Model) -> list[GateUnit]:
    return [module for module in model.modules() if isinstance(module, GateUnit)]


def open_gates(model: Model) -> None:
    """Make every gate 1, whatever it sees."""
    with torch.no_grad():
        for gate in gates_of(model):
            gate.output.weight_LIO.zero_()
            gate.output.bias_LO.zero_()


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(
        *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    ).requires_grad_()


@pytest.mark.parametrize(
    "changes", [{"widths": [5]}, {"widths": [4, 4, 3]}, {"gate_width": 1}], ids=str
)
@pytest.mark.parametrize("scenarios", [(0, 1, 2), (2, 0), (1,)], ids=str)
def test_every_option_equals_the_reference(
    changes: dict[str, object], scenarios: tuple[int, ...]
) -> None:
    model, rows = small(changes), batch(rows=7, scenarios=scenarios)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


def test_without_categorical_fields_the_gates_see_the_input_alone() -> None:
    schema = Schema(("a", "b"), ("click", "order"), (), (), ("age", "price"))
    model, rows = small({}, schema), batch(schema, rows=5)
    assert model.ppnet.gates[0].hidden.weight_LIO.shape[1] == 2
    assert_same_with_gradients(model, model(rows), logits(model, rows))


def test_a_gate_lies_between_zero_and_two() -> None:
    gate = randomise(GateUnit(3, 4, 5, 2))
    with torch.no_grad():
        gate.output.weight_LIO.mul_(1000)
    scales = gate(drawn(50, 3)).detach()
    assert scales.min() == pytest.approx(0, abs=1e-9)
    assert scales.max() == pytest.approx(2, abs=1e-9)


def test_gates_start_near_one() -> None:
    torch.manual_seed(0)
    model, seen = Model(Config(), SCHEMA).double().eval(), []
    for gate in gates_of(model):
        gate.register_forward_hook(lambda _gate, _inputs, scales: seen.append(scales))
    model(batch(rows=60))
    assert len(seen) == 3
    assert all((scales - 1).abs().mean() < 0.2 for scales in seen)


def test_with_open_gates_it_is_a_tower_per_task_on_the_plain_embedding() -> None:
    model, rows = small({}), batch()
    open_gates(model)
    hidden = model.embedding(rows)
    for layer in model.ppnet.hidden:
        hidden = torch.relu(layer(hidden))
    expected = model.ppnet.output(hidden)[:, :, 0].T
    torch.testing.assert_close(model(rows), expected, rtol=0, atol=1e-12)


def test_epnet_scales_every_part_of_the_input_by_what_its_gate_says() -> None:
    model, x, scenario = small({}), drawn(6, 5), drawn(6, 2, seed=1)
    scales = model.epnet.gate(torch.cat([scenario, x], dim=-1))[0]
    torch.testing.assert_close(model.epnet(x, scenario), scales * x)
    assert ((scales - 1).abs() > 1e-3).all()


def test_the_gate_of_epnet_sees_the_input_but_does_not_train_it() -> None:
    model, x, scenario = small({}), drawn(6, 5), drawn(6, 2, seed=1)
    o = model.epnet(x, scenario)
    o.sum().backward()
    scales = (o / x).detach()
    torch.testing.assert_close(x.grad, scales)  # that of a product with a constant
    assert (scenario.grad != 0).any()
    assert ((model.epnet(x + 1, scenario) / (x + 1) - scales).abs() > 1e-6).all()


def test_the_gates_of_ppnet_see_the_input_and_the_prior_and_train_the_prior_alone() -> None:
    model, o, prior = small({}), drawn(6, 5), drawn(6, 4, seed=1)
    with torch.no_grad():  # now the input acts through the gates alone
        model.ppnet.hidden[0].weight_LIO.zero_()
        model.ppnet.hidden[0].bias_LO.fill_(1.0)
    before = model.ppnet(o, prior)
    before.sum().backward()
    assert o.grad is None or torch.equal(o.grad, torch.zeros_like(o))
    assert (prior.grad != 0).any(dim=1).all()
    for moved in (model.ppnet(o + 1, prior), model.ppnet(o, prior + 1)):
        assert ((moved - before).abs() > 1e-6).all()


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("task", [0, 1])
def test_a_closed_gate_silences_a_hidden_layer_of_one_task(layer: int, task: int) -> None:
    o, prior = drawn(6, 5), drawn(6, 4, seed=1)
    gated, silent = small({}), small({})
    before = gated.ppnet(o, prior)
    with torch.no_grad():
        gated.ppnet.gates[layer].output.bias_LO[task] = -1000.0
        silent.ppnet.hidden[layer].weight_LIO[task] = 0
        silent.ppnet.hidden[layer].bias_LO[task] = 0
    after = gated.ppnet(o, prior)
    torch.testing.assert_close(after, silent.ppnet(o, prior), rtol=0, atol=1e-12)
    assert ((after - before).abs() > 1e-6).any(dim=0).tolist() == [t == task for t in range(2)]


@pytest.mark.parametrize("scenario", range(3))
def test_rows_of_a_scenario_train_the_vector_of_that_scenario_alone(scenario: int) -> None:
    model = small({})
    model(batch(rows=40, scenarios=(scenario,))).sum().backward()
    trained = (model.scenario_embedding.weight.grad != 0).any(dim=1)
    assert trained.tolist() == [m == scenario for m in range(3)]


def test_the_scenario_acts_through_the_gate_of_epnet_alone() -> None:
    model, rows = small({"gate_width": 32, "widths": [32, 16]}), batch()
    moved = replace(rows, scenario_B=(rows.scenario_B + 1) % 3)
    assert ((model(rows) - model(moved)).abs() > 1e-6).all()
    with torch.no_grad():
        model.epnet.gate.hidden.weight_LIO[:, :2] = 0
    assert torch.equal(model(rows), model(moved))


def test_the_default_of_the_space_is_the_default_of_the_model() -> None:
    space = load_space("pepnet")
    assert build_config("pepnet", space.values(space.default())).model == Config()
