"""Documentation is tested: YAML blocks are of their types, commands exist, links lead somewhere."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from hinet_search.cli import cli
from hinet_search.config import known_names
from hinet_search.definition import DataDefinition
from hinet_search.objective import NAMES
from hinet_search.plugins import names
from hinet_search.space import SpaceFile
from hinet_search.spec import StudySpec
from hinet_search.study import MODELS
from hinet_search.yaml_file import read
from tests.small import write_study

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(kind: str) -> list[tuple[str, str]]:
    """(page, text) of every fenced block of that kind."""
    found = [
        (page, text) for page in PAGES for text in re.findall(rf"```{kind}\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    assert found, f"no {kind} block in the documentation"
    return [(page.name, text) for page, text in found]


def commands() -> list[list[str]]:
    """Every `hinet-search ...` line of console blocks and code spans, split into words."""
    lines = [line for _, text in blocks("console") for line in text.splitlines() if line.startswith("$ ")]
    spans = [span for page in PAGES for span in re.findall(r"`(hinet-search [a-z][^`]*)`", page.read_text())]
    whole = [line.removeprefix("$ ").split("  #")[0] for line in lines] + spans
    words = [shlex.split(re.sub(r"\[.*?\]", "", one)) for one in whole]
    return [one[1:] for one in words if one[0].endswith("hinet-search")]


@pytest.mark.parametrize(("page", "text"), blocks("yaml"))
def test_every_yaml_block_is_of_its_type(page: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / page
    path.write_text(text)
    file = read(path)
    if "arms" in file.tree:
        data = _definition(tmp_path) if isinstance(file.tree["data"], str) else file.tree["data"]
        file.parse(StudySpec, {**file.tree, "data": data})
    elif "parameters" in file.tree:
        space = file.parse(SpaceFile)
        assert set(space.parameters) | set(space.fixed) <= set(known_names("mmoe"))
    else:
        file.parse(DataDefinition)


def _definition(folder: Path) -> DataDefinition:
    path = folder / "definition.yaml"
    path.write_text(next(text for page, text in blocks("yaml") if page == "data.md"))
    return read(path).parse(DataDefinition)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_and_option_in_the_documentation_exists(words: list[str]) -> None:
    command: click.Command = cli
    for word in words:
        if isinstance(command, click.Group) and not word.startswith("-"):
            found = command.get_command(click.Context(command), word)
            assert found is not None, word
            command = found
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize(("page", "text"), [one for one in blocks("python") if one[0] in ("README.md", "python.md")])
def test_every_python_example_of_a_study_runs(
    page: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = str(write_study(tmp_path))
    found: dict[str, Any] = {}
    exec(text.replace('"quickstart"', repr(study)), found)
    assert found["record"].state == "done"
    assert found["plan"].seconds > 0
    assert (tmp_path / "reports" / "small.html").exists()


def test_every_relative_link_leads_to_a_file() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_models_page_names_every_model() -> None:
    page = (ROOT / "docs" / "models.md").read_text()
    assert all(f"`{model}`" in page for model in names(MODELS))


def test_the_studies_page_names_every_objective() -> None:
    page = (ROOT / "docs" / "studies.md").read_text()
    assert all(f"`{name}`" in page for name in NAMES)


def test_the_readme_stays_on_one_screen() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 120
