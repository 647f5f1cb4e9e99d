"""Unit scale: x is divided by its root mean square over the batch, in evaluation over training."""

from dataclasses import replace

import pytest
import torch
from small_models import SCHEMA, WITH_SEQUENCES, batch, randomise

from hinet_search.data.schema import Schema
from hinet_search.models.layers.embedding import FeatureEmbedding, UnitScale
from hinet_search.training.feature_config import FeatureConfig

SCALED = replace(SCHEMA, has_unit_scale=True)


def plain_and_scaled(schema: Schema) -> tuple[FeatureEmbedding, FeatureEmbedding]:
    """Return an embedding without scaling, and one of the same weights with it."""
    plain = randomise(FeatureEmbedding(schema, 4, with_scenario=True))
    scaled = FeatureEmbedding(replace(schema, has_unit_scale=True), 4, with_scenario=True)
    scaled.double().load_state_dict(plain.state_dict(), strict=False)
    return plain.train(), scaled.train()


@pytest.mark.parametrize("schema", [SCHEMA, WITH_SEQUENCES], ids=["fields", "sequences"])
def test_in_training_x_is_divided_by_the_root_of_the_mean_of_all_its_squares(schema):
    plain, scaled = plain_and_scaled(schema)
    rows = batch(schema, rows=20)
    numbers = plain(rows).flatten().tolist()
    root = (sum(number**2 for number in numbers) / len(numbers)) ** 0.5
    torch.testing.assert_close(scaled(rows), plain(rows) / root)
    assert scaled(rows).square().mean().item() == pytest.approx(1, rel=1e-6)


def test_gradients_take_the_scale_for_a_constant():
    x_BD = torch.randn(8, 3, dtype=torch.float64, requires_grad=True)
    weight_BD = torch.randn(8, 3, dtype=torch.float64)
    root = x_BD.detach().square().mean().sqrt()
    (UnitScale().double()(x_BD) * weight_BD).sum().backward()
    torch.testing.assert_close(x_BD.grad, weight_BD / root)


def test_in_evaluation_a_row_is_scaled_by_the_batches_of_training_whatever_else_is_scored():
    plain, scaled = plain_and_scaled(SCHEMA)
    squares = []
    for seed in (1, 2, 3):
        rows = batch(rows=40, seed=seed)
        scaled(rows)
        squares.append(plain(rows).square().mean())
    root = torch.stack(squares).mean().sqrt()
    scaled.eval()
    rows = batch(rows=6, seed=4)
    torch.testing.assert_close(scaled(rows), plain(rows) / root)
    alone = torch.cat([scaled(rows.select(torch.tensor([row]))) for row in range(6)])
    torch.testing.assert_close(alone, plain(rows) / root)


def test_after_many_batches_each_newer_one_leaves_99_parts_of_100_of_the_old_mean():
    plain, scaled = plain_and_scaled(SCHEMA)
    rows = batch(rows=40)
    for _ in range(200):
        scaled(rows)
    old = plain(rows).square().mean()
    scaled.table.weight.data.mul_(2)
    plain.table.weight.data.mul_(2)
    for _ in range(70):
        scaled(rows)
    new = plain(rows).square().mean()
    expected = new + 0.99**70 * (old - new)
    torch.testing.assert_close(scaled.scale.mean_square[0], expected, rtol=1e-6, atol=0)


def test_the_setting_is_in_the_schema_and_other_schemas_are_stored_as_before():
    assert FeatureConfig(unit_scale=True).reading(SCHEMA, {}) == SCALED
    assert FeatureConfig().reading(SCHEMA, {}) == SCHEMA
    assert "unit_scale" not in FeatureConfig().model_dump(mode="json")
