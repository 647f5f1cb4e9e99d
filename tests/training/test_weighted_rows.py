"""A weight of a row decides how much a training learns from it: one of weight k trains as k copies."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fake_models import CPU, DATA, Watch, fit_on, linear
from numpy.typing import NDArray

from hinet_search.data.columns import Columns, Dataset
from hinet_search.results.objectives import objective_named
from hinet_search.training.fit_staged import fit_staged
from hinet_search.training.jobs.refit import with_validation_rows
from hinet_search.training.run_state import Conditions
from hinet_search.training.teaching import step_loss
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trial_config import build_config

SCHEMA = DATA.full_schema
NUM_ROWS = DATA.train.num_rows
COPIES_R = np.random.default_rng(4).integers(0, 4, NUM_ROWS)
ALL_ROWS = {"batch_size": 10_000, "epochs": 6, "learning_rate": 0.05}  # a step an epoch


def weighted(columns: Columns, weight_R: NDArray[np.floating] | NDArray[np.integer]) -> Columns:
    return replace(columns, weight_R=weight_R.astype(np.float32))


def of_copies(columns: Columns) -> Columns:
    return columns.where(np.arange(columns.num_rows).repeat(COPIES_R))


def opposed(columns: Columns, is_turned_R: NDArray[np.bool_]) -> Columns:
    """The rows, some of them with the opposite labels and a weight of 0."""
    labels_RT = np.where(is_turned_R[:, None], 1 - columns.labels_RT, columns.labels_RT)
    return weighted(replace(columns, labels_RT=labels_RT), ~is_turned_R)


def half_opposed() -> Dataset:
    """Data whose training rows of weight 0 say the opposite of the others, for most of them."""
    is_turned_R = np.random.default_rng(1).random(NUM_ROWS) < 0.7
    return replace(DATA, train=opposed(DATA.train, is_turned_R))


@pytest.mark.parametrize(
    "train",
    [
        {},
        {"loss": "pairs_within_users", "ranking_weight": 2.0},
        {"scenario_weights": {"home": 2.0}, "task_weights": {"order": 3.0}},
        {"embedding_optimiser": "lazy_adam"},
    ],
)
def test_a_network_learns_from_a_row_of_weight_k_as_from_k_copies(train: dict[str, object]) -> None:
    heavy, copied = linear(DATA), linear(DATA)
    data = replace(DATA, train=weighted(DATA.train, COPIES_R))
    of_heavy = fit_on(data, heavy, **ALL_ROWS, **train)
    of_copied = fit_on(replace(DATA, train=of_copies(DATA.train)), copied, **ALL_ROWS, **train)
    torch.testing.assert_close(heavy.state_dict(), copied.state_dict(), rtol=1e-4, atol=1e-5)
    for left, right in zip(of_heavy.evaluations, of_copied.evaluations, strict=True):
        assert left.train_loss == pytest.approx(right.train_loss, rel=1e-5)
        assert left.objective == pytest.approx(right.objective, rel=1e-6)


def test_a_student_learns_from_its_teacher_as_much_as_from_the_labels_of_a_row() -> None:
    teacher_RT = np.random.default_rng(0).normal(size=(NUM_ROWS, 2)).astype(np.float16)
    config = TrainConfig.model_validate({"teacher_weight": 0.6, "teacher_temperature": 2.0})
    copies_C = np.arange(NUM_ROWS).repeat(COPIES_R)
    scores_RT = torch.randn(NUM_ROWS, 2, generator=torch.Generator().manual_seed(0))
    losses = []
    for columns, rows in ((weighted(DATA.train, COPIES_R), slice(None)), (DATA.train, copies_C)):
        chosen = columns if isinstance(rows, slice) else columns.where(rows)
        loss = step_loss(config, SCHEMA, chosen, teacher_RT[rows], CPU)
        labels_RT = torch.from_numpy(chosen.labels_RT).float()
        scenario_R = torch.from_numpy(chosen.scenario_R).long()
        losses.append(loss(scores_RT[rows], labels_RT, torch.arange(len(labels_RT)), scenario_R))
    torch.testing.assert_close(*losses)


def test_the_batches_of_an_epoch_together_are_the_weighted_mean() -> None:
    rows = weighted(DATA.train, COPIES_R)
    loss = step_loss(TrainConfig(), SCHEMA, rows, None, CPU)
    scores_RT = torch.randn(NUM_ROWS, 2, generator=torch.Generator().manual_seed(0))
    labels_RT = torch.from_numpy(rows.labels_RT).float()
    scenario_R = torch.from_numpy(rows.scenario_R).long()
    all_rows_R = torch.randperm(NUM_ROWS, generator=torch.Generator().manual_seed(1))
    parts = [
        loss(scores_RT[rows_B], labels_RT[rows_B], rows_B, scenario_R[rows_B])
        for rows_B in all_rows_R.split(10)
    ]
    losses_RT = torch.nn.functional.binary_cross_entropy_with_logits(
        scores_RT, labels_RT, reduction="none"
    )
    expected = (torch.from_numpy(COPIES_R) * losses_RT.mean(dim=1)).sum() / COPIES_R.sum()
    torch.testing.assert_close(torch.stack(parts).mean(), expected.float())


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_only_the_ratios_of_weights_count(factor: float) -> None:
    models = [linear(DATA), linear(DATA)]
    for model, unit in zip(models, (1.0, factor), strict=True):
        data = replace(DATA, train=weighted(DATA.train, unit * COPIES_R))
        fit_on(data, model, epochs=1, learning_rate=0.05)
    torch.testing.assert_close(*[model.state_dict() for model in models], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shuffle", ["rows", "blocks", "users"])
def test_rows_of_weight_0_teach_nothing_in_any_order(shuffle: str) -> None:
    data = half_opposed()
    result = fit_on(data, linear(data), shuffle=shuffle, learning_rate=0.05, epochs=6)
    assert all(cell.auc is not None and cell.auc > 0.95 for cell in result.valid_cells)


def test_a_refit_learns_from_weighted_rows_of_validation_too() -> None:
    valid = opposed(DATA.valid, np.ones(DATA.valid.num_rows, dtype=np.bool_))
    both = with_validation_rows(replace(half_opposed(), valid=valid))
    result = fit_on(replace(both, valid=DATA.valid), linear(DATA), learning_rate=0.05, epochs=6)
    assert all(cell.auc is not None and cell.auc > 0.95 for cell in result.valid_cells)


def test_metrics_of_validation_count_rows_alike() -> None:
    draw = np.random.default_rng(2)
    valid = weighted(DATA.valid, draw.random(DATA.valid.num_rows))
    cells = [
        fit_on(replace(DATA, valid=each), linear(DATA), epochs=1).valid_cells
        for each in (DATA.valid, valid)
    ]
    assert cells[0] == cells[1]


def test_the_training_loss_of_trees_is_finite_even_if_its_sample_has_no_weight() -> None:
    only_last_R = np.arange(NUM_ROWS) == NUM_ROWS - 1
    model = build_config("trees", {"model.max_rounds": 3}).build(SCHEMA)
    train = weighted(DATA.train, only_last_R)
    for columns in (train, weighted(DATA.train, ~only_last_R)):
        data = replace(DATA, train=columns)
        given = Conditions(data, SCHEMA, TrainConfig(), 0, objective_named("macro_auc"), CPU)
        result = fit_staged(model, given, Watch())
        assert all(np.isfinite(each.train_loss) for each in result.evaluations)
