"""FinalMLP: gates of each stream, their contexts, and the bilinear fusion of heads."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from reference.final_mlp import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise
from torch import Tensor

from hinet_search.models.final_mlp import BilinearFusion, Config, Model
from hinet_search.study.search_space import load_space
from hinet_search.training.trial_config import build_config

SMALL: dict[str, object] = {
    "embedding_dim": 2,
    "first": {"widths": [6, 4]},
    "second": {"widths": [8], "context": "scenario"},
    "gate": {"widths": [3]},
    "dropout": 0.0,
}


def small(changes: dict[str, object]) -> Model:
    return randomise(Model(Config.model_validate({**SMALL, **changes}), SCHEMA))


@pytest.mark.parametrize(
    "changes",
    [
        {"num_heads": 1},
        {"num_heads": 4},
        {"gate": {"widths": []}},
        {"gate": {"enabled": False}},
        {"first": {"widths": [4], "context": "scenario"}, "second": {"widths": [4]}},
    ],
    ids=str,
)
def test_every_option_equals_the_reference(changes: dict[str, object]) -> None:
    model, rows = small(changes), batch(rows=7)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


def test_a_gate_weighs_inputs_by_more_and_by_less_than_one_and_never_doubles_them() -> None:
    model = small({})
    with torch.no_grad():
        model.second.gate.output.weight.mul_(10)
    weight_CD = model.second.gate.weights().detach()
    assert 0 < float(weight_CD.min()) < 0.5
    assert 1.5 < float(weight_CD.max()) < 2


def test_a_gate_without_an_opinion_passes_its_inputs_on() -> None:
    model, rows = small({}), batch()
    plain = small({"gate": {"enabled": False}})
    plain.load_state_dict(
        {name: weight for name, weight in model.state_dict().items() if ".gate." not in name}
    )
    assert not torch.allclose(model(rows), plain(rows))
    with torch.no_grad():
        for stream in (model.first, model.second):
            stream.gate.output.weight.zero_()
            stream.gate.output.bias.zero_()
    assert torch.equal(model(rows), plain(rows))


def test_every_stream_selects_inputs_for_itself() -> None:
    model = small({"second": {"widths": [8], "context": "learned"}})
    assert not torch.allclose(model.first.gate.weights(), model.second.gate.weights())


def test_a_learned_context_is_one_for_all_and_the_scenario_is_one_each() -> None:
    model = small({})
    x_BD = torch.ones(3, model.embedding.width, dtype=torch.float64)
    scenario_B = torch.arange(3)
    learned, own = (stream.gate(x_BD, scenario_B) for stream in (model.first, model.second))
    assert torch.equal(learned[0], learned[1])
    assert all(not torch.allclose(own[m], own[n]) for m, n in ((0, 1), (0, 2), (1, 2)))


@pytest.mark.parametrize("scenario", range(3))
def test_rows_of_a_scenario_train_its_context_and_its_fusion_alone(scenario: int) -> None:
    model = small({})
    model(batch(rows=40, scenarios=(scenario,))).square().sum().backward()
    fusion = model.fusion
    for parameter in (
        model.second.gate.context.weight,
        fusion.first.weight_LIO,
        fusion.first.bias_LO,
        fusion.second.weight_LIO,
        fusion.products.weight_LIO,
    ):
        of_scenarios = parameter.grad.unflatten(0, (3, -1)).abs().flatten(start_dim=1).sum(dim=1)
        assert [bool(total > 0) for total in of_scenarios] == [m == scenario for m in range(3)]


def fused(fusion: BilinearFusion, o_1: Tensor, o_2: Tensor) -> Tensor:
    """Return the logit of the first task of a row of the first scenario."""
    logits_BT: Tensor = fusion(o_1.unsqueeze(0), o_2.unsqueeze(0), [1, 0])
    return logits_BT[0, 0]


def second_differences(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """Return f(x + i + j) - f(x + i) - f(x + j) + f(x) for all pairs of unit vectors i and j."""
    units = torch.eye(len(at), dtype=at.dtype)
    rows = [
        [function(at + i + j) - function(at + i) - function(at + j) + function(at) for j in units]
        for i in units
    ]
    return torch.stack([torch.stack(row) for row in rows]).detach()


@pytest.mark.parametrize("num_heads", [1, 2, 4])
def test_products_of_the_streams_are_within_heads_alone(num_heads: int) -> None:
    fusion = randomise(BilinearFusion((4, 8), num_heads, 2, num_scenarios=2))
    o_1, o_2 = torch.ones(4).double(), torch.ones(8).double()
    inputs = torch.cat([o_1, o_2])
    mixed = second_differences(lambda both: fused(fusion, both[:4], both[4:]), inputs)
    head_1, head_2 = (torch.arange(width) * num_heads // width for width in (4, 8))
    is_same_head = head_1.unsqueeze(1) == head_2.unsqueeze(0)
    assert torch.equal(mixed[:4, 4:].abs() > 1e-9, is_same_head)
    assert mixed[:4, :4].abs().max() < 1e-9
    assert mixed[4:, 4:].abs().max() < 1e-9


def test_with_silent_streams_the_logit_is_the_bias_of_its_cell() -> None:
    model, rows = small({}), batch()
    with torch.no_grad():
        for stream in (model.first, model.second):
            stream.mlp[-2].weight.zero_()
            stream.mlp[-2].bias.fill_(-1.0)
    bias_MT = model.fusion.first.bias_LO.unflatten(0, (3, 2))[:, :, 0]
    assert torch.equal(model(rows), bias_MT[rows.scenario_B])


def test_with_one_fusion_and_no_scenario_among_the_inputs_the_gate_still_sees_it() -> None:
    model, rows = small({}), batch()
    with torch.no_grad():
        for parameter in model.fusion.parameters():
            parameter.copy_(parameter[:1].clone())
        model.embedding.table.weight[sum(SCHEMA.vocabulary_sizes) :] = 0
    moved = replace(rows, scenario_B=(rows.scenario_B + 1) % 3)
    assert ((model(rows) - model(moved)).abs() > 1e-6).any()
    with torch.no_grad():
        model.second.gate.context.weight.zero_()
    assert torch.allclose(model(rows), model(moved))


def test_heads_that_do_not_divide_an_output_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"num_heads must divide .* second\.widths, got 2"):
        Config.model_validate({"second": {"widths": [8, 5]}})


def test_the_default_of_the_space_is_the_default_of_the_model() -> None:
    space = load_space("final_mlp")
    assert build_config("final_mlp", space.values(space.default())).model == Config()
