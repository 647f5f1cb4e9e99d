"""Output that cannot be written is reported, the command's work is kept, and a reader that has ended ends it quietly."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest

from hinet_search.cli.output import OutputLost, echo, echo_error
from tests.cli.conftest import Run
from tests.small import write_study

FULL = "error: stdout cannot be written: No space left on device\n"
LAUNCH = ("launch", "small.yaml", "--trials", "1", "--finalist-seeds", "1")


@pytest.fixture
def full() -> Iterator[TextIO]:
    """A disk that has no room."""
    with Path("/dev/full").open("w", encoding="utf-8") as file:
        yield file


@pytest.fixture
def unread() -> TextIO:
    """A pipe whose reader is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    return open(writer, "w", encoding="utf-8", closefd=False)


@pytest.fixture
def table(tmp_path: Path) -> None:
    rows = "".join(f"{row % 7},{row % 3},{row % 2}\n" for row in range(300))
    (tmp_path / "t.csv").write_text(f"user_id,tab,click\n{rows}")


@pytest.mark.parametrize("words", [("data", "init", "t.csv"), ("describe", "single")], ids=" ".join)
def test_a_full_stdout_is_reported_and_files_are_written(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    table: None,
    tmp_path: Path,
    full: TextIO,
    words: tuple[str, ...],
) -> None:
    monkeypatch.setattr(sys, "stdout", full)
    said = run(*words)
    assert said.code == 4
    assert said.err == f"{FULL}the command has done its work; only its output is lost\n"
    assert (tmp_path / "studies" / "t.yaml").exists() == (words[0] == "data")


def test_a_closed_stdout_is_reported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    said = run("describe", "single")
    assert (said.code, said.err.splitlines()[0]) == (
        4,
        "error: stdout cannot be written: it is closed",
    )


def test_an_error_whose_document_finds_no_room_is_reported_on_stderr(
    run: Run, monkeypatch: pytest.MonkeyPatch, full: TextIO
) -> None:
    monkeypatch.setattr(sys, "stdout", full)
    said = run("check", "quikstart", "--json")
    assert said.code == 2
    assert said.err.startswith("error: there is no study 'quikstart'")


@pytest.mark.parametrize("err", [False, True], ids=["stdout", "stderr"])
def test_what_could_not_be_written_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, full: TextIO, *, err: bool
) -> None:
    """A process that is started flushes both streams."""
    monkeypatch.setattr(sys, "stderr" if err else "stdout", full)
    with suppress(OutputLost):
        (echo_error if err else echo)("lost")
    full.flush()


def test_a_reader_that_is_gone_ends_a_command_quietly(
    run: Run, monkeypatch: pytest.MonkeyPatch, unread: TextIO
) -> None:
    monkeypatch.setattr(sys, "stdout", unread)
    said = run("describe", "single")
    assert (said.code, said.err) == (141, "")


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["plain", "json"])
def test_a_launch_whose_stdout_is_full_is_done_and_says_where_its_report_is(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, full: TextIO, form: tuple[str, ...]
) -> None:
    write_study(tmp_path)
    monkeypatch.setattr(sys, "stdout", full)
    said = run(*LAUNCH, *form)
    assert said.code == 4
    assert f"{FULL}the study is done and stored, its report is reports/small.html\n" in said.err
    assert (tmp_path / "reports" / "small.html").exists()
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    (study,) = json.loads(run("status", "--json").out)["studies"]
    assert study["state"] == "done"


def test_a_stderr_that_is_full_ends_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, table: None, full: TextIO
) -> None:
    monkeypatch.setattr(sys, "stderr", full)
    assert run("data", "init", "t.csv").code == 0
    assert run("check", "quikstart").code == 2


def test_help_with_a_full_stdout_is_reported(
    run: Run, monkeypatch: pytest.MonkeyPatch, full: TextIO
) -> None:
    monkeypatch.setattr(sys, "stdout", full)
    said = run("check", "--help")
    assert (said.code, said.err) == (4, FULL)


def test_nothing_is_said_by_the_interpreter_after_a_full_stdout() -> None:
    """At its end, the interpreter tries once more to write what is left."""
    program = "import sys; sys.argv = ['hinet-search', 'describe', 'single']; from hinet_search.cli import main; main()"
    with Path("/dev/full").open("w", encoding="utf-8") as stdout:
        done = subprocess.run(  # a process of its own, for its end
            [sys.executable, "-c", program],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=200,
        )
    assert (done.returncode, done.stderr.splitlines()[0]) == (4, FULL.strip())
    assert len(done.stderr.splitlines()) == 2
