"""The notebook on a table of one's own runs, from a CSV file to scores of its rows."""

from pathlib import Path
from typing import Any

import nbformat
import polars as pl
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "own_data.ipynb"


def said(notebook: Any, cell: str) -> str:
    """All that a cell prints or shows."""
    (found,) = [each for each in notebook.cells if each.id == cell]
    shown = [output.get("data", {}).get("text/html", "") for output in found.outputs]
    return "".join([*shown, *(output.get("text", "") for output in found.outputs)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def run(folder: Path) -> Any:
    """The notebook after it ran in an empty folder."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    places = {"metadata": {"path": str(folder)}}
    return NotebookClient(notebook, timeout=600, kernel_name="python3", resources=places).execute()


def test_it_is_kept_without_outputs() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in code] == [([], None)] * len(code)


def test_the_roles_of_the_columns_are_guessed_from_the_file(run: Any) -> None:
    study = said(run, "study")
    for role in ("column: channel", "click: {column: is_click}", "user: user_id", "time: shown_at"):
        assert role in study
    assert "2 trials, 4 finalist trainings" in said(run, "check")


def test_it_ends_with_a_verdict_an_export_and_scores(run: Any, folder: Path) -> None:
    assert (folder / "reports" / "shop.html").is_file()
    assert "observation" in said(run, "launch")  # two seeds are too few for a claim
    assert "test rows score as in training" in said(run, "export")
    assert (folder / "model" / "card.md").is_file()
    scores = pl.read_parquet(folder / "scores.parquet")
    assert len(scores) == 4_000
    assert scores["click"].is_between(0, 1).all()
