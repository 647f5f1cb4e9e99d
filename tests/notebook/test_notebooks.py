"""The notebooks of the documentation run, each from an empty folder: to a report, and to scores of rows."""

import re
from pathlib import Path
from typing import Any

import nbformat
import polars as pl
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
MOST_LINES = 14
Ran = tuple[Any, Path]  # a notebook, and the folder in which it ran


def ran(name: str, folder: Path) -> Ran:
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    places = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources=places)
    return client.execute(), folder


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return ran("first_study", tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return ran("own_data", tmp_path_factory.mktemp("own"))


def said(notebook: Any, cell: str) -> str:
    """All that a cell prints or shows."""
    (found,) = [each for each in notebook.cells if each.id == cell]
    shown = [output.get("data", {}).get("text/html", "") for output in found.outputs]
    return "".join([*shown, *(output.get("text", "") for output in found.outputs)])


def code(name: str) -> list[Any]:
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("name", ["first_study", "own_data"])
def test_a_notebook_is_kept_without_outputs(name: str) -> None:
    cells = code(name)
    assert [(cell.outputs, cell.execution_count) for cell in cells] == [([], None)] * len(cells)


def test_the_first_study_has_few_lines_of_code() -> None:
    lines = [line for cell in code("first_study") for line in cell.source.splitlines() if line]
    assert len([line for line in lines if not line.startswith("import ")]) <= MOST_LINES


def test_the_first_study_ends_with_a_report_and_one_card_of_it(first: Ran) -> None:
    notebook, folder = first
    assert (folder / "reports" / "first.html").is_file()
    assert "observation" in said(notebook, "launch")
    assert '<iframe srcdoc="' in said(notebook, "report")
    assert "Best values of" in said(notebook, "card")


def test_the_first_study_is_shown_with_the_progress_of_its_launch(first: Ran) -> None:
    notebook, _ = first
    assert "scenarios of channel; tasks click; arms hinet, single" in said(notebook, "study")
    progress = said(notebook, "launch")
    assert re.search(r"<b>first</b>, 1 slot on cpu, [\d.]+ s", progress)
    assert progress.count('<progress value="1" max="1">') == 2


def test_the_roles_of_ones_own_columns_are_guessed_from_the_file(own: Ran) -> None:
    study = said(own[0], "study")
    for role in ("column: channel", "click: {column: is_click}", "user: user_id", "time: shown_at"):
        assert role in study
    assert "2 trials, 4 finalist trainings" in said(own[0], "check")


def test_ones_own_table_ends_with_a_verdict_an_export_and_scores(own: Ran) -> None:
    notebook, folder = own
    assert (folder / "reports" / "shop.html").is_file()
    assert "observation" in said(notebook, "launch")  # two seeds are too few for a claim
    assert "test rows score as in training" in said(notebook, "export")
    assert (folder / "model" / "card.md").is_file()
    scores = pl.read_parquet(folder / "scores.parquet")
    assert len(scores) == 4_000
    assert scores["click"].is_between(0, 1).all()
