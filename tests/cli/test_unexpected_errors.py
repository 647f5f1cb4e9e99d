"""An unexpected error ends a command in one line with its cause; --debug shows the traceback."""

import errno
import json
import re
from pathlib import Path
from typing import NoReturn

import pytest

from hinet_search.common.errors import DataError, EnvironmentFault
from tests.cli.conftest import Run


class Panic(BaseException):
    """A panic of a library in Rust."""


UNKNOWN: dict[str, tuple[BaseException, str]] = {
    "a wrong value": (ValueError("no such moon"), "ValueError: no such moon"),
    "several lines": (KeyError("a\nb"), r"KeyError: 'a\nb'"),
    "no words": (RecursionError(), "RecursionError"),
    "no memory": (MemoryError(), "MemoryError"),
    "a panic": (Panic("index out of bounds"), "Panic: index out of bounds"),
    "a pipe of its own": (
        BrokenPipeError(32, "Broken pipe"),
        "BrokenPipeError: [Errno 32] Broken pipe",
    ),
    "a password": (
        OSError("no postgresql://ann:s3cret@db/x"),
        "OSError: no postgresql://ann:***@db/x",
    ),
    "a long text": (ValueError("x" * 5000), f"ValueError: {'x' * 100}... (5,000 characters)"),
}


def plant(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let `status` raise."""

    def broken(*_given: object) -> NoReturn:
        raise error

    monkeypatch.setattr("hinet_search.storage.engine.connect", broken)


@pytest.mark.parametrize("case", UNKNOWN)
def test_an_unknown_error_is_one_line_with_its_cause_and_its_place(
    run: Run, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    error, words = UNKNOWN[case]
    plant(monkeypatch, error)
    said = run("status")
    assert (said.code, said.out) == (1, "")
    line, remedy = said.err.splitlines()
    assert line.startswith(f"error: unexpected {words} (command in cli/commands/status.py:")
    assert "--debug" in remedy


@pytest.mark.parametrize(
    ("error", "words", "limit"),
    [
        (
            OSError(errno.EMFILE, "Too many open files"),
            f"open files: OSError: [Errno {errno.EMFILE}] Too many open files",
            "ulimit -n",
        ),
        (
            ImportError("libx.so: failed to map segment from shared object"),
            "memory: ImportError: libx.so: failed to map segment from shared object",
            "ulimit -v",
        ),
    ],
)
def test_a_limit_of_the_system_is_no_bug(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str, limit: str
) -> None:
    plant(monkeypatch, error)
    said = run("status")
    line, remedy, following = said.err.splitlines()
    assert (said.code, following) == (4, "Next: hinet-search doctor")
    assert line.startswith(
        f"error: the system gives this process no more {words} (command in cli/commands/status.py:"
    )
    assert remedy == f"raise the limit ({limit}), or use fewer slots; stored results stay"


def test_what_could_not_be_written_for_too_many_open_files_names_their_limit(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = EnvironmentFault("data cannot be written", remedy="free space")
    error.__cause__ = OSError(errno.EMFILE, "Too many open files")
    plant(monkeypatch, error)
    said = run("status")
    line, remedy, following = said.err.splitlines()
    assert (said.code, following) == (4, "Next: hinet-search doctor")
    assert line == "error: data cannot be written"
    assert remedy == "raise the limit (ulimit -n), or use fewer slots; stored results stay"


def test_a_path_that_the_system_refuses_is_no_bug(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, OSError(errno.ENAMETOOLONG, "File name too long", "a" * 300))
    said = run("status")
    assert said.code == 4
    assert said.err.startswith(f"error: {'a' * 300} cannot be used: File name too long\nname ano")


def test_debug_shows_the_traceback_of_an_unknown_error(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, ValueError("no such \x1b[2Jmoon"))
    said = run("--debug", "status")
    assert said.code == 1
    assert said.err.startswith("Traceback (most recent call last):\n")
    assert said.err.endswith("ValueError: no such \\x1b[2Jmoon\n")


def test_debug_shows_the_traceback_of_a_known_error_with_its_exit_code(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, DataError("no rows"))
    said = run("--debug", "status")
    assert said.code == 3
    assert said.err.startswith("Traceback (most recent call last):\n")


def test_an_unknown_error_is_a_document_where_one_is_asked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, ValueError("no such moon"))
    said = run("status", "--json")
    document = json.loads(said.out)
    assert (said.code, document["kind"], document["code"]) == (1, "error", 1)
    assert document["problems"][0]["text"].startswith(
        "unexpected ValueError: no such moon (command in cli/commands/status.py:"
    )


def test_an_unknown_error_of_an_option_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: object) -> NoReturn:
        raise ValueError("no such moon")

    monkeypatch.setattr("hinet_search.common.database_url.parse_address", broken)
    said = run("status", "--storage", "postgresql://db/studies")
    assert said.code == 1
    assert said.err.startswith(
        "error: unexpected ValueError: no such moon (_warn_of_password in cli/options.py:"
    )


def test_an_interrupt_stays_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, KeyboardInterrupt())
    assert run("status").code == 130


def test_all_that_commands_print_goes_through_the_voice() -> None:
    folder = Path(__file__).parents[2] / "hinet_search" / "cli"
    around = [
        path.name
        for path in folder.rglob("*.py")
        if path.name != "output.py"
        and re.search(r"click\.(echo|secho|style)\(|(?<![\w.])print\(", path.read_text())
    ]
    assert around == []
