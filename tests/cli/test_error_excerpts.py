"""An excerpt shows the line of a problem with carets under the word in question."""

from pathlib import Path

import pytest

from hinet_search.cli.errors import excerpt


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(text: str, line: int, column: int) -> tuple[str, str] | None:
    Path("a.yaml").write_text(text, encoding="utf-8")
    return excerpt(f"a.yaml:{line}:{column}: something is wrong")


@pytest.mark.parametrize(
    ("text", "column", "carets"),
    [
        ("epohcs: 10", 1, "^^^^^^"),
        ("arms: {hinet: , pel: }", 17, "                ^^^"),
        ("'a key': 1", 1, "^^^^^^^"),
        ('"a \\" b": 1', 1, "^^^^^^^^"),
        ("model.san.top_k: 3", 1, "^" * 15),
        ("größe: 3", 1, "^^^^^"),
        ("a: [1, 2]", 4, "   ^"),
    ],
)
def test_the_word_at_the_column_is_underlined(text: str, column: int, carets: str) -> None:
    assert shown(text, 1, column) == (f"  1 | {text}", f"    | {carets}")


def test_the_carets_stand_under_the_word_whatever_the_number_of_the_line() -> None:
    line, carets = shown("a: 1\n" * 99 + "  tain: 1\n", 100, 3) or ("", "")
    assert carets.index("^") == line.index("tain")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cr:et@db/studies",
        "postgresql://ann:s3cret@db/studies",
        "postgresql://db/x?password=s3cret&y=1",
    ],
)
def test_a_password_is_not_shown(url: str) -> None:
    assert "s3c" not in "".join(shown(f"storage: {url}", 1, 1) or "s3c")


def test_what_steers_a_terminal_is_written_out_above_its_carets() -> None:
    assert shown('"\u202ea": 1, tain: 1', 1, 10) == (
        r'  1 | "\u202ea": 1, tain: 1',
        "    |               ^^^^",
    )


def test_of_a_long_line_the_part_around_the_word_is_shown() -> None:
    line, carets = shown("a: {" + "x: 1, " * 100 + "tain: 1}", 1, 605) or ("", "")
    assert len(line) < 120
    assert line[carets.index("^") :].startswith("tain")


@pytest.mark.parametrize(
    "problem",
    [
        "no place at all",
        "a.yaml: no line",
        "a.yaml:1: no column",
        "b.yaml:1:1: no file",
        "a.yaml:9:1: no such line",
    ],
)
def test_a_problem_without_a_line_that_is_there_has_no_excerpt(problem: str) -> None:
    Path("a.yaml").write_text("a: 1\n")
    assert excerpt(problem) is None
