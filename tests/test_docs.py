"""Documentation is tested: blocks have their types, commands and link targets exist, and nothing is undocumented.

Commands and programs are run by tests/test_docs_run.py.
"""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from hinet_search.cli import cli
from hinet_search.cli.errors import EXIT_CODES
from hinet_search.common import errors
from hinet_search.common.plugins import names
from hinet_search.data.get import known_data_sets
from hinet_search.report.page import render
from hinet_search.results.trade_offs import COSTS
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.load_study import MODELS
from hinet_search.study.search_space import SpaceFile
from hinet_search.study.study_spec import StudySpec
from hinet_search.study.yaml_file import read
from hinet_search.training.setting_names import setting_of
from hinet_search.training.trial_config import known_names
from tests.report.nine_arms import nine_arms

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def was_there(commit: str, path: str) -> bool:
    """Whether a commit of the history has the file."""
    command = ["git", "cat-file", "-e", f"{commit}:{path}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


def blocks(kind: str) -> list[tuple[str, str]]:
    """(page, text) of every fenced block of that kind."""
    fenced_blocks = [
        (page, text)
        for page in PAGES
        for text in re.findall(rf"```{kind}\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    assert fenced_blocks, f"no {kind} block in the documentation"
    return [(page.name, text) for page, text in fenced_blocks]


def commands() -> list[list[str]]:
    """Every `hinet-search ...` line of console blocks and code spans, split into words."""
    lines = [
        line for _, text in blocks("console") for line in text.splitlines() if line.startswith("$ ")
    ]
    spans = [
        span
        for page in PAGES
        for span in re.findall(r"`(hinet-search [a-z][^`]*)`", page.read_text())
    ]
    whole = [line.removeprefix("$ ").split("  #")[0] for line in lines] + spans
    words = [shlex.split(re.sub(r"\[.*?\]", "", command)) for command in whole]
    return [command[1:] for command in words if command[0].endswith("hinet-search")]


@pytest.mark.parametrize(("page", "text"), blocks("yaml"))
def test_every_yaml_block_is_of_its_type(page: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / page
    path.write_text(text)
    file = read(path)
    of_study = set(file.tree) <= set(StudySpec.model_fields)
    if "arms" in file.tree or of_study:  # a study, or keys to add to one
        tree = {"arms": {"single": {}}, "data": "rows", **file.tree}
        data = _definition(tmp_path) if isinstance(tree["data"], str) else tree["data"]
        file.parse(StudySpec, {**tree, "data": data})
    elif "parameters" in file.tree:
        space = file.parse(SpaceFile)
        settings = map(setting_of, (*space.parameters, *space.fixed))
        assert set(settings) <= set(known_names("mmoe"))
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
            subcommand = command.get_command(click.Context(command), word)
            assert subcommand is not None, word
            command = subcommand
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def typed() -> list[str]:
    """Return every hinet-search command that a reader may type: in console and sh blocks, and indented by four."""
    fenced = [
        line for kind in ("console", "sh") for _, text in blocks(kind) for line in text.splitlines()
    ]
    indented = [
        line for page in PAGES for line in page.read_text().splitlines() if line.startswith("    ")
    ]
    matches = [
        re.search(r"hinet-search ([a-z].*)", line.split("  #")[0]) for line in [*fenced, *indented]
    ]
    return sorted({match[1].strip() for match in matches if match})


@pytest.mark.parametrize("line", typed())
def test_every_command_that_a_reader_may_type_is_taken_by_its_parser(line: str) -> None:
    words, command = shlex.split(line), cli
    while isinstance(command, click.Group):
        subcommand = command.get_command(click.Context(command), words.pop(0))
        assert subcommand is not None
        command = subcommand
    command.make_context("hinet-search", words)  # click refuses what it does not know


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    kinds = {
        (page.name, kind)
        for page in PAGES
        for kind in re.findall(r"```(\w*)\n.*?```", page.read_text(), re.DOTALL)
    }
    # Pictures in letters; what --help prints.
    drawn = {("design.md", ""), ("data.md", ""), ("reference.md", "text")}
    assert {kind for page, kind in kinds - drawn} <= {"console", "yaml", "python", "sh"}


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as code hosts make them."""
    headings = re.findall(
        r"^#+ (.*)", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_to_a_file_and_a_heading_of_it() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
            file = page.parent / target if target else page
            assert file.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors(file), f"{page.name}: {target}#{anchor}"


def test_the_glossary_has_every_term_once() -> None:
    rows = re.findall(
        r"^\| ([^|]+) \| [^|]+ \|$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE
    )
    terms = [term for term in rows if term != "term"]
    assert len(terms) > 40
    assert len(set(terms)) == len(terms)


def test_the_design_page_draws_the_layers_of_the_contract_and_fits_two_screens() -> None:
    page = (ROOT / "docs" / "design.md").read_text()
    drawn = re.findall(r"^((?:\w+)(?: \| \w+)*)  +\S", page, re.MULTILINE)
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert drawn == contract["contracts"][0]["layers"]
    folders = {path.name for path in (ROOT / "hinet_search").iterdir() if any(path.glob("**/*.py"))}
    in_layers = {name for layer in drawn for name in layer.split(" | ")}
    assert folders - {"__pycache__", "shipped_files"} == in_layers - {"api"}
    assert len(page.splitlines()) <= 130


def test_every_file_and_function_that_the_design_page_names_exists() -> None:
    page = (ROOT / "docs" / "design.md").read_text()
    for name, function in re.findall(r"`(\w+(?:/\w+)+\.py):?(\w*)`", page):
        file = ROOT / "hinet_search" / name
        assert file.exists(), name
        assert not function or re.search(rf"def {function}\(", file.read_text()), (
            f"{name}:{function}"
        )


MOST_HOPS = {
    "A hyperparameter, from YAML to the layer": 17,
    "An evaluation, from the slot to the report": 10,
    "A row, from Parquet to a batch": 15,
}


@pytest.mark.parametrize(("walk", "most"), MOST_HOPS.items())
def test_a_walk_of_the_design_page_names_a_function_for_every_hop_and_is_no_longer_than_it_was(
    walk: str, most: int
) -> None:
    page = (ROOT / "docs" / "design.md").read_text()
    (hops,) = re.findall(rf"^{walk}: (.*?)\.(?:\s[A-Z]|\n\n)", page, re.MULTILINE | re.DOTALL)
    names = re.split(r",\s", hops)
    assert all(re.fullmatch(r"`(\w+/)+\w+\.py:\w+`", name) for name in names)
    assert len(set(names)) == len(names) <= most


def test_every_script_and_make_target_that_a_page_names_exists() -> None:
    made = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        text = page.read_text()
        for line in text.splitlines():
            commit = re.search(r"\bat ([0-9a-f]{8})\b", line)
            for script in re.findall(
                r"(?:python|pytest)(?: -\w)* ((?:docs|benchmarks|tests)/[\w/]+\.py)", line
            ):
                is_there = (ROOT / script).exists() or (commit and was_there(commit[1], script))
                assert is_there, f"{page.name}: {script}"
        assert set(re.findall(r"`make ([\w-]+)", text)) <= made, page.name


def test_the_reference_page_is_what_the_types_say() -> None:
    # in a process of its own, as what other tests left in this one may show in a `--help`
    program = "import runpy; print(runpy.run_path('docs/reference.py')['page'](), end='')"
    written = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert (ROOT / "docs" / "reference.md").read_text() == written, "run `python docs/reference.py`"


def test_the_pages_that_a_report_names_exist() -> None:
    named = set(re.findall(r"docs/[\w-]+\.md", render(nine_arms())))
    assert named == {"docs/report.md", "docs/failures.md"}
    assert [page for page in named if not (ROOT / page).exists()] == []


@pytest.mark.parametrize("section", names("hinet_search.report.sections"))
def test_every_card_of_a_report_has_a_place_in_the_pages(section: str) -> None:
    assert section.replace("_", "-") in anchors(ROOT / "docs" / "report.md")


@pytest.mark.parametrize("check", names("hinet_search.report.checks"))
def test_every_warning_of_the_trust_card_has_a_place_in_the_pages(check: str) -> None:
    assert check.replace("_", "-") in anchors(ROOT / "docs" / "failures.md")


def test_every_exit_code_and_kind_of_error_has_a_place_in_the_pages() -> None:
    kinds = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.HinetSearchError)
    ]
    codes = [code for row in EXIT_CODES for code in row[0].split(", ")]
    wanted = {*(kind.__name__.lower() for kind in kinds), *(f"exit-code-{code}" for code in codes)}
    assert wanted <= anchors(ROOT / "docs" / "failures.md")


def test_the_index_names_every_page() -> None:
    for folder in (ROOT / "docs", ROOT / "docs" / "results"):
        index = (folder / "README.md").read_text()
        pages = [page.name for page in folder.glob("*.md") if f"]({page.name})" not in index]
        assert pages == ["README.md"]
    assert "](results/README.md)" in (ROOT / "docs" / "README.md").read_text()


def test_the_models_page_names_every_model() -> None:
    page = (ROOT / "docs" / "models.md").read_text()
    assert all(f"`{model}`" in page for model in names(MODELS))


def test_the_page_of_public_data_names_every_data_set() -> None:
    page = (ROOT / "docs" / "public_data.md").read_text()
    assert [name for name in known_data_sets() if f"`{name}`" not in page] == []


def test_the_page_of_the_search_names_every_cost_that_is_an_objective() -> None:
    page = (ROOT / "docs" / "search.md").read_text()
    assert [name for name in COSTS if f"`{name}`" not in page] == []


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 120


RELIABILITY = (ROOT / "docs" / "reliability.md").read_text()


def test_the_rows_of_reliability_are_numbered_without_a_gap() -> None:
    rows = re.findall(r"^\| (R\d+) \|", RELIABILITY, re.MULTILINE)
    assert len(rows) >= 32
    assert rows == [f"R{number}" for number in range(1, len(rows) + 1)]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", RELIABILITY))))
def test_every_test_that_the_reliability_page_names_exists(name: str) -> None:
    file, _, function = name.partition("::")
    assert re.search(rf"^def {function}\(", (ROOT / file).read_text(), re.MULTILINE), name
