"""Normalised hidden layers: every network obeys the setting, and equals its plain reference."""

import importlib
from copy import deepcopy
from itertools import pairwise

import pytest
import torch
from cases import Case, every_model
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise
from torch import Tensor, nn

from hinet_search.models.layers.activation import Activation
from hinet_search.models.layers.hidden_norm import NormalisedLayer
from hinet_search.models.layers.linear import StackedLinear
from hinet_search.study.distributions import Value
from hinet_search.training.feed import make_feed, predict
from hinet_search.training.metrics import cell_values
from hinet_search.training.seeding import seeded_model
from hinet_search.training.trial_config import build_config
from tests.training.fake_models import CPU, DATA, fit_on

SETTING = "model.normalisation"
OWN: dict[str, dict[str, Value]] = {
    "adasparse": {"model.batch_norm": False},
    "m3oe": {"model.layer_norm": False},
}
every_kind = pytest.mark.parametrize("kind", ["batch", "layer"])


def built(name: str, kind: str) -> nn.Module:
    """A network that has normalisation by this setting alone."""
    torch.manual_seed(0)
    return build_config(name, {SETTING: kind, **OWN.get(name, {})}).build(SCHEMA)


@every_kind
@every_model
def test_every_network_whose_norms_have_seen_batches_equals_its_reference(
    case: Case, kind: str
) -> None:
    model = randomise(built(case.name, kind)).train()
    for seed in (3, 4):
        model(batch(rows=30, seed=seed))
    rows = batch(rows=5, scenarios=(2, 0))
    plain = importlib.import_module(f"reference.{case.name}").logits(model.eval(), rows)
    assert_same_with_gradients(model, model(rows), plain)


@every_model
def test_every_activation_of_rows_gets_normalised_outputs(case: Case) -> None:
    """Gates and what generates weights have layers that are not hidden layers of rows."""
    model = built(case.name, "layer").double().eval()
    seen: list[Tensor] = []
    for name, part in model.named_modules():
        if isinstance(part, Activation) and "gate" not in name:
            part.register_forward_pre_hook(lambda _part, inputs: seen.append(inputs[0].clone()))
    model(batch(rows=30))
    assert seen
    for y in seen:
        torch.testing.assert_close(y.mean(dim=-1), torch.zeros_like(y[..., 0]), atol=1e-9, rtol=0)


@every_model
def test_without_the_setting_a_network_is_what_it_was(case: Case) -> None:
    config = build_config(case.name, {SETTING: "none", **OWN.get(case.name, {})})
    assert "normalisation" not in config.sections["model"]
    assert not any(isinstance(part, NormalisedLayer) for part in config.build(SCHEMA).modules())


def in_training(layer: NormalisedLayer, x: Tensor, sizes: list[int] | None) -> Tensor:
    """Return outputs (S, B, O) layer by layer and column by column."""
    stacked, norm = layer.layer, layer.norm.columns
    outputs = []
    for group in range(layer.num_groups):
        ends = [0, *torch.tensor(sizes).cumsum(0)] if sizes else [0, len(x)] * layer.num_groups
        start, end = list(pairwise(ends))[group if sizes else 0]
        for place in range(layer.num_layers):
            number = group * layer.num_layers + place
            rows = x[start:end] @ stacked.weight_LIO[number] + stacked.bias_LO[number]
            own = slice(place * rows.shape[1], (place + 1) * rows.shape[1])
            mean, variance = norm.mean_MD[group, own], norm.variance_MD[group, own]
            if len(rows) > 1:
                mean = rows.sum(0) / len(rows)
                variance = ((rows - mean) ** 2).sum(0) / len(rows)
            gain = norm.gamma_D[own] * (1 + norm.gamma_change_MD[group, own])
            bias = norm.beta_D[own] + norm.beta_change_MD[group, own]
            outputs.append((rows - mean) / (variance + 1e-5) ** 0.5 * gain + bias)
    if sizes is None:
        return torch.stack(outputs)
    of_groups = [torch.stack(outputs[first : first + 2]) for first in (0, 2, 4)]
    return torch.cat(of_groups, dim=1)


@pytest.mark.parametrize("sizes", [[4, 3, 2], [8, 0, 1], [0, 9, 0], None], ids=str)
def test_in_training_a_group_is_normalised_over_its_own_rows_and_one_row_by_moving_statistics(
    sizes: list[int] | None,
) -> None:
    layer = randomise(NormalisedLayer(StackedLinear(4, 3, 2, num_groups=3), "batch")).train()
    draw = torch.Generator().manual_seed(1)
    layer(torch.randn(12, 4, dtype=torch.float64, generator=draw), [4, 4, 4])
    x = torch.randn(9, 4, dtype=torch.float64, generator=draw)
    before = deepcopy(layer)
    expected = in_training(before, x, sizes)
    got = layer(x, sizes)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)
    slope = torch.randn(got.shape, dtype=torch.float64, generator=draw)
    (got * slope).sum().backward()
    (expected * slope).sum().backward()
    for ours, theirs in zip(layer.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-9)


@pytest.mark.parametrize("protocol", ["mdmt", "per_scenario"])
def test_a_training_ends_with_the_statistics_of_its_best_evaluation(protocol: str) -> None:
    given: dict[str, Value] = {SETTING: "batch", "model.protocol": protocol}
    model = seeded_model(lambda: build_config("mmoe", given).build(DATA.full_schema), 0)
    result = fit_on(DATA, model, epochs=6, learning_rate=0.05)
    assert result.best_step < len(result.evaluations)
    scores_RT = predict(model, make_feed(DATA.valid, CPU))
    assert cell_values(scores_RT, DATA.valid, DATA.full_schema.cells) == result.valid_cells
