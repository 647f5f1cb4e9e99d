"""Wrong options and arguments: what must hold, what was got, the nearest word, and the command to try; no traceback."""

from pathlib import Path

import pytest
from sqlalchemy import text

from hinet_search.storage.engine import connect
from tests.cli.conftest import Run

CASES = {
    "no number": (
        ("check", "quickstart", "--trials", "x"),
        "--trials must be a whole number of at least 1, got 'x'",
    ),
    "too few": (
        ("check", "quickstart", "--slots", "0"),
        "--slots must be a whole number of at least 1, got '0'",
    ),
    "too many": (
        ("dashboard", "--port", "99999"),
        "--port must be a whole number of at least 1 and at most 65535, got '99999'",
    ),
    "another word": (
        ("report", "quickstart", "--format", "htm"),
        "--format must be one of csv, html, json, md, got 'htm'; did you mean 'html'?",
    ),
    "another device": (
        ("launch", "quickstart", "--device", "gpu"),
        "--device must be one of auto, cpu, cuda, got 'gpu'",
    ),
    "no study": (("launch",), "STUDY must be given: a path, or one of kuairand, "),
    "no table": (("data", "init"), "TABLE must be given"),
    "another database": (("status", "--storage", "mysql://x/y"), "database must be a SQLite path "),
}


@pytest.mark.parametrize(("words", "message"), CASES.values(), ids=CASES)
def test_a_wrong_option_is_reported_with_what_must_hold_and_what_to_try(
    run: Run, words: tuple[str, ...], message: str
) -> None:
    said = run(*words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"error: {message}")
    assert said.err.splitlines()[-1].startswith("Next: hinet-search ")


@pytest.mark.parametrize("words", [(), ("data",)])
def test_a_command_that_needs_another_word_shows_its_help_and_no_error(
    run: Run, words: tuple[str, ...]
) -> None:
    said = run(*words)
    assert (said.code, said.out) == (2, "")
    assert "error:" not in said.err
    assert "Usage: hinet-search" in said.err


def test_where_nothing_is_stored_the_next_command_launches_the_first_study(
    run: Run, tmp_path: Path
) -> None:
    for words in (("report", "quickstart"), ("status", "--output", "none"), ("dashboard",)):
        said = run(*words)
        assert said.code == 4
        assert said.err.splitlines()[-1] == "Next: hinet-search launch quickstart"
    said = run("export", "movielens_1m/hinet", "-o", "model")
    assert said.err.splitlines()[-1] == "Next: hinet-search launch movielens_1m"
    assert not list(tmp_path.iterdir())


def test_a_file_name_that_is_nearly_right_leads_to_the_study(run: Run) -> None:
    assert (
        run("check", "quickstart.yml").err.splitlines()[-1] == "Next: hinet-search check quickstart"
    )


def test_tables_of_a_later_version_lead_on_too(run: Run, tmp_path: Path) -> None:
    database = connect(str(tmp_path / "new.db"), create=True)
    with database.writing() as connection:
        connection.execute(text("UPDATE hs_schema SET version = 99"))
    database.close()
    said = run("status", "--storage", "new.db")
    assert said.code == 5
    assert "has tables of version 99" in said.err
    assert said.err.splitlines()[-1] == "Next: hinet-search doctor"
