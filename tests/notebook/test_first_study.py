"""The notebook of the documentation runs, from an empty folder to a report."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "first_study.ipynb"
MOST_LINES = 14


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(notebook: Any, cell: str) -> str:
    """All that a cell shows, as HTML."""
    (found,) = [each for each in notebook.cells if each.id == cell]
    return "".join(output.get("data", {}).get("text/html", "") for output in found.outputs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("first")


@pytest.fixture(scope="module")
def run(folder: Path) -> Any:
    """The notebook after it ran in an empty folder."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    return client.execute()


def test_it_is_kept_without_outputs_and_has_few_lines_of_code() -> None:
    cells = code(nbformat.read(NOTEBOOK, as_version=4))
    assert [(cell.outputs, cell.execution_count) for cell in cells] == [([], None)] * len(cells)
    lines = [line for cell in cells for line in cell.source.splitlines() if line]
    assert len([line for line in lines if not line.startswith("import ")]) <= MOST_LINES


def test_it_ends_with_a_report(run: Any, folder: Path) -> None:
    assert (folder / "reports" / "first.html").is_file()
    assert "observation" in shown(run, "launch")
    assert '<iframe srcdoc="' in shown(run, "report")


def test_it_shows_the_study_and_the_progress_of_its_launch(run: Any) -> None:
    assert "scenarios of channel; tasks click; arms hinet, single" in shown(run, "study")
    progress = shown(run, "launch")
    assert re.search(r"<b>first</b>, 1 slot on cpu, [\d.]+ s", progress)
    assert progress.count('<progress value="1" max="1">') == 2


def test_it_shows_one_card_of_the_report(run: Any) -> None:
    assert "Search history" in shown(run, "card")
