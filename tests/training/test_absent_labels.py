"""Labels of a task in scenarios that do not have it change nothing: no weight, no metric, no statistic, no choice."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from fake_models import CPU, DATA, Watch, linear, weights_hash
from numpy.typing import NDArray

from hinet_search.data.columns import Columns, Dataset
from hinet_search.results.objectives import objective_named
from hinet_search.results.statistics.calibrators import calibrate
from hinet_search.results.statistics.ensemble_selection import Settings, select
from hinet_search.results.statistics.resampling import ScoredRows, resampled
from hinet_search.training.fit import fit
from hinet_search.training.fit_staged import fit_staged
from hinet_search.training.metrics import cell_values
from hinet_search.training.run_state import Conditions
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trial_config import build_config

ABSENT = (("search", "order"),)
SCHEMA = replace(DATA.full_schema, absent_cells=ABSENT)
TEACHER_RT = np.random.default_rng(0).normal(size=DATA.train.labels_RT.shape).astype(np.float16)
LOGITS_MRT = np.random.default_rng(1).normal(size=(4, *DATA.valid.labels_RT.shape))


def noisy(columns: Columns, seed: int) -> Columns:
    """The rows with labels drawn at random where the scenario does not have the task."""
    drawn_RT = np.random.default_rng(seed).integers(0, 2, columns.labels_RT.shape)
    has_label_RT = SCHEMA.has_task[columns.scenario_R]
    labels_RT = np.where(has_label_RT, columns.labels_RT, drawn_RT).astype(np.uint8)
    return replace(columns, labels_RT=labels_RT)


def conditions(seed: int) -> Conditions:
    """Conditions of a training on rows whose absent labels are drawn by `seed`."""
    train, valid = noisy(DATA.train, seed), noisy(DATA.valid, seed)
    data: Dataset = replace(DATA, full_schema=SCHEMA, train=train, valid=valid)
    config = TrainConfig(batch_size=32, patience=0, epochs=1, learning_rate=0.03)
    objective = objective_named("mean_auc")
    return Conditions(data, SCHEMA, config, 0, objective, CPU)


def outcome_of_fit(given: Conditions) -> object:
    model = linear(given.dataset)
    result = fit(model, given, Watch())
    return weights_hash(model), [each.cells for each in result.evaluations], result.valid_cells


def distilled(given: Conditions, teacher_RT: NDArray[np.float16]) -> Conditions:
    config = given.config.model_copy(update={"teacher_weight": 0.7, "teacher_temperature": 2.0})
    return replace(given, config=config, teacher_RT=teacher_RT)


def outcome_of_teaching(given: Conditions) -> object:
    return outcome_of_fit(distilled(given, TEACHER_RT))


def outcome_of_growth(given: Conditions) -> object:
    model = build_config("trees", {"model.max_rounds": 4}).build(SCHEMA)
    result = fit_staged(model, given, Watch())
    return [(each.cells, each.train_loss) for each in result.evaluations]


def outcome_of_parts(given: Conditions) -> object:
    model = build_config("single", {"model.widths": (8,)}).build(SCHEMA)
    result = fit(model, given, Watch())
    return result.valid_cells, result.evaluations[-1].train_loss


every_training = pytest.mark.parametrize(
    "outcome",
    [
        outcome_of_fit,
        outcome_of_teaching,
        outcome_of_growth,
        outcome_of_parts,
    ],
)


@every_training
def test_a_training_does_not_read_labels_of_absent_cells(
    outcome: Callable[[Conditions], object],
) -> None:
    outcomes = []
    for seed in (1, 2):
        torch.manual_seed(0)
        outcomes.append(outcome(conditions(seed)))
    assert outcomes[0] == outcomes[1]


def test_a_teacher_teaches_no_task_that_a_scenario_lacks() -> None:
    hashes = []
    for seed in (1, 2):
        has_task_RT = SCHEMA.has_task[DATA.train.scenario_R]
        drawn_RT = np.random.default_rng(seed).normal(size=TEACHER_RT.shape)
        teacher_RT = np.where(has_task_RT, TEACHER_RT, drawn_RT).astype(np.float16)
        given = distilled(conditions(0), teacher_RT)
        model = linear(given.dataset)
        fit(model, given, Watch())
        hashes.append(weights_hash(model))
    assert hashes[0] == hashes[1]


def test_metrics_are_of_the_cells_that_exist() -> None:
    logits_RT = LOGITS_MRT[0].astype(np.float32)
    cells = cell_values(logits_RT, DATA.valid, SCHEMA.cells)
    every = cell_values(logits_RT, DATA.valid, DATA.full_schema.cells)
    assert cells == every[:3]


def calibrated(columns: Columns) -> object:
    logits_RT = LOGITS_MRT[0].astype(np.float32)
    rows = logits_RT, columns.labels_RT, columns.scenario_R, columns.user_R
    return calibrate(*rows, SCHEMA.cells, seed=0)


def resampled_metrics(columns: Columns) -> object:
    logits_SRT = LOGITS_MRT[:2].astype(np.float32)
    rows = ScoredRows(
        logits_SRT, columns.labels_RT, columns.scenario_R, columns.user_R, SCHEMA.cells
    )
    return resampled(rows, headline="worst_auc", seed=0, resamplings=5)


def selected(columns: Columns) -> object:
    runs = ScoredRows(
        LOGITS_MRT.astype(np.float32),
        columns.labels_RT,
        columns.scenario_R,
        columns.user_R,
        SCHEMA.cells,
    )
    return select(runs, Settings(objective_named("logloss"), 0, most=3, bags=2, folds=3))


@pytest.mark.parametrize("statistic", [calibrated, resampled_metrics, selected])
def test_a_statistic_does_not_read_labels_of_absent_cells(
    statistic: Callable[[Columns], object],
) -> None:
    assert statistic(noisy(DATA.valid, 1)) == statistic(noisy(DATA.valid, 2))


def test_resampled_cells_are_in_the_order_of_the_cells_that_exist() -> None:
    assert len(resampled_metrics(DATA.valid).cells) == len(SCHEMA.cells) == 3
