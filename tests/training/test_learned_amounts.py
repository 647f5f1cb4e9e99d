"""Amounts are learned as the log of their mean, beside labels of 0 and 1, by every kind of training."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from fake_models import CPU, DATA, Watch, linear
from numpy.typing import NDArray

from hinet_search.data.columns import Columns, Dataset
from hinet_search.models.layers.measure import synthetic_batch
from hinet_search.results.cells import make_cells
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import CellValue
from hinet_search.training.fit import fit
from hinet_search.training.fit_staged import fit_staged
from hinet_search.training.metrics import cell_values
from hinet_search.training.run_state import Conditions, FitResult
from hinet_search.training.teaching import StepLoss
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trial_config import build_config

UNIT = 30.0
SCHEMA = replace(DATA.full_schema, amount_units=(("order", UNIT),))
IS_AMOUNT_T = torch.tensor([False, True])


def with_amounts(columns: Columns, seed: int) -> Columns:
    """The rows with clicks as they are, and amounts whose log-mean is linear in an input."""
    generator = np.random.default_rng(seed)
    mean_R = np.exp(0.8 * columns.numeric_RN[:, 0] - 0.3)
    amount_R = mean_R * generator.gamma(3.0, 1 / 3, size=len(mean_R))
    amount_R[generator.random(len(mean_R)) < 0.1] = 0.0
    labels_RT = columns.labels_RT.astype(np.float32)
    labels_RT[:, 1] = amount_R
    return replace(columns, labels_RT=labels_RT)


AMOUNTS: Dataset = replace(
    DATA,
    full_schema=SCHEMA,
    train=with_amounts(DATA.train, 0),
    valid=with_amounts(DATA.valid, 1),
)


def conditions(
    teacher_RT: NDArray[np.float16] | None = None, dataset: Dataset = AMOUNTS, **train: object
) -> Conditions:
    given = {"batch_size": 32, "patience": 0, "epochs": 12, "learning_rate": 0.03, **train}
    config = TrainConfig.model_validate(given)
    objective = objective_named("macro_auc")
    return Conditions(dataset, dataset.full_schema, config, 0, objective, CPU, teacher_RT)


def amounts_of(result: FitResult) -> list[CellValue]:
    """The cells of amounts after the last step."""
    return [cell for cell in result.evaluations[-1].cells if cell.task == "order"]


@pytest.mark.parametrize(("weight", "temperature"), [(0.0, 1.0), (0.4, 1.0), (0.4, 2.5)])
@pytest.mark.parametrize("num_scenarios", [1, 3])
def test_the_loss_equals_a_plain_loop_over_rows_and_tasks(
    weight: float, temperature: float, num_scenarios: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    scores_BH = torch.randn(4, 2 * num_scenarios, dtype=torch.float64, generator=generator)
    teacher_RT = torch.randn(4, 2, generator=generator).half()
    labels_BT = torch.tensor([[1.0, 0.0], [0.0, 2.5], [1.0, 1.0], [0.0, 40.0]], dtype=torch.float64)

    def cost(task: int, score: float, label: float) -> float:
        if task == 1:
            least = label - label * math.log(label) if label else 0.0
            return math.exp(score) - label * score - least
        probability = 1 / (1 + math.exp(-score))
        return -label * math.log(probability) - (1 - label) * math.log(1 - probability)

    expected = 0.0
    for row in range(4):
        for head in range(2 * num_scenarios):
            task, score = head % 2, float(scores_BH[row, head])
            softened = float(teacher_RT[row, task]) / temperature
            soft = math.exp(softened) if task else 1 / (1 + math.exp(-softened))
            expected += (1 - weight) * cost(task, score, float(labels_BT[row, task]))
            expected += weight * temperature**2 * cost(task, score / temperature, soft)
    config = TrainConfig(teacher_weight=weight, teacher_temperature=temperature)
    loss = StepLoss(
        teacher_RT,
        config.teacher_weight,
        config.teacher_temperature,
        is_amount_T=IS_AMOUNT_T,
    )
    rows_B = torch.arange(4)
    got = loss(scores_BH, labels_BT, rows_B, rows_B).item()
    assert got == pytest.approx(expected / scores_BH.numel(), rel=1e-6)


def test_gradients_are_finite_whatever_the_score_of_the_other_kind_would_be() -> None:
    scores_BT = torch.tensor([[500.0, -500.0], [-500.0, 3.0]], requires_grad=True)
    labels_BT = torch.tensor([[0.0, 7.0], [1.0, 0.0]])
    rows_B = torch.arange(2)
    StepLoss(is_amount_T=IS_AMOUNT_T)(scores_BT, labels_BT, rows_B, rows_B).backward()
    assert scores_BT.grad is not None
    expected = [[1.0, -7.0], [-1.0, math.exp(3.0)]]
    np.testing.assert_allclose(4 * scores_BT.grad, expected, rtol=1e-5)


def test_equal_amounts_have_no_auc_and_say_why() -> None:
    valid = replace(AMOUNTS.valid, labels_RT=np.full_like(AMOUNTS.valid.labels_RT, 1.0))
    cells = make_cells(SCHEMA.scenarios, SCHEMA.tasks, (), dict(SCHEMA.amount_units))
    cell = cell_values(np.zeros_like(valid.labels_RT), valid, cells)[1]
    assert (cell.auc, cell.gauc, cell.reason) == (
        None,
        None,
        "the amounts of all 100 rows are equal",
    )
    assert (cell.calibration, cell.ece, cell.rmse) == (1.0, 0.0, 0.0)


def test_a_network_learns_the_mean_of_amounts() -> None:
    for cell in amounts_of(fit(linear(AMOUNTS), conditions(), Watch())):
        assert cell.auc is not None
        assert cell.auc > 0.8
        assert cell.calibration == pytest.approx(1.0, abs=0.25)


def test_trees_learn_the_mean_of_amounts() -> None:
    options = {"model.max_rounds": 60, "model.min_samples_leaf": 10, "model.learning_rate": 0.1}
    model = build_config("trees", options).build(SCHEMA)
    for cell in amounts_of(fit_staged(model, conditions(), Watch())):
        assert cell.auc is not None
        assert cell.auc > 0.8
        assert cell.calibration == pytest.approx(1.0, abs=0.25)


def test_a_student_believes_its_teacher_where_all_amounts_are_0() -> None:
    train = AMOUNTS.train
    labels_RT = np.zeros_like(train.labels_RT)
    teacher_RT = np.stack([np.zeros(len(labels_RT)), train.numeric_RN[:, 0]], axis=1)
    silent = replace(AMOUNTS, train=replace(train, labels_RT=labels_RT))
    given = conditions(teacher_RT.astype(np.float16), silent, teacher_weight=1.0)
    for cell in amounts_of(fit(linear(silent), given, Watch())):
        assert cell.auc is not None
        assert cell.auc > 0.8


def test_amounts_are_no_part_of_a_funnel() -> None:
    options = {"model.loss.entire_space": True, "model.embedding_dim": 4}
    plain = build_config("hinet", {**options, "model.loss.entire_space": False})
    funnel = build_config("hinet", options)
    schema = replace(SCHEMA, tasks=("click", "order", "pay"))
    batch = synthetic_batch(schema, 8, 0)
    scores = []
    for config in (plain, funnel):
        torch.manual_seed(0)
        model = config.build(schema).eval()
        scores.append(model(batch))
    same_BT = scores[0] == scores[1]
    assert same_BT[:, 0].all()
    assert same_BT[:, 1].all()
    click, pay = (scores[0][:, task].double().sigmoid() for task in (0, 2))
    torch.testing.assert_close(scores[1][:, 2].double().sigmoid(), click * pay)
