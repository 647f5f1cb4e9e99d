"""Tables of ids in bf16: what is rounded, what is not, and that no update is lost on average."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_models import CPU, DATA, Linear, Watch, fit_on, linear, weights_hash
from torch import Tensor, nn

from hinet_search.common.errors import ConfigurationError
from hinet_search.models.layers.embedding import EmbeddingTable
from hinet_search.results.objectives import objective_named
from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.fit import TrainingSteps, fit
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.make_feed import make_feed
from hinet_search.training.optimiser import make_optimiser
from hinet_search.training.predict import predict
from hinet_search.training.run_state import Conditions, begin
from hinet_search.training.stochastic_rounding import rounded
from hinet_search.training.touched_rows import OF_TOUCHED_ROWS, TouchedRows
from hinet_search.training.train_config import TrainConfig

every_optimiser = pytest.mark.parametrize("name", OF_TOUCHED_ROWS)
BF16 = torch.bfloat16
ROWS, WIDTH = 400, 4
ROWS_OF_3 = torch.tensor([7, 8, 2_000_000])
RATE, STEPS = 1e-3, 5  # of numbers near 1, whose step in bf16 is 2^-7 above and 2^-8 below


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("value", [1.001, -1.001, 0.0123, -3e-7, 5.5e30, 1e-38])
def test_the_mean_of_a_number_that_is_rounded_often_is_the_number(value: float) -> None:
    values_UE = torch.full((3, 2), value)
    noise = generator()
    drawn = torch.stack([rounded(values_UE, ROWS_OF_3, noise) for _ in range(10_000)]).double()
    error_UE = drawn.mean(dim=0) - values_UE.double()
    assert (drawn.std(dim=0) > 0).all()
    assert (error_UE.abs() < 4 * drawn.std(dim=0) / 10_000**0.5).all()


def test_what_is_rounded_up_in_a_row_or_column_says_nothing_of_another() -> None:
    values_UE = torch.full((3, 2), 1 + 2**-8)  # half way, so that a correlation of 0 is the best
    noise = generator()
    drawn = torch.stack([rounded(values_UE, ROWS_OF_3, noise) for _ in range(10_000)])
    correlation = torch.corrcoef(drawn.double().flatten(1).T)
    assert (correlation - torch.eye(6)).abs().max() < 4 / 10_000**0.5


def test_a_number_becomes_one_of_its_two_neighbours() -> None:
    values = torch.randn(5_000, 3, generator=generator()) * 10
    drawn = rounded(values, torch.arange(5_000), generator(1))
    towards_0 = (values.view(torch.int32) & ~0xFFFF).view(torch.float32)
    beyond = ((values.view(torch.int32) & ~0xFFFF) + 0x10000).view(torch.float32)
    assert drawn.dtype == BF16
    assert ((drawn == towards_0) | (drawn == beyond)).all()
    assert 0.45 < (drawn == beyond).double().mean() < 0.55


def test_numbers_of_bf16_and_infinity_stay_as_they_are() -> None:
    values = torch.cat([torch.randn(97, generator=generator()), torch.tensor([0, torch.inf, -0.0])])
    values_UE = values.bfloat16().float().view(20, 5)
    assert torch.equal(rounded(values_UE, torch.arange(20), generator()).float(), values_UE)


def test_the_noise_is_that_of_the_generator_and_of_the_row_whatever_their_order() -> None:
    values_UE = torch.randn(50, 3, generator=generator())
    rows_U = torch.randperm(10**6, generator=generator())[:50]
    first, other = (rounded(values_UE, rows_U, generator(seed)) for seed in (1, 2))
    assert torch.equal(rounded(values_UE.flip(0), rows_U.flip(0), generator(1)).flip(0), first)
    assert not torch.equal(first, other)


def table_of_ones(dtype: torch.dtype) -> nn.Parameter:
    table = nn.Parameter(torch.ones(ROWS, WIDTH).to(dtype))
    table.grad_dtype = torch.float32
    return table


def take_steps(optimiser: TouchedRows, table: nn.Parameter) -> None:
    """Every row has the gradient 1 in its first step, and a little more in each later one."""
    rows_1U = torch.arange(ROWS).unsqueeze(0)
    for step in range(STEPS):
        values = torch.full((ROWS, WIDTH), 1.0 + 0.1 * step)
        table.grad = torch.sparse_coo_tensor(
            rows_1U, values, is_coalesced=True, check_invariants=True
        )
        optimiser.step()


@every_optimiser
def test_updates_below_half_a_step_move_a_table_as_far_as_in_fp32_on_average(name: str) -> None:
    exact = table_of_ones(torch.float32)
    take_steps(OF_TOUCHED_ROWS[name]([exact], RATE), exact)
    means = []
    for seed in range(40):
        table = table_of_ones(BF16)
        take_steps(OF_TOUCHED_ROWS[name]([table], RATE, rounding_seed=seed), table)
        means.append(table.detach().double().mean())
    moved = torch.stack(means)
    error = moved.mean() - exact.detach().double().mean()
    assert abs(error) < 4 * moved.std() / len(moved) ** 0.5
    assert exact.detach().mean() < 1 - 2 * RATE  # far more than an error


@every_optimiser
def test_the_same_updates_rounded_to_the_nearest_move_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "hinet_search.training.touched_rows.rounded"
    monkeypatch.setattr(module, lambda values_UE, *_: values_UE.bfloat16())
    table = table_of_ones(BF16)
    take_steps(OF_TOUCHED_ROWS[name]([table], RATE), table)
    assert (table == 1).all()


def test_vectors_and_their_gradient_are_those_of_the_rounded_table_in_fp32() -> None:
    narrow, whole = EmbeddingTable(6, 3), EmbeddingTable(6, 3)
    whole.load_state_dict({"weight": narrow.weight.detach().bfloat16().float()})
    narrow.narrow()
    whole.sparse_gradient = True
    rows = torch.tensor([[1, 5], [1, 0]])
    factor = torch.randn(2, 2, 3, generator=generator())
    for table in (narrow, whole):
        vectors = table.look_up(rows)
        assert vectors.dtype == torch.float32
        (vectors * factor).sum().backward()
        (table.look_up(rows[0]) ** 2).sum().backward()
    assert narrow.weight.dtype == BF16
    assert torch.equal(narrow.look_up(rows), whole.look_up(rows))
    gradient, expected = narrow.weight.grad, whole.weight.grad
    assert gradient is not None
    assert expected is not None
    assert gradient.is_sparse
    assert gradient.dtype == torch.float32
    assert torch.equal(gradient.to_dense(), expected.to_dense())


def conditions(**train: object) -> Conditions:
    given = {"batch_size": 32, "patience": 0, "table_precision": "bf16", **train}
    config = TrainConfig.model_validate({"embedding_optimiser": "lazy_adam", **given})
    objective = objective_named("macro_auc")
    return Conditions(DATA, DATA.full_schema, config, 3, 3, objective, CPU)


def bytes_of(state: Mapping[str, Tensor]) -> int:
    return sum(values.nbytes for values in state.values())


@pytest.mark.parametrize(("name", "moments"), [("lazy_adam", 1), ("sparse_adam", 2)])
def test_a_table_and_moments_of_its_width_take_half_the_bytes(name: str, moments: int) -> None:
    states = {}
    for precision in ("fp32", "bf16"):
        given = conditions(embedding_optimiser=name, table_precision=precision)
        run, state = begin(linear(DATA), given, began=0.0)
        steps = TrainingSteps(run)
        steps.take(state, torch.arange(32))
        table = run.model.embedding.table.weight
        states[precision] = (table.nbytes, bytes_of(steps.optimiser.parts[1].state[table]))
    (whole, in_fp32), (half, in_bf16) = states["fp32"], states["bf16"]
    assert half == whole / 2
    assert in_fp32 - in_bf16 == moments * whole / 2


@every_optimiser
def test_a_trained_model_has_weights_of_fp32_and_scores_as_it_did_in_training(name: str) -> None:
    model = linear(DATA)
    result = fit_on(
        DATA,
        model,
        passes=4,
        evaluations_per_pass=1,
        learning_rate=0.03,
        embedding_optimiser=name,
        table_precision="bf16",
    )
    assert {weight.dtype for weight in model.state_dict().values()} == {torch.float32}
    table_VE = model.embedding.table.weight
    assert torch.equal(table_VE.bfloat16().float(), table_VE)
    assert result.valid_objective is not None
    assert result.valid_objective > 0.8
    again = Linear(DATA.full_schema)
    again.load_state_dict(model.state_dict())
    feed = make_feed(DATA.valid, CPU)
    assert np.array_equal(predict(again, feed), predict(model, feed))


def test_a_training_that_goes_on_from_its_weights_begins_with_the_same_table() -> None:
    model = linear(DATA)
    fit_on(DATA, model, passes=1, embedding_optimiser="lazy_adam", table_precision="bf16")
    before = model.embedding.table.weight.detach().clone()
    make_optimiser(model, TrainConfig(embedding_optimiser="lazy_adam", table_precision="bf16"))
    assert torch.equal(model.embedding.table.weight.float(), before)


@every_optimiser
@pytest.mark.parametrize(
    "more",
    [{}, {"reset_embeddings": True, "embedding_l2": 0.01, "clip_norm": 0.1}],
    ids=["plainly", "with new embeddings"],
)
def test_a_training_that_was_stopped_ends_bit_for_bit_as_without(
    name: str, more: dict[str, Any], tmp_path: Path
) -> None:
    given = conditions(embedding_optimiser=name, passes=2.5, learning_rate=0.01, **more)
    whole = linear(DATA, 3)
    fit(whole, given, Watch())
    for stop in (4, 13, None):
        resumed = linear(DATA, 3 if stop == 4 else 99)
        asked = {4: 4, 13: 9}.get(stop or 0)
        fit(resumed, given, Watch(stop_after=asked), Checkpoints(tmp_path, "job"))
    assert weights_hash(resumed) == weights_hash(whole)
    other = linear(DATA, 3)
    fit(other, replace(given, seed=4), Watch())
    assert weights_hash(other) != weights_hash(whole)  # its rounding draws other noise


def test_tables_in_fp32_are_left_alone() -> None:
    model = linear(DATA)
    optimiser = make_optimiser(model, TrainConfig(embedding_optimiser="lazy_adam"))
    batch, labels_BT = make_feed(DATA.train, CPU).select(torch.arange(32))
    own_scenario_loss(model(batch), labels_BT).backward()
    optimiser.step()
    assert model.embedding.table.weight.dtype == torch.float32
    assert list(optimiser.state_dicts()[1]) == ["state"]


def test_the_setting_is_written_only_where_it_is_not_the_default() -> None:
    assert "table_precision" not in TrainConfig().model_dump()
    assert TrainConfig(table_precision="bf16").model_dump()["table_precision"] == "bf16"


def test_adam_which_does_not_round_at_random_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"bf16 needs an optimiser of touched rows"
    ) as said:
        make_optimiser(nn.Linear(2, 1), TrainConfig(table_precision="bf16"))
    assert said.value.remedy.endswith("one of sparse_adam, rowwise_adagrad, lazy_adam")
