"""An exported model gives the expected amounts of a task of amounts, whatever scores its rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.columns import Columns
from hinet_search.results.families import MAX_LOG
from hinet_search.serving.log_rows import _wrong_labels
from hinet_search.serving.model_file import CalibratedCell
from hinet_search.serving.model_folder import ExportedMember, LoadedModel, open_folder
from hinet_search.serving.onnx_graph import _largest, write_graph
from hinet_search.study.task_definition import TaskDefinition
from tests.serving.exported import table, write_export
from tests.serving.graph_shop import graph_scores
from tests.serving.shop import edited, predicted

UNIT = 37.5
CPU = torch.device("cpu")
CLICK, BUY = 0, 1  # places of the tasks; what is bought has a price
TASKS = {
    "click": TaskDefinition(column="clicked"),
    "buy": TaskDefinition(column="paid", kind="amount", at_most=200),
}
RAISED = CalibratedCell(
    scenario="Home", task="buy", kind="platt", slope=1.0, knots=(0.0,), values=(float(np.log(2)),)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of clicks and of amounts."""
    folder = tmp_path_factory.mktemp("amounts") / "model"
    return write_export(folder, amount_units={"buy": UNIT}, tasks=TASKS)


@pytest.fixture(scope="module")
def exported(folder: Path) -> LoadedModel:
    return open_folder(folder, CPU)


@pytest.fixture(scope="module")
def columns(exported: LoadedModel) -> Columns:
    return exported.encoder.columns(table().select(exported.file.inputs.columns))


def logits(exported: LoadedModel, columns: Columns) -> np.ndarray:
    """The scores of the only member (R, T), in float64."""
    return exported.members[0].model.scores(columns).astype(np.float64)


def test_the_column_of_amounts_is_the_unit_times_the_exponential_of_the_score(
    folder: Path, exported: LoadedModel, columns: Columns, tmp_path: Path
) -> None:
    scores = predicted(folder, table(), tmp_path)
    logit_RT = logits(exported, columns)
    assert_allclose(scores["buy"], UNIT * np.exp(logit_RT[:, BUY]), rtol=1e-6)
    assert_allclose(scores["click"], expit(logit_RT[:, CLICK]), rtol=1e-6)


def test_a_calibrator_of_amounts_changes_the_log_of_the_amount(
    exported: LoadedModel, columns: Columns
) -> None:
    file = exported.file.model_copy(update={"calibration": (RAISED,)})
    before_RT = exported.predictions(columns)
    after_RT = replace(exported, file=file).predictions(columns)
    factor_R = np.where(columns.scenario_R == 0, 2.0, 1.0)
    assert_allclose(after_RT[:, BUY], factor_R * before_RT[:, BUY], rtol=1e-6)
    assert_array_equal(after_RT[:, CLICK], before_RT[:, CLICK])


class Constant:
    """A model that gives every row one score of each task."""

    model = None

    def __init__(self, *scores: float) -> None:
        self.row = scores

    def scores(self, columns: Columns) -> np.ndarray:
        return np.tile(np.array(self.row, dtype=np.float32), (columns.num_rows, 1))


def with_members(exported: LoadedModel, *models: Constant) -> LoadedModel:
    inputs = exported.members[0].inputs
    members = [ExportedMember(0, 1 / len(models), inputs, model) for model in models]
    return replace(exported, members=tuple(members))


def test_members_average_probabilities_and_expected_amounts(
    exported: LoadedModel, columns: Columns
) -> None:
    both = with_members(exported, Constant(1.0, np.log(2)), Constant(-2.0, np.log(4)))
    click, buy = both.predictions(columns)[0]
    assert click == pytest.approx((expit(1.0) + expit(-2.0)) / 2)
    assert buy == pytest.approx(3 * UNIT)


def test_an_endless_score_of_an_amount_is_none_and_a_large_one_is_cut(
    exported: LoadedModel, columns: Columns
) -> None:
    assert np.isnan(with_members(exported, Constant(0, np.inf)).predictions(columns)[:, BUY]).all()
    large = with_members(exported, Constant(0, 90)).predictions(columns)[0, BUY]
    assert large == pytest.approx(UNIT * np.exp(MAX_LOG))


def test_a_graph_gives_the_amounts_of_predict(columns: Columns, tmp_path: Path) -> None:
    folder = write_export(tmp_path / "model", amount_units={"buy": UNIT})
    cell = "{scenario: Home, task: buy, kind: platt, slope: 1.0, knots: [0.0], values: [0.7]}"
    edited(folder, {"calibration: []": f"calibration: [{cell}]"})
    exported = open_folder(folder, CPU)
    made = write_graph(exported, table())
    assert made.difference <= 1e-6
    assert made.amounts == ("buy",)
    expected_RT = exported.predictions(columns)
    assert_allclose(graph_scores(folder, columns), expected_RT, rtol=1e-5)


def test_a_difference_of_an_amount_is_relative_to_the_larger_of_amount_and_unit(
    exported: LoadedModel,
) -> None:
    inputs, has_task_RT = exported.file.inputs, np.ones((1, 2), dtype=np.bool_)
    for expected, by, difference in (
        ([0.5, 4 * UNIT], [0.125, UNIT], 0.25),
        ([0.5, 0.1 * UNIT], [0.5, UNIT], 1),
        ([0.5, UNIT], [0.25, 0], 0.25),
    ):
        expected_RT = np.array([expected], dtype=np.float32)
        predicted_RT = expected_RT + np.array([by], dtype=np.float32)
        found = _largest(inputs, predicted_RT, expected_RT, has_task_RT)
        assert found == pytest.approx(difference)


def test_newer_amounts_out_of_all_proportion_are_refused(exported: LoadedModel) -> None:
    inputs, buy = exported.file.inputs, TASKS["buy"].model_copy(update={"at_most": None})
    (problem,) = _wrong_labels(inputs, "buy", buy, pl.Series([3e11, 0.0]))
    assert problem == (
        "amounts of buy must be at most 1,000,000,000 times the mean of training, 37.5, got 3e+11"
    )
    assert _wrong_labels(inputs, "buy", buy, pl.Series([3e10])) == []


def test_units_of_a_task_that_the_model_does_not_have_are_refused(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "model", amount_units={"buy": UNIT})
    edited(folder, {"buy: 37.5": "by: 37.5"})
    with pytest.raises(ConfigurationError, match="amount_units must name tasks of the model"):
        open_folder(folder, CPU)
