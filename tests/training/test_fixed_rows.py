"""Batches with fixed rows: loss and gradients are those of the batch without its empty places."""

import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hinet_search.common.plugins import names
from hinet_search.data.columns import Columns
from hinet_search.models.layers.activation import Activation
from hinet_search.models.layers.contracts import BatchDependent, IndependentParts
from hinet_search.models.layers.measure import synthetic_batch
from hinet_search.study.distributions import Value
from hinet_search.training.feed import make_feed
from hinet_search.training.replayed_steps import FixedRows, places_of
from hinet_search.training.teaching import StepLoss, step_loss
from hinet_search.training.train_config import LOSSES, TrainConfig
from hinet_search.training.trial_config import build_config
from tests.models.cases import Case, every_case
from tests.models.small_models import WITH_SEQUENCES, randomise
from tests.training.fake_models import CPU

SCHEMA = replace(WITH_SEQUENCES, absent_cells=(("cart", "order"),))
SHARES, BATCH_SIZE = (0.55, 0.35, 0.1), 40
FORMS: list[tuple[str, dict[str, Value]]] = [
    ("hinet", {"model.released_code": True}),
    ("hinet", {"model.loss.entire_space": True}),
    ("hinet", {"model.cgc.layout": "global", "model.cgc.num_levels": 2}),
    ("adasparse", {"model.batch_norm": False}),
]
EVERYTHING = {
    "task_weights": {"order": 3.0},
    "scenario_weights": {"cart": 0.5},
    "teacher_weight": 0.4,
    "teacher_temperature": 2.0,
}


def rows_of(num_rows: int = 400, *, are_weighted: bool = False) -> Columns:
    draw = np.random.default_rng(3)
    inputs = synthetic_batch(SCHEMA, num_rows, seed=1)
    scenario_R = draw.choice(3, num_rows, p=SHARES).astype(np.int16)
    labels_RT = draw.integers(2, size=(num_rows, 2)).astype(np.uint8)
    return Columns(
        ids_RF=inputs.ids_BF.int().numpy(),
        numeric_RN=inputs.numeric_BN.float().numpy(),
        scenario_R=scenario_R,
        labels_RT=labels_RT * SCHEMA.has_task[scenario_R].astype(np.uint8),
        user_R=draw.integers(-1, 30, size=num_rows).astype(np.int32),
        lists_RS=inputs.lists_BS.int().numpy(),
        weight_R=draw.random(num_rows).astype(np.float32) if are_weighted else None,
    )


ROWS = rows_of()
FEED = make_feed(ROWS, CPU)


def batch_of(seed: int, size: int = BATCH_SIZE) -> Tensor:
    order_R = torch.randperm(len(FEED), generator=torch.Generator().manual_seed(seed))
    return FEED.by_scenario(order_R[:size])


THREE = [batch_of(seed) for seed in range(3)]
OF_TWO_SCENARIOS = torch.cat(
    [torch.from_numpy(np.flatnonzero(ROWS.scenario_R == m)[:20]) for m in (0, 1)]
)


def loss_of(rows: Columns = ROWS, **train: object) -> StepLoss:
    config = TrainConfig.model_validate(train)
    teacher_RT = None
    if config.teacher_weight:
        teacher_RT = np.random.default_rng(5).normal(size=(400, 2)).astype(np.float16)
    return step_loss(config, SCHEMA, rows, teacher_RT, CPU)


def in_training(model: nn.Module) -> nn.Module:
    """Without dropout, of which empty places draw their own."""
    for module in randomise(model).train().modules():
        if isinstance(module, Activation):
            module.rate = 0.0
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def with_gradients(model: nn.Module, loss: Tensor) -> dict[str, Tensor | None]:
    loss.backward()
    gradients = {name: weight.grad for name, weight in model.named_parameters()}
    return {"loss": loss.detach(), **gradients}


def plain(model: nn.Module, loss: StepLoss, rows_B: Tensor) -> dict[str, Tensor | None]:
    model = deepcopy(model)
    batch, labels_BT = FEED.select(rows_B)
    batch = replace(batch, numeric_BN=batch.numeric_BN.double())
    logits_BH = model(batch)
    return with_gradients(model, loss(logits_BH, labels_BT.double(), rows_B, batch.scenario_B))


def placed(
    model: nn.Module, loss: StepLoss, rows_B: Tensor, fixed: FixedRows
) -> dict[str, Tensor | None]:
    model = deepcopy(model)
    assert fixed.hold(rows_B)
    read = fixed.read()
    batch = replace(read.batch, numeric_BN=read.batch.numeric_BN.double())
    logits_BH = model(batch).index_select(0, read.place_B)
    labels_BT = read.labels_BT.double()
    return with_gradients(model, loss(logits_BH, labels_BT, read.rows_B, read.scenario_B))


def same(model: nn.Module, loss: StepLoss, batches: list[Tensor] | None = None) -> bool:
    """Whether losses and gradients of batches are the same, and None where they are None."""
    fixed = FixedRows(FEED, BATCH_SIZE, needs_every=isinstance(model, IndependentParts))
    for rows_B in batches or THREE:
        expected, got = plain(model, loss, rows_B), placed(model, loss, rows_B, fixed)
        for name, value in expected.items():
            if value is None or got[name] is None:
                if value is not got[name]:
                    return False
            elif not torch.allclose(got[name], value, rtol=1e-10, atol=1e-10):
                return False
    return True


def reads_batch(model: nn.Module) -> bool:
    return any(isinstance(each, BatchDependent) and each.reads_batch for each in model.modules())


@every_case
def test_empty_places_count_nothing_unless_a_model_says_so(case: Case) -> None:
    model = in_training(case.build(SCHEMA))
    assert same(model, loss_of()) != reads_batch(model)


@pytest.mark.parametrize(("name", "values"), FORMS, ids=str)
def test_empty_places_count_nothing_in_other_forms_of_models(
    name: str, values: dict[str, Value]
) -> None:
    torch.manual_seed(0)
    assert same(in_training(build_config(name, values).build(SCHEMA)), loss_of(**EVERYTHING))


@pytest.mark.parametrize("are_weighted", [False, True], ids=["equal rows", "weighted rows"])
@pytest.mark.parametrize("loss", names(LOSSES))
@pytest.mark.parametrize("train", [{}, EVERYTHING], ids=["plain", "weights and a teacher"])
def test_empty_places_count_nothing_in_any_loss(
    loss: str, train: dict[str, object], are_weighted: bool
) -> None:
    torch.manual_seed(0)
    model = in_training(build_config("mmoe", {}).build(SCHEMA))
    rows = rows_of(are_weighted=are_weighted)
    assert same(model, loss_of(rows, loss=loss, **train))


def test_a_unit_scale_reads_the_batch() -> None:
    torch.manual_seed(0)
    model = in_training(build_config("mmoe", {}).build(replace(SCHEMA, has_unit_scale=True)))
    assert reads_batch(model)
    assert not same(model, loss_of())


def test_a_scenario_has_places_for_its_mean_rows_and_three_standard_deviations() -> None:
    scenario_R = torch.tensor([0] * 900 + [2] * 100, dtype=torch.int16)
    most = [mean + 3 * math.sqrt(1000 * 0.9 * 0.1) for mean in (900, 100)]
    assert [math.ceil(each) for each in most] == [929, 129]
    assert places_of(scenario_R, 1000) == (936, 0, 136)
    assert places_of(torch.zeros(50, dtype=torch.int16), 33) == (33,)

    of_six = torch.arange(6).repeat(1000)
    assert sum(places_of(of_six, 2048)) == 2352, "15 % more rows"


def test_few_random_batches_do_not_fit() -> None:
    fixed = FixedRows(FEED, BATCH_SIZE, needs_every=False)
    assert sum(not fixed.hold(batch_of(seed)) for seed in range(1000)) <= 10


def test_a_batch_with_more_rows_than_places_or_fewer_than_a_batch_does_not_fit() -> None:
    fixed = FixedRows(FEED, BATCH_SIZE, needs_every=False)
    assert not fixed.hold(batch_of(0, BATCH_SIZE - 1))
    assert fixed.places[2] < BATCH_SIZE
    of_cart = torch.from_numpy(np.flatnonzero(ROWS.scenario_R == 2))
    assert len(of_cart) < BATCH_SIZE
    of_feed = torch.from_numpy(np.flatnonzero(ROWS.scenario_R == 0))
    assert not fixed.hold(torch.cat([of_feed[: BATCH_SIZE - len(of_cart)], of_cart]))


def test_a_batch_that_lacks_a_scenario_fits_only_models_whose_parts_share_weights() -> None:
    assert FixedRows(FEED, BATCH_SIZE, needs_every=False).hold(OF_TWO_SCENARIOS)
    assert not FixedRows(FEED, BATCH_SIZE, needs_every=True).hold(OF_TWO_SCENARIOS)


@every_case
def test_a_scenario_of_empty_places_alone_counts_nothing(case: Case) -> None:
    model = in_training(case.build(SCHEMA))
    if not isinstance(model, IndependentParts) and not reads_batch(model):
        assert same(model, loss_of(), [OF_TWO_SCENARIOS])


def test_the_rows_of_a_batch_replace_those_of_the_last_one() -> None:
    fixed = FixedRows(FEED, BATCH_SIZE, needs_every=False)
    for seed in (0, 1):
        rows_B = batch_of(seed)
        assert fixed.hold(rows_B)
        read = fixed.read()
        assert torch.equal(read.rows_B, rows_B)
        assert torch.equal(read.scenario_B, FEED.scenario_R[rows_B].long())
        assert torch.equal(read.batch.ids_BF[read.place_B], FEED.ids_RF[rows_B])
        assert read.batch.sizes == fixed.places
        assert len(read.batch) == sum(fixed.places)
