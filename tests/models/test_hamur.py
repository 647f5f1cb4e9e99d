"""HAMUR: weights generated for each row, the shortcut, norms per scenario, and known mistakes."""

from dataclasses import replace

import pytest
import torch
from reference.hamur import generated_weight, logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise, take
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hinet_search.data.schema import Schema
from hinet_search.models import shared_bottom
from hinet_search.models.hamur import AdapterCell, Config, GeneratedLinear, Model
from hinet_search.study.search_space import load_space
from hinet_search.training.trial_config import build_config

NUM_SCENARIOS = SCHEMA.num_scenarios
SMALL: dict[str, object] = {
    "embedding_dim": 2,
    "widths": [5, 4],
    "dropout": 0.0,
    "adapter": {"width": 3},
    "hyper": {"widths": [4], "rank": 2},
}


def small(changes: dict[str, object], schema: Schema = SCHEMA) -> Model:
    return randomise(Model(Config.model_validate({**SMALL, **changes}), schema))


def trained_for_two_batches(changes: dict[str, object]) -> Model:
    """Return a small model in training mode whose norms have seen two batches."""
    model = small(changes).train()
    for seed in (3, 4):
        model(batch(rows=30, seed=seed))
    return model


def fresh(changes: dict[str, object]) -> Model:
    torch.manual_seed(0)
    return Model(Config.model_validate({**SMALL, **changes}), SCHEMA).double()


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def same_without_cells(model: Model) -> nn.Module:
    """Return a Shared Bottom with the embedding, backbone and towers of a small `model`."""
    config = {"embedding_dim": 2, "trunk": {"widths": [5, 4]}, "tower": {"widths": []}}
    bare = shared_bottom.Model(shared_bottom.Config.model_validate(config), SCHEMA).double().eval()
    bare.embedding.load_state_dict(model.embedding.state_dict())
    bare.towers.load_state_dict(model.towers.state_dict())
    with torch.no_grad():
        for layer, of_trunk in zip(model.layers, bare.trunk[::2], strict=True):
            of_trunk.weight.copy_(layer.weight_LIO[0].T)
            of_trunk.bias.copy_(layer.bias_LO[0])
    return bare


def silence(adapter: AdapterCell) -> None:
    """Make the cell add nothing."""
    with torch.no_grad():
        adapter.norm.gamma_D.zero_()
        adapter.norm.beta_D.zero_()
        adapter.norm.beta_change_MD.zero_()


@pytest.mark.parametrize("mode", ["training", "evaluation"])
@pytest.mark.parametrize("scenarios", [(0, 1, 2), (2, 0), (1,)], ids=str)
@pytest.mark.parametrize("rows", [1, 3, 4, 11])
def test_both_modes_equal_the_reference(mode: str, scenarios: tuple[int, ...], rows: int) -> None:
    model = trained_for_two_batches({}).train(mode == "training")
    drawn = batch(rows=rows, scenarios=scenarios)
    plain = logits(model, drawn)
    assert_same_with_gradients(model, model(drawn), plain)


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": "per_scenario"},
        {"adapter": {"width": 3, "after": "all"}},
        {"backbone": "per_scenario", "adapter": {"width": 1, "after": "all"}, "widths": [4, 3, 5]},
        {"hyper": {"widths": [], "rank": 1}},
        {"tower": {"widths": [3]}},
    ],
    ids=str,
)
def test_every_option_equals_the_reference(changes: dict[str, object]) -> None:
    model, rows = trained_for_two_batches(changes), batch(rows=8)
    plain = logits(model, rows)
    assert_same_with_gradients(model, model(rows), plain)


def test_one_scenario_and_three_tasks_equal_the_reference() -> None:
    schema = Schema(("only",), ("click", "order", "pay"), ("user",), (4,), ("age",))
    model, rows = small({}, schema), batch(schema, rows=4)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


def test_the_weights_of_a_generated_layer_are_those_of_the_row_and_of_its_rank() -> None:
    layer, matrix_BKK, x_BI = GeneratedLinear(6, 5, 2).double(), normal(3, 2, 2), normal(3, 6)
    slopes_BOBI = torch.autograd.functional.jacobian(lambda x: layer(x, matrix_BKK), x_BI)
    for row in range(3):
        weight_IO = generated_weight(layer, matrix_BKK[row])
        torch.testing.assert_close(slopes_BOBI[row, :, row].T, weight_IO)
        assert torch.linalg.matrix_rank(weight_IO) == 2
        others = [other for other in range(3) if other != row]
        assert slopes_BOBI[row][:, others].abs().max() == 0
    assert (slopes_BOBI[0, :, 0] != slopes_BOBI[1, :, 1]).all()


def test_the_matrix_depends_on_the_features_and_on_the_scenario_of_a_row() -> None:
    model, rows = small({}), batch()
    matrices = model.hyper(model.embedding(rows))
    for moved in (
        replace(rows, numeric_BN=rows.numeric_BN + 1),
        replace(rows, scenario_B=(rows.scenario_B + 1) % NUM_SCENARIOS),
    ):
        assert (model.hyper(model.embedding(moved)) != matrices).flatten(1).any(dim=1).all()


def test_all_cells_of_a_row_read_one_matrix() -> None:
    model, calls, seen = small({"adapter": {"after": "all"}}), [], []
    model.hyper.register_forward_hook(lambda _module, inputs, output: calls.append(output))
    for adapter in model.adapters:
        adapter.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[1]))
    model(batch())
    assert len(calls) == 1
    assert len(seen) == 2
    assert all(matrix is calls[0] for matrix in seen)


def test_entries_of_the_matrix_have_both_signs() -> None:
    model = fresh({"hyper": {"widths": [8], "rank": 4}})
    matrices = model.hyper(model.embedding(batch()))
    assert (matrices > 0).any()
    assert (matrices < 0).any()


@pytest.mark.parametrize("after", ["last", "all"])
def test_cells_that_add_nothing_leave_the_backbone_a_shared_bottom(after: str) -> None:
    model, rows = small({"adapter": {"width": 3, "after": after}}), batch()
    assert len(model.adapters) == {"last": 1, "all": 2}[after]
    bare = same_without_cells(model)
    assert not torch.allclose(model(rows), bare(rows))
    for adapter in model.adapters:
        silence(adapter)
    torch.testing.assert_close(model(rows), bare(rows), rtol=0, atol=1e-12)


def test_the_cell_is_between_the_backbone_and_the_towers() -> None:
    model, seen = small({}), []
    model.adapters[0].register_forward_hook(
        lambda _module, inputs, output: seen.append(output - inputs[0])
    )
    model(batch(scenarios=(1,)))
    change_BH, norm = seen[0], model.adapters[0].norm
    with torch.no_grad():
        norm.beta_change_MD[1] += 1
    model(batch(scenarios=(1,)))
    torch.testing.assert_close(seen[1], change_BH + 1)


@pytest.mark.parametrize(("bias", "unit"), [(-1000.0, 0.0), (0.0, 0.5), (1000.0, 1.0)])
def test_units_of_a_bottleneck_are_sigmoids(bias: float, unit: float) -> None:
    adapter, matrix_BKK = randomise(AdapterCell(4, 3, 2, num_scenarios=1)), normal(2, 2, 2)
    with torch.no_grad():
        adapter.down.v.weight.zero_()
        adapter.down.v.bias.fill_(bias)
    h_BH, bottleneck_BN = normal(2, 4), torch.full((2, 3), unit, dtype=torch.float64)
    expected = adapter.norm(adapter.up(bottleneck_BN, matrix_BKK), [2])
    torch.testing.assert_close(adapter(h_BH, matrix_BKK, [2]) - h_BH, expected)


@pytest.mark.parametrize("scenario", range(NUM_SCENARIOS))
@pytest.mark.parametrize("backbone", ["shared", "per_scenario"])
def test_rows_of_a_scenario_train_its_own_norm_and_only_a_backbone_per_scenario_is_its_own(
    scenario: int, backbone: str
) -> None:
    model = small({"backbone": backbone})
    model(batch(rows=40, scenarios=(scenario,))).sum().backward()
    own = [m == scenario for m in range(NUM_SCENARIOS)]
    for change in (model.adapters[0].norm.gamma_change_MD, model.adapters[0].norm.beta_change_MD):
        assert [bool((change.grad[m] != 0).any()) for m in range(NUM_SCENARIOS)] == own
    for layer in model.layers:
        reached = [bool((gradient != 0).any()) for gradient in layer.weight_LIO.grad]
        assert reached == (own if backbone == "per_scenario" else [True])
    shared = [*model.hyper.parameters(), *model.adapters[0].down.parameters()]
    assert all((p.grad != 0).any() for p in shared)


def test_units_of_a_bottleneck_start_apart_and_stay_apart() -> None:
    """In the released code they start equal, so that they get equal gradients for ever."""
    model, rows = fresh({"adapter": {"width": 6}}).train(), batch(rows=60)
    labels = torch.arange(120).view(60, 2).remainder(3).clamp(max=1).double()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _step in range(5):
        optimiser.zero_grad()
        binary_cross_entropy_with_logits(model(rows), labels).backward()
        optimiser.step()
        weight_NK = model.adapters[0].down.v.weight
        distances = torch.cdist(weight_NK, weight_NK) + torch.eye(6)
        assert distances.min() > 1e-3


def test_in_training_other_scenarios_do_not_enter_the_norm_and_rows_of_the_own_do() -> None:
    model, rows = trained_for_two_batches({}), batch(rows=30)
    own = (rows.scenario_B == 1).nonzero()[:, 0]
    together = model(rows)[own]
    torch.testing.assert_close(model(take(rows, own)), together, rtol=0, atol=1e-12)
    assert not torch.allclose(model(take(rows, own[:5])), together[:5])


def test_in_evaluation_a_row_alone_has_the_logits_that_it_has_in_a_batch() -> None:
    model, rows = trained_for_two_batches({}).eval(), batch(rows=9)
    alone = torch.cat([model(take(rows, torch.tensor([row]))) for row in range(9)])
    torch.testing.assert_close(alone, model(rows), rtol=0, atol=1e-12)


def test_a_batch_of_one_trains_with_finite_logits_and_gradients() -> None:
    model = fresh({}).train()
    predicted = model(batch(rows=1))
    predicted.sum().backward()
    assert predicted.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_the_default_of_the_space_is_the_default_of_the_model() -> None:
    space = load_space("hamur")
    assert build_config("hamur", space.values(space.default())).model == Config()
