"""An exported model gives no probability of a task that the scenario of a row does not have, whatever scores it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError
from hinet_search.serving.model_file import StudyRows
from hinet_search.serving.model_folder import ExportedModel, open_folder
from hinet_search.serving.monitor import drift_of
from hinet_search.serving.onnx_graph import _largest
from hinet_search.serving.predict import predictions
from hinet_search.study.task_definition import TaskDefinition
from tests.serving.exported import (
    COUNTED,
    PLAIN,
    table,
    write_export,
)
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
    """A model with a profile; graph_shop.py has the graph of such a model."""
    at = tmp_path_factory.mktemp("absent")
    return write_export(at / "model", absent_cells=ABSENT, tasks=TASKS)


@pytest.fixture(scope="module")
def exported(folder: Path) -> ExportedModel:
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


def test_a_graph_that_has_a_number_there_is_refused(exported: ExportedModel) -> None:
    inputs = exported.file.inputs
    expected_RT = np.array([[0.5, np.nan]], dtype=np.float32)
    has_task_RT = np.array([[True, False]])
    assert _largest(inputs, expected_RT, expected_RT, has_task_RT) == 0
    assert _largest(inputs, np.array([[0.5, 0.5]], np.float32), expected_RT, has_task_RT) == np.inf
    assert _largest(inputs, expected_RT, expected_RT, np.array([[True, True]])) == np.inf


def test_monitor_counts_no_label_of_an_absent_cell(folder: Path, tmp_path: Path) -> None:
    new = table().with_columns(
        clicked=pl.when(pl.col("place") == 3).then(7).otherwise(1),
        bought=pl.when(pl.col("place") == 2).then(7).otherwise(pl.col("minute") % 2),
    )
    new.write_parquet(tmp_path / "new.parquet")
    cells = drift_of(open_folder(folder, CPU), str(tmp_path / "new.parquet")).cells
    assert [(cell.scenario, cell.task) for cell in cells] == CELLS


def test_statistics_of_an_absent_task_are_opened_as_they_were_counted(tmp_path: Path) -> None:
    written = write_export(tmp_path / "counted", COUNTED, absent_cells=ABSENT)
    counts = open_folder(written, CPU).encoder.history.counts
    assert counts is not None
    everyone = counts.of_keys[()]
    assert everyone["rows 0"][-1] == (table()["place"] != 3).sum()
    assert everyone["rows 1"][-1] == (table()["place"] != 2).sum()


def test_a_fit_on_newer_rows_reads_no_label_of_an_absent_cell(tmp_path: Path) -> None:
    of_study = StudyRows(
        user="user", time=None, minimum_frequency=2, objective="mean_auc", calibrated=True
    )
    folder = write_export(
        tmp_path / "model", COUNTED, absent_cells=ABSENT, study_rows=of_study, seed=3, tasks=TASKS
    )
    scores = []
    for name, label in {"null": None, "seven": 7}.items():
        newer = table(seed=1).with_columns(
            clicked=pl.when(pl.col("place") == 3).then(label).otherwise(pl.col("age") % 2),
            bought=pl.when(pl.col("place") == 2).then(label).otherwise(pl.col("hour") % 2),
        )
        newer.write_parquet(tmp_path / f"{name}.parquet")
        made = hs.refit(folder, tmp_path / f"{name}.parquet", tmp_path / name, even_if_worse=True)
        assert (made.rows, made.unlabelled) == (400, 0)
        assert [(cell.scenario, cell.task) for cell in made.cells] == CELLS
        card = (tmp_path / name / "card.md").read_text(encoding="utf-8")
        assert "Push does not have task buy. Cart does not have task click." in card
        assert "400 of 400 rows are of days whose labels the model has counted already" in card
        assert "none of test" not in card, "newer rows may be those of test"
        fitted = open_folder(tmp_path / name, CPU)
        scores.append(predictions(fitted, fitted.encoder.columns(table())))
    shipped = open_folder(folder, CPU)
    before_RT = predictions(shipped, shipped.encoder.columns(table()))
    np.testing.assert_array_equal(*scores)
    assert np.nanmax(np.abs(scores[0] - before_RT)) > 0.01


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
    folder = write_export(tmp_path / "model", PLAIN)
    lines = "".join(f"  - [{scenario}, {task}]\n" for scenario, task in absent)
    before = "  not_finite: refuse\n"
    edited(folder, {before: f"{before}  absent_cells:\n{lines}"})
    with pytest.raises(ConfigurationError, match=problem):
        open_folder(folder, CPU)
