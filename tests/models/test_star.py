"""STAR: weights per scenario, normalisation in both modes, and mistakes known from public code."""

from dataclasses import replace

import pytest
import torch
from reference.star import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise, take
from torch import nn

from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.measure import count_parameters
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


def of_scenario(source: Batch, scenario: int) -> torch.Tensor:
    return (source.scenario_B == scenario).nonzero()[:, 0]


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


def test_every_scenario_has_weights_of_its_own_among_the_parameters() -> None:
    few, more = (
        Schema(("a", "b", "c", "d")[:m], ("click",), (), (), ("age", "price")) for m in (2, 3)
    )
    own = (2 * 4 + 4) + (4 * 3 + 3) + (3 + 1)
    dense = [count_parameters(small({}, schema))[1] for schema in (few, more)]
    assert dense[1] - dense[0] == own + 2  # and one more scenario to embed


@pytest.mark.parametrize("scenario", range(3))
def test_rows_of_a_scenario_train_the_weights_of_that_scenario_alone(scenario: int) -> None:
    model = small({})
    model(batch(rows=40, scenarios=(scenario,))).sum().backward()
    for layer in (*model.star.hidden, model.star.output):
        for change in (layer.weight_change_MTIO, layer.bias_change_MTO):
            reached = [bool(change.grad[m].abs().sum() > 0) for m in range(3)]
            assert reached == [m == scenario for m in range(3)]


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


def test_an_own_weight_of_zero_silences_that_scenario_only() -> None:
    layer = StarLinear(2, 1, 1, num_scenarios=2).double()
    with torch.no_grad():
        layer.bias_TO.zero_()
        layer.weight_change_MTIO[0] = -1.0
    y_1B1 = layer(torch.ones(2, 2, dtype=torch.float64), [1, 1])
    assert y_1B1[0, 0, 0] == 0
    assert y_1B1[0, 1, 0] == layer.weight_TIO.sum()


def test_at_the_start_the_scenario_acts_through_the_auxiliary_network_alone() -> None:
    model, rows = fresh({}).eval(), batch()
    assert not torch.equal(model(in_scenario(rows, 0)), model(in_scenario(rows, 1)))
    with torch.no_grad():
        model.scenario_embedding.weight.zero_()
    assert torch.equal(model(in_scenario(rows, 0)), model(in_scenario(rows, 1)))


def test_the_auxiliary_network_sees_the_features() -> None:
    model, rows = small({}), batch()
    silence_main(model)
    moved = replace(rows, numeric_BN=rows.numeric_BN + 1)
    assert ((model(rows) - model(moved)).abs() > 1e-6).any()


def silence_main(model: Model) -> None:
    with torch.no_grad():
        for parameter in (
            model.star.output.weight_TIO,
            model.star.output.bias_TO,
            model.star.output.bias_change_MTO,
        ):
            parameter.zero_()


def test_the_logit_is_a_plain_sum_with_nothing_after_it() -> None:
    model, rows = small({}), batch()
    silence_main(model)
    with torch.no_grad():
        model.auxiliary.output.weight_LIO.zero_()
        model.auxiliary.output.bias_LO.copy_(torch.tensor([[2.0], [-1.0]]))
        model.star.output.bias_TO.copy_(torch.tensor([[-5.0], [4.0]]))
        model.star.output.bias_change_MTO[1] = torch.tensor([[0.5], [-7.0]])
    expected = torch.tensor([[-3.0, 3.0], [-2.5, -4.0], [-3.0, 3.0]], dtype=torch.float64)
    assert torch.equal(model(rows), expected[rows.scenario_B])


@pytest.mark.parametrize("changes", [{"partitioned_norm": True}, {}], ids=str)
def test_a_batch_of_one_trains_with_a_row_of_finite_logits_and_gradients(
    changes: dict[str, object],
) -> None:
    model = fresh(changes).train()
    predicted = model(batch(rows=1))
    predicted.sum().backward()
    assert predicted.shape == (1, 2)
    assert predicted.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_in_training_other_scenarios_do_not_enter_the_normalisation() -> None:
    model, rows = normalising(), batch(rows=30)
    own = of_scenario(rows, 1)
    torch.testing.assert_close(model(take(rows, own)), model(rows)[own], rtol=0, atol=1e-12)


def test_in_training_rows_of_the_own_scenario_enter_the_normalisation() -> None:
    model, rows = normalising(), batch(rows=30)
    own = of_scenario(rows, 1)
    assert not torch.allclose(model(take(rows, own[:5])), model(rows)[own[:5]])


def test_in_evaluation_normalisation_does_not_depend_on_the_batch() -> None:
    model, rows = normalising().eval(), batch(rows=9)
    alone = torch.cat([model(take(rows, torch.tensor([row]))) for row in range(9)])
    torch.testing.assert_close(alone, model(rows), rtol=0, atol=1e-12)


def test_normalisation_has_parameters_of_every_scenario_that_its_rows_reach() -> None:
    model = normalising()
    model(batch(rows=40, scenarios=(0, 2))).sum().backward()
    for change in (model.norm.gamma_change_MD, model.norm.beta_change_MD):
        assert [bool(change.grad[m].abs().sum() > 0) for m in range(3)] == [True, False, True]


def test_moving_statistics_are_restored_with_the_weights() -> None:
    source, target, rows = normalising().eval(), small({"partitioned_norm": True}), batch()
    target.load_state_dict(source.state_dict())
    assert torch.equal(target(rows), source(rows))


def test_the_default_of_the_space_is_the_default_of_the_model() -> None:
    space = load_space("star")
    built = build_config("star", space.values(space.default()))
    assert built.model == Config()
    assert (built.train.learning_rate, built.train.embedding_learning_rate_multiplier) == (
        1.5e-3,
        0.3,
    )
