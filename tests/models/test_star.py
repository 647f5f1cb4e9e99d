"""STAR: weights per scenario, normalisation in both modes, and mistakes known from public code."""

from dataclasses import replace

import pytest
import torch
from reference.star import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise
from torch import nn

from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.star_linear import StarLinear
from hinet_search.models.star import Config, Model
from hinet_search.study.search_space import load_space
from hinet_search.training.trial_config import build_config

SMALL: dict[str, object] = {
    "embedding_dim": 2,
    "widths": [4, 3],
    "dropout": 0.0,
    "auxiliary": {"widths": [3]},
}


def small(changes: dict[str, object], schema: Schema = SCHEMA) -> Model:
    return randomise(Model(Config.model_validate({**SMALL, **changes}), schema))


def normalising() -> Model:
    """Return a small STAR with partitioned normalisation that has seen two batches."""
    model = small({"partitioned_norm": True}).train()
    for seed in (3, 4):
        model(batch(rows=30, seed=seed))
    return model


def fresh(changes: dict[str, object]) -> Model:
    torch.manual_seed(0)
    return Model(Config.model_validate({**SMALL, **changes}), SCHEMA).double()


def in_scenario(source: Batch, scenario: int) -> Batch:
    """Return the same rows, all moved to one scenario."""
    return replace(source, scenario_B=torch.full_like(source.scenario_B, scenario))


@pytest.mark.parametrize("mode", ["training", "evaluation"])
@pytest.mark.parametrize("scenarios", [(0, 1, 2), (2, 0), (1,)], ids=str)
@pytest.mark.parametrize("rows", [1, 3, 4, 11])
def test_normalisation_equals_the_reference_in_both_modes(
    mode: str, scenarios: tuple[int, ...], rows: int
) -> None:
    model, drawn = normalising().train(mode == "training"), batch(rows=rows, scenarios=scenarios)
    plain = logits(model, drawn)
    assert_same_with_gradients(model, model(drawn), plain)


@pytest.mark.parametrize(
    "changes", [{"widths": [5]}, {"widths": [4, 4, 3]}, {"auxiliary": {"widths": []}}], ids=str
)
def test_every_option_equals_the_reference(changes: dict[str, object]) -> None:
    model, rows = small(changes), batch(rows=7)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


def test_one_scenario_and_three_tasks_equal_the_reference() -> None:
    schema = Schema(("only",), ("click", "order", "pay"), ("user",), (4,), ())
    model, rows = small({}, schema), batch(schema, rows=4)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


def test_at_the_start_all_scenarios_have_the_shared_network() -> None:
    model, rows = fresh({}).eval(), batch()
    main = [model.star(model.embedding(rows), [12 * (m == p) for m in range(3)]) for p in range(3)]
    assert torch.equal(main[0], main[1])
    assert torch.equal(main[0], main[2])


def test_shared_weights_start_with_the_spread_of_linear_layers() -> None:
    torch.manual_seed(0)
    star, linear = StarLinear(64, 500, 2, num_scenarios=2), nn.Linear(64, 500)
    for start, expected in ((star.weight_TIO, linear.weight), (star.bias_TO, linear.bias)):
        assert float(start.detach().std()) == pytest.approx(float(expected.detach().std()), rel=0.1)
        assert float(start.detach().abs().max()) <= 1 / 8


def test_at_the_start_the_scenario_acts_through_the_auxiliary_network_alone() -> None:
    model, rows = fresh({}).eval(), batch()
    assert not torch.equal(model(in_scenario(rows, 0)), model(in_scenario(rows, 1)))
    with torch.no_grad():
        model.scenario_embedding.weight.zero_()
    assert torch.equal(model(in_scenario(rows, 0)), model(in_scenario(rows, 1)))


def test_the_default_of_the_space_is_the_default_of_the_model() -> None:
    space = load_space("star")
    built = build_config("star", space.values(space.default()))
    assert built.model == Config()
    assert (built.train.learning_rate, built.train.embedding_learning_rate_multiplier) == (
        1.5e-3,
        0.3,
    )
