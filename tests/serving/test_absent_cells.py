"""An exported model gives no probability of a task that the scenario of a row does not have, whatever scores it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from hinet_search.common.errors import ConfigurationError
from hinet_search.serving.log_rows import KEY, labels_of_rows
from hinet_search.serving.model_folder import LoadedModel, open_folder
from hinet_search.serving.onnx_graph import _largest
from hinet_search.study.task_definition import TaskDefinition
from tests.serving.exported import table, write_export
from tests.serving.shop import edited, predicted

ABSENT = (("Push", "buy"), ("Cart", "click"))
CELLS = [("Home", "click"), ("Home", "buy"), ("Push", "click"), ("Cart", "buy")]
CPU = torch.device("cpu")
TASKS = {
    "click": TaskDefinition(column="clicked", equals=1),
    "buy": TaskDefinition(column="bought"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:

    at = tmp_path_factory.mktemp("absent")
    return write_export(at / "model", absent_cells=ABSENT, tasks=TASKS)


@pytest.fixture(scope="module")
def exported(folder: Path) -> LoadedModel:
    return open_folder(folder, CPU)


@pytest.fixture(scope="module")
def scores(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """What `predict` writes of the table."""
    return predicted(folder, table(), tmp_path_factory.mktemp("scores"))


def test_predict_writes_null_where_there_is_no_task(scores: pl.DataFrame) -> None:
    place = scores["place"]
    assert scores["buy"].is_null().equals(place == 2)
    assert scores["click"].is_null().equals(place == 3)
    assert scores.null_count()["buy"].item() > 50


def test_a_row_of_a_log_needs_no_label_of_a_task_that_its_scenario_lacks(
    exported: LoadedModel,
) -> None:
    labels = {"click": [1, 0, None, None], "buy": [0, None, None, 1]}
    columns = {f"{KEY}{TASKS[name].column}": values for name, values in labels.items()}
    scenario_R = np.array([0, 1, 1, 2], np.int16)  # Home, Push, Push, Cart
    tasks = {**TASKS, "click": TaskDefinition(column="clicked")}
    labels_RT, is_labelled_R = labels_of_rows(
        exported.file.inputs, tasks, pl.DataFrame(columns), scenario_R, "log"
    )
    assert is_labelled_R.tolist() == [True, True, False, True]
    assert labels_RT.tolist() == [[1, 0], [0, 0], [0, 0], [0, 1]]


def test_a_graph_that_has_a_number_there_is_refused(exported: LoadedModel) -> None:
    inputs = exported.file.inputs
    expected_RT = np.array([[0.5, np.nan]], dtype=np.float32)
    has_task_RT = np.array([[True, False]])
    assert _largest(inputs, expected_RT, expected_RT, has_task_RT) == 0
    assert _largest(inputs, np.array([[0.5, 0.5]], np.float32), expected_RT, has_task_RT) == np.inf
    assert _largest(inputs, expected_RT, expected_RT, np.array([[True, True]])) == np.inf


@pytest.mark.parametrize(
    ("absent", "problem"),
    [
        ((("Pusch", "buy"),), "absent_cells must name a scenario and a task of the model"),
        ((("Push", "buy"), ("Push", "click")), "absent_cells must leave every scenario a task"),
    ],
)
def test_a_folder_with_wrong_absent_cells_is_refused(
    tmp_path: Path, absent: tuple[tuple[str, str], ...], problem: str
) -> None:
    folder = write_export(tmp_path / "model")
    lines = "".join(f"  - [{scenario}, {task}]\n" for scenario, task in absent)
    before = "  not_finite: refuse\n"
    edited(folder, {before: f"{before}  absent_cells:\n{lines}"})
    with pytest.raises(ConfigurationError, match=problem):
        open_folder(folder, CPU)
