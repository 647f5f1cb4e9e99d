"""Weights of tasks and scenarios decide what a model learns where it cannot learn all."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fake_models import CPU, DATA, fit_on
from pydantic import ValidationError
from torch import Tensor, nn

from hinet_search.data.columns import Columns
from hinet_search.models.layers.batch import Batch
from hinet_search.training.loss import cell_weights
from hinet_search.training.teaching import step_loss
from hinet_search.training.train_config import TrainConfig

SCHEMA = DATA.full_schema  # scenarios home and search, tasks click and order


class OneScore(nn.Module):
    """One weight of one number: all cells have one score."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, batch: Batch) -> Tensor:
        return (self.weight * batch.numeric_BN[:, :1]).expand(-1, 2)


def weights(**train: object) -> list[list[float]] | None:
    weight_MT = cell_weights(TrainConfig.model_validate(train), SCHEMA)
    return None if weight_MT is None else weight_MT.tolist()


def opposed(columns: Columns, is_turned_RT: np.ndarray) -> Columns:
    """The rows with labels that follow the first number, or its opposite."""
    is_positive_RT = np.repeat(columns.numeric_RN[:, :1] > 0, 2, axis=1)
    return replace(columns, labels_RT=(is_positive_RT ^ is_turned_RT).astype(np.uint8))


@pytest.mark.parametrize(
    ("task_weights", "clicks_are_learned"), [({"click": 5.0}, True), ({"order": 5.0}, False)]
)
def test_of_tasks_that_contradict_each_other_the_heavier_one_is_learned(
    task_weights: dict[str, float], clicks_are_learned: bool
) -> None:
    splits = {
        name: opposed(getattr(DATA, name), np.array([[False, True]])) for name in ("train", "valid")
    }
    result = fit_on(
        replace(DATA, **splits), OneScore(), learning_rate=0.05, task_weights=task_weights
    )
    for cell in result.valid_cells:
        assert cell.auc == float((cell.task == "click") == clicks_are_learned)


def test_weights_of_tasks_and_scenarios_multiply_each_other() -> None:
    both = {"task_weights": {"order": 3.0}, "scenario_weights": {"search": 0.5}}
    assert weights(**both) == [[1.0, 3.0], [0.5, 1.5]]


def test_without_weights_none_is_made() -> None:
    assert weights() is None
    assert weights(task_weights={"click": 1.0}, scenario_weights={}) is None


def test_a_teacher_counts_as_much_as_the_labels_of_a_task() -> None:
    given = {"teacher_weight": 1.0, "task_weights": {"order": 1e-3}}
    config = TrainConfig.model_validate(given)
    teacher_RT = np.zeros(DATA.train.labels_RT.shape, np.float16)
    loss = step_loss(config, SCHEMA, DATA.train, teacher_RT, CPU)
    rows_B = torch.arange(4)
    scores_BT = torch.tensor([[0.0, 9.0]]).repeat(4, 1)
    assert loss(scores_BT, torch.zeros(4, 2), rows_B, rows_B % 2).item() < 0.7


@pytest.mark.parametrize(
    "given",
    [
        {"task_weights": {"click": 0.0}},
        {"task_weights": {"click": -1.0}},
        {"task_weights": {"click": float("nan")}},
        {"task_weights": 2.0},
        {"scenario_weights": 2.0},
        {"scenario_weights": {"home": "much"}},
        {"ranking_weight": -0.1},
        {"loss": "hinge"},
    ],
)
def test_weights_and_losses_that_mean_nothing_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(given))):
        TrainConfig.model_validate(given)
