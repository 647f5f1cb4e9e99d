"""Help: it prints at once, has the same parts for every command, and its examples parse."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hinet_search.cli import GROUPS, cli
from hinet_search.cli.errors import EXIT_CODES
from hinet_search.cli.options import Command
from hinet_search.common.errors import HinetSearchError
from hinet_search.storage.engine import connect
from tests.cli.conftest import Run

BUDGET_MS = 150
HEAVY = ("torch", "optuna", "polars", "numpy", "pydantic", "sqlalchemy", "rich", "ruamel")


HELP_OF_EACH = """
import sys
from hinet_search.cli import main
for words in sys.argv[1:]:
    sys.argv = ["hinet-search", *words.split(), "--help"]
    try:
        main()
    except SystemExit as end:
        assert end.code == 0
    print(words, " ".join({name.split(".")[0] for name in sys.modules}), sep="\\t", file=sys.stderr)
"""


def commands() -> Iterator[tuple[str, Command]]:
    """Return every command with its name on the command line."""
    for name in cli.list_commands(click.Context(cli)):
        command = cli.get_command(click.Context(cli), name)
        if isinstance(command, click.Group):
            yield from (
                (f"{name} {inner}", subcommand) for inner, subcommand in command.commands.items()
            )  # type: ignore[misc]  # all are
        else:
            yield name, command  # type: ignore[misc]  # likewise


COMMANDS = dict(commands())


def imported(*words: str) -> tuple[dict[str, int], int]:
    """Microseconds that each module took to import for a command line, and their sum, by `python -X importtime`."""
    code = "from hinet_search.cli import main; main()"
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code, *words],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = re.findall(r"import time: +(\d+) \| +\d+ \| +(\S+)", told.stderr)
    return {name: int(own) for own, name in rows}, sum(int(own) for own, _ in rows)


def test_help_imports_nothing_heavy_and_within_its_budget() -> None:
    """Minimum of five runs, because the machine may be busy."""
    runs = [imported("--help") for _ in range(5)]
    assert not {name for name in runs[0][0] if name.split(".")[0] in HEAVY}
    assert min(total for _, total in runs) < BUDGET_MS * 1000


@pytest.fixture(scope="module")
def imported_for_help() -> dict[str, set[str]]:
    """Packages that each command's help imported, one after another in one process."""
    lines = subprocess.run(
        [sys.executable, "-c", HELP_OF_EACH, *COMMANDS], capture_output=True, text=True, check=True
    ).stderr.splitlines()
    rows = [line.split("\t") for line in lines]
    return {words: set(packages.split()) for words, packages in rows}


@pytest.mark.parametrize("words", COMMANDS)
def test_the_help_of_a_command_imports_nothing_heavy(
    imported_for_help: dict[str, set[str]], words: str
) -> None:
    assert "click" in imported_for_help[words]
    assert not imported_for_help[words] & set(HEAVY)


def test_a_status_imports_nothing_that_trains_or_compares(tmp_path: Path) -> None:
    connect(str(tmp_path / "studies.sqlite3"), create=True).close()
    names = {
        name.split(".")[0]
        for name in imported("status", "--storage", str(tmp_path / "studies.sqlite3"))[0]
    }
    assert "sqlalchemy" in names
    assert not names & {"torch", "scipy", "sklearn", "polars"}


def test_help_has_every_command_on_one_line_of_80_columns_in_a_group(run: Run) -> None:
    said = run("--help")
    assert said.code == 0
    for name in cli.list_commands(click.Context(cli)):
        assert re.search(rf"^  {name} +[A-Z]", said.out, re.MULTILINE), name
    assert [line[:-1] for line in said.out.splitlines() if line[:-1] in GROUPS] == [
        group for group in GROUPS if f"\n{group}:\n" in said.out
    ]
    assert all(len(line) <= 80 for line in said.out.splitlines())


def test_the_help_of_a_group_cuts_no_sentence_of_its_commands(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    output = run("data", "--help").out
    assert "..." not in output.split("Commands:")[1]
    assert "with the reasons as comments." in " ".join(output.split())


@pytest.mark.parametrize("words", COMMANDS)
def test_the_help_of_a_command_has_its_parts_in_order(run: Run, words: str) -> None:
    said = run(*words.split(), "--help").out
    parts = [said.index(part) for part in ("Usage:", "Output:", "Examples:", "Exit codes:")]
    assert parts == sorted(parts)
    assert said.startswith("Usage")


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_has_three_examples_that_can_be_typed(words: str) -> None:
    command = COMMANDS[words]
    assert len(command.examples) == 3
    for example in command.examples:
        program, *rest = shlex.split(example)
        assert [program, *rest[: len(words.split())]] == ["hinet-search", *words.split()]
        command.make_context(
            words, rest[len(words.split()) :]
        )  # click refuses what it does not know


def test_the_exit_codes_of_help_are_those_of_the_errors() -> None:
    def codes(kind: type[HinetSearchError]) -> set[int]:
        return {kind.exit_code}.union(*(codes(subclass) for subclass in kind.__subclasses__()))

    told = {int(code) for row in EXIT_CODES for code in row[0].split(", ")}
    assert codes(HinetSearchError) - {1} <= told
    assert {0, 129, 130, 143} <= told


@pytest.mark.parametrize(
    "words",
    [("lunch", "quickstart"), ("check", "--trails", "3", "quickstart"), ("check", "quikstart")],
)
def test_a_typo_is_reported_with_the_nearest_name_and_what_to_try(
    run: Run, words: tuple[str, ...]
) -> None:
    said = run(*words)
    assert (said.code, said.out) == (2, "")
    assert re.search(r"[Dd]id you mean '(launch|--trials|quickstart)'\?", said.err)
    assert said.err.splitlines()[-1] in (
        "Next: hinet-search --help",
        "Next: hinet-search check --help",
        "Next: hinet-search check quickstart",
    )
