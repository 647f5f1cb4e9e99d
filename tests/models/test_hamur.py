"""HAMUR: weights generated for each row, the shortcut, norms per scenario, and known mistakes."""

import pytest
import torch
from reference.hamur import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise
from torch.nn.functional import binary_cross_entropy_with_logits

from hinet_search.data.schema import Schema
from hinet_search.models.hamur import Config, Model

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
