"""DCN-V2: crosses of bounded degree, their low-rank forms, and the two places of the deep part."""

import pytest
import torch
from reference.dcn_v2 import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise
from torch import Tensor

from hinet_search.models.dcn_v2 import Config, CrossConfig, CrossNetwork, Model
from hinet_search.study.search_space import load_space
from hinet_search.training.trial_config import build_config

SMALL: dict[str, object] = {"embedding_dim": 2, "widths": [4, 3], "dropout": 0.0}
LOW_RANK: dict[str, object] = {"kind": "low_rank", "rank": 2, "num_experts": 3}
WIDTH = 5


def small(changes: dict[str, object]) -> Model:
    return randomise(Model(Config.model_validate({**SMALL, **changes}), SCHEMA))


def cross(**options: object) -> CrossNetwork:
    return randomise(CrossNetwork(WIDTH, CrossConfig.model_validate(options)))


def inputs(rows: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(rows, WIDTH, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("structure", ["parallel", "stacked"])
@pytest.mark.parametrize(
    "options",
    [
        {"kind": "full", "num_layers": 3},
        LOW_RANK,
        {**LOW_RANK, "num_experts": 1},
        {**LOW_RANK, "kind": "nonlinear", "num_layers": 3},
        {**LOW_RANK, "kind": "nonlinear", "num_experts": 1},
    ],
    ids=str,
)
def test_every_option_equals_the_reference(options: dict[str, object], structure: str) -> None:
    model = small({"cross": options, "structure": structure, "tower": {"widths": [3]}})
    rows = batch(rows=7)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_crosses_are_polynomials_of_one_degree_more_than_there_are_layers(num_layers: int) -> None:
    network, x = cross(num_layers=num_layers), inputs()
    values = torch.stack([network(t * x) for t in range(num_layers + 3)])
    degree = num_layers + 1
    assert (values.diff(n=degree, dim=0).abs() > 1e-6).all()
    torch.testing.assert_close(
        values.diff(n=degree + 1, dim=0), torch.zeros(1, 4, WIDTH).double(), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("options", [{}, LOW_RANK, {**LOW_RANK, "kind": "nonlinear"}], ids=str)
def test_a_cross_layer_without_weights_passes_its_input_on(options: dict[str, object]) -> None:
    network, x = cross(**options), inputs()
    with torch.no_grad():
        for layer in network.layers:
            (layer.up if options else layer).weight.zero_()
            (layer.up if options else layer).bias.zero_()
    assert torch.equal(network(x), x)


def test_one_expert_is_a_full_layer_whose_matrix_has_its_rank() -> None:
    network, full, x = cross(**{**LOW_RANK, "num_experts": 1}), cross(), inputs()
    with torch.no_grad():
        for low_rank, layer in zip(network.layers, full.layers, strict=True):
            matrix = low_rank.up.weight @ low_rank.down.weight_LIO[0].T
            assert int(torch.linalg.matrix_rank(matrix)) == 2
            layer.weight.copy_(matrix)
            layer.bias.copy_(low_rank.up.bias)
    torch.testing.assert_close(network(x), full(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["low_rank", "nonlinear"])
def test_a_gate_that_prefers_one_expert_makes_the_layer_that_expert(kind: str) -> None:
    network = cross(**{**LOW_RANK, "kind": kind}, num_layers=1)
    alone = cross(**{**LOW_RANK, "kind": kind, "num_experts": 1}, num_layers=1)
    x = inputs().abs()
    (layer,), (single,) = network.layers, alone.layers
    with torch.no_grad():
        layer.gate.logits.weight_LIO.zero_()
        layer.gate.logits.weight_LIO[0, :, 1] = 1000.0
        single.down.weight_LIO.copy_(layer.down.weight_LIO[1:2])
        single.up.weight.copy_(layer.up.weight[:, 2:4])
        single.up.bias.copy_(layer.up.bias)
        if kind == "nonlinear":
            single.core.weight_LIO.copy_(layer.core.weight_LIO[1:2])
    torch.testing.assert_close(network(x), alone(x), rtol=0, atol=1e-12)


def test_every_cross_layer_has_gates_of_its_own() -> None:
    first, second = cross(**LOW_RANK).layers
    assert not torch.equal(first.gate(inputs()), second.gate(inputs()))


def test_only_in_parallel_do_the_heads_see_the_crosses_without_the_deep_part() -> None:
    for structure, varies in (("parallel", True), ("stacked", False)):
        model, rows = small({"structure": structure}), batch(rows=60)
        with torch.no_grad():
            model.deep[0].weight.zero_()
        of_one_scenario = model(rows)[rows.scenario_B == 0]
        assert bool((of_one_scenario.std(dim=0) > 1e-3).all()) is varies


def test_only_if_stacked_does_the_deep_part_see_the_crosses() -> None:
    for structure, is_reached in (("parallel", False), ("stacked", True)):
        model, rows = small({"structure": structure}), batch(rows=60)
        with torch.no_grad():  # the heads see the deep part alone
            model.towers.output.weight_LIO[:, : -model.deep[2].out_features] = 0
        model(rows).square().sum().backward()
        assert bool(model.cross.layers[0].weight.grad.abs().sum() > 0) is is_reached


def test_the_default_of_the_space_is_the_default_of_the_model() -> None:
    space = load_space("dcn_v2")
    assert build_config("dcn_v2", space.values(space.default())).model == Config()
