"""Every loss that is found, against its definition in loops (loss_references)."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module

import numpy as np
import pytest
import torch
from fake_models import CPU, DATA, Watch, linear
from pydantic import ValidationError
from torch import Tensor

from hinet_search.common import plugins
from hinet_search.common.errors import ConfigurationError
from hinet_search.common.plugins import names
from hinet_search.data.columns import Columns
from hinet_search.data.schema import Schema
from hinet_search.results.objectives import objective_named
from hinet_search.training.fit import fit
from hinet_search.training.losses import loss_named
from hinet_search.training.run_state import Conditions
from hinet_search.training.teaching import StepLoss, step_loss
from hinet_search.training.train_config import LOSSES, TrainConfig
from tests.training.loss_references import Labels, PlainLabel

NUM_ROWS, RANKING_WEIGHT = 14, 0.7
TASKS = ("click", "order", "watch")  # the last one has amounts
PLAIN = Schema(("home", "search"), TASKS, ("item",), (6,), ("a", "b"))
SCHEMAS = {
    "labels of 0 and 1": PLAIN,
    "absent tasks": replace(PLAIN, absent_cells=(("search", "order"), ("home", "click"))),
    "amounts": replace(PLAIN, amount_units=(("watch", 3.0),)),
    "absent amounts": replace(
        PLAIN, amount_units=(("watch", 3.0),), absent_cells=(("search", "watch"),)
    ),
}
Weights = dict[str, dict[str, float]]
WEIGHTED: Weights = {"task_weights": {"order": 3.0}, "scenario_weights": {"search": 0.25}}
every_loss = pytest.mark.parametrize("name", names(LOSSES))
every_row_weight = pytest.mark.parametrize(
    "are_weighted", [False, True], ids=["equal rows", "weighted rows"]
)
every_schema = pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)


def rows_of(schema: Schema, num_rows: int = NUM_ROWS, *, are_weighted: bool = False) -> Columns:
    """Rows of three users, some without one; labels that a row does not have are 0.

    If they are weighted, it is by whole numbers, of which some are 0.
    """
    draw = np.random.default_rng(num_rows)
    labels_RT = draw.integers(2, size=(num_rows, 3)).astype(np.float32)
    if schema.amount_units:
        labels_RT[:, 2] = draw.choice([0.0, 0.5, 0.5, 2.0, 7.5], num_rows)
    scenario_R = draw.integers(2, size=num_rows).astype(np.int16)
    return Columns(
        ids_RF=np.zeros((num_rows, 1), np.int32),
        numeric_RN=np.zeros((num_rows, 2), np.float32),
        scenario_R=scenario_R,
        labels_RT=labels_RT * schema.has_task[scenario_R],
        user_R=draw.integers(-1, 3, size=num_rows).astype(np.int32),
        lists_RS=np.zeros((num_rows, 0), np.int32),
        weight_R=draw.permutation(np.arange(num_rows) % 4).astype(np.float32)
        if are_weighted
        else None,
    )


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(7))


def of_batch(
    loss: StepLoss, rows: Columns, rows_B: Tensor | None = None
) -> Callable[[Tensor], Tensor]:
    """The loss of scores of these rows, by default of all."""
    chosen_B = torch.arange(rows.num_rows) if rows_B is None else rows_B
    labels_BT = torch.from_numpy(rows.labels_RT)[chosen_B].float()
    scenario_B = torch.from_numpy(rows.scenario_R)[chosen_B].long()
    return lambda scores_BH: loss(scores_BH, labels_BT.to(scores_BH), chosen_B, scenario_B)


def configured(name: str, **train: object) -> TrainConfig:
    given = {"loss": name, "ranking_weight": RANKING_WEIGHT, **train}
    return TrainConfig.model_validate(given)


def plain_labels(
    weights: Weights, schema: Schema, rows: Columns, scores_RH: Tensor
) -> list[PlainLabel]:
    """The labels that rows have, for every head of the own scenario or of all.

    Rows weigh 1 in the mean over the labels of own scenarios.
    """
    of_task, of_scenario = weights.get("task_weights", {}), weights.get("scenario_weights", {})
    labels = []
    for row, scenario in enumerate(rows.scenario_R.tolist()):
        for head in range(scores_RH.shape[1]):
            task = head % 3
            of_head = scenario if scores_RH.shape[1] == 3 else head // 3
            if not (schema.has_task[scenario, task] and schema.has_task[of_head, task]):
                continue
            weight = of_task.get(TASKS[task], 1.0)
            weight *= of_scenario.get(schema.scenarios[scenario], 1.0)
            score, label = float(scores_RH[row, head]), float(rows.labels_RT[row, task])
            user = None if rows.user_R[row] < 0 else int(rows.user_R[row])
            is_amount = bool(schema.is_amount[task])
            of_row = 1.0 if rows.weight_R is None else float(rows.weight_R[row])
            labels.append(PlainLabel(score, label, weight, head, is_amount, user, scenario, of_row))
    own = [label for label in labels if label.head // 3 == label.scenario]
    if scores_RH.shape[1] == 3:
        own = labels
    mean = sum(each.weight * each.row_weight for each in own) / sum(each.weight for each in own)
    return [replace(label, row_weight=label.row_weight / mean) for label in labels]


def plain_of(name: str) -> Callable[[Labels, float], float]:
    plain: Callable[[Labels, float], float] = import_module(
        f"tests.training.loss_references.{name}"
    ).plain
    return plain


@every_loss
@every_schema
@pytest.mark.parametrize("num_heads", [3, 6], ids=["own heads", "heads of all scenarios"])
@pytest.mark.parametrize("weights", [{}, WEIGHTED], ids=["alike", "weighted"])
@every_row_weight
def test_it_is_what_loops_over_labels_and_pairs_give(
    name: str, schema: Schema, num_heads: int, weights: Weights, are_weighted: bool
) -> None:
    config, rows = configured(name, **weights), rows_of(schema, are_weighted=are_weighted)
    scores_RH = drawn(NUM_ROWS, num_heads)
    got = of_batch(step_loss(config, schema, rows, None, CPU), rows)(scores_RH)
    expected = plain_of(name)(plain_labels(weights, schema, rows, scores_RH), RANKING_WEIGHT)
    assert got.item() == pytest.approx(expected, rel=1e-6)


@every_loss
@every_schema
@every_row_weight
def test_its_gradient_is_that_of_finite_differences(
    name: str, schema: Schema, are_weighted: bool
) -> None:
    rows = rows_of(schema, are_weighted=are_weighted)
    loss = of_batch(step_loss(configured(name, **WEIGHTED), schema, rows, None, CPU), rows)
    scores_RT = drawn(NUM_ROWS, 3).requires_grad_()
    assert torch.autograd.gradcheck(loss, scores_RT)


@every_loss
def test_it_and_its_gradient_are_finite_for_any_logit(name: str) -> None:
    rows = rows_of(PLAIN)
    sign_RT = drawn(NUM_ROWS, 3).float().sign()
    scores_RT = (1e4 * sign_RT).requires_grad_()
    loss = of_batch(step_loss(configured(name), PLAIN, rows, None, CPU), rows)(scores_RT)
    loss.backward()
    assert loss.isfinite()
    assert scores_RT.grad.isfinite().all()


@every_loss
@every_schema
def test_a_batch_of_one_row_has_a_loss(name: str, schema: Schema) -> None:
    rows = rows_of(schema)
    loss = step_loss(configured(name), schema, rows, None, CPU)
    scores_BT = drawn(1, 3).requires_grad_()
    of_batch(loss, rows, torch.tensor([5]))(scores_BT).backward()
    assert scores_BT.grad.isfinite().all()
    assert scores_BT.grad.any()


@every_loss
@every_schema
def test_labels_that_a_row_does_not_have_change_nothing(name: str, schema: Schema) -> None:
    rows = rows_of(schema)
    is_absent_RT = torch.from_numpy(~schema.has_task[rows.scenario_R])
    scores_RT = drawn(NUM_ROWS, 3)
    loss = of_batch(step_loss(configured(name), schema, rows, None, CPU), rows)
    assert loss(scores_RT) == loss(torch.where(is_absent_RT, 5.0, scores_RT))


@every_loss
def test_it_reads_the_rows_of_its_batch(name: str) -> None:
    rows, rows_B = rows_of(PLAIN, 40), torch.tensor([31, 2, 8, 30, 17, 5, 39, 22])
    scores_BT = drawn(8, 3)
    config, batch = configured(name), rows.where(rows_B.numpy())
    got = of_batch(step_loss(config, PLAIN, rows, None, CPU), rows, rows_B)(scores_BT)
    alone = of_batch(step_loss(config, PLAIN, batch, None, CPU), batch)(scores_BT)
    assert got == alone


@every_loss
@pytest.mark.parametrize("ranking_weight", [RANKING_WEIGHT, 0.1])
def test_a_model_learns_by_it(name: str, ranking_weight: float) -> None:
    train = configured(
        name,
        batch_size=32,
        patience=0,
        epochs=2,
        learning_rate=0.03,
        ranking_weight=ranking_weight,
    )
    objective = objective_named("macro_auc")
    conditions = Conditions(DATA, DATA.full_schema, train, 0, objective, CPU)
    assert fit(linear(DATA), conditions, Watch()).valid_objective > 0.9


@every_loss
@every_schema
@pytest.mark.parametrize("weights", [{}, WEIGHTED])
def test_a_row_of_weight_k_costs_what_k_copies_of_it_would(
    name: str, schema: Schema, weights: dict[str, object]
) -> None:
    """But for a constant: in a softmax over copies, every row has less than over weighted rows."""
    config, rows = configured(name, **weights), rows_of(schema, are_weighted=True)
    assert rows.weight_R is not None
    copies_C = np.arange(NUM_ROWS).repeat(rows.weight_R.astype(np.int64))
    copied = replace(rows, weight_R=None).where(copies_C)
    scores_RT = drawn(NUM_ROWS, 3).requires_grad_()
    of_weighted = of_batch(step_loss(config, schema, rows, None, CPU), rows)
    of_copies = of_batch(step_loss(config, schema, copied, None, CPU), copied)
    equal_RT = torch.zeros_like(scores_RT)
    weighted = of_weighted(scores_RT) - of_weighted(equal_RT)
    alike = of_copies(scores_RT[copies_C]) - of_copies(equal_RT[copies_C])
    torch.testing.assert_close(weighted, alike, rtol=1e-6, atol=1e-7)
    gradients = [torch.autograd.grad(each, scores_RT)[0] for each in (weighted, alike)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-9)


@every_loss
def test_a_batch_of_rows_of_weight_0_costs_nothing(name: str) -> None:
    rows = rows_of(PLAIN, are_weighted=True)
    assert rows.weight_R is not None
    rows_B = torch.from_numpy(np.flatnonzero(rows.weight_R == 0))
    scores_BT = drawn(len(rows_B), 3).requires_grad_()
    loss = of_batch(step_loss(configured(name), PLAIN, rows, None, CPU), rows, rows_B)(scores_BT)
    loss.backward()
    assert loss == 0
    assert not scores_BT.grad.any()


@every_loss
def test_it_reads_nothing_from_the_device_of_the_model(name: str) -> None:
    unreadable = torch.device("meta")
    rows = rows_of(PLAIN, are_weighted=True)
    loss = step_loss(configured(name, **WEIGHTED), PLAIN, rows, None, unreadable)
    known = torch.empty(NUM_ROWS, 3, device=unreadable), torch.arange(NUM_ROWS)
    scores_RT = torch.empty(NUM_ROWS, 3, device=unreadable, requires_grad=True)
    of_scenarios = torch.empty(NUM_ROWS, dtype=torch.int64, device=unreadable)
    loss(scores_RT, *known, of_scenarios).backward()


@every_loss
def test_rows_without_users_have_the_loss_of_their_labels(name: str) -> None:
    if not loss_named(name).of_pairs:
        return
    rows = replace(rows_of(PLAIN), user_R=np.full(NUM_ROWS, -1, np.int32))
    scores_RT = drawn(NUM_ROWS, 3)
    loss_of = partial(step_loss, schema=PLAIN, rows=rows, teacher_RT=None, device=CPU)
    with_pairs, without = (
        of_batch(loss_of(configured(each)), rows)(scores_RT) for each in (name, "cross_entropy")
    )
    assert with_pairs == without


def test_every_loss_has_a_reference() -> None:
    assert all(plain_of(name) for name in names(LOSSES))


def test_a_loss_of_an_allowed_package_is_found_by_its_dotted_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plugins, "_allowed", [])
    name = "tests.training.loss_references.cross_entropy"
    with pytest.raises(ValidationError, match="--plugin tests"):
        configured(name)
    plugins.allow_only(["tests.training.loss_references"])
    with pytest.raises(ValidationError, match="must have LOSS, a Loss"):
        configured(name)
    monkeypatch.setattr(import_module(name), "LOSS", loss_named("cross_entropy"), raising=False)
    assert configured(name).loss == name


@pytest.mark.parametrize("name", ["crossentropy", "fake_models.linear"])
def test_a_loss_that_is_none_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"loss '.*' is not known.*cross_entropy, pairs_within_users"
    ):
        loss_named(name)
