"""Runs the command line as a user would, in a temporary folder."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hinet_search.cli import main
from hinet_search.search.plan import probe
from tests.forked import typed
from tests.small import write_study
from tests.waiting import LIMIT_SECONDS


@dataclass(frozen=True)
class CommandResult:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., CommandResult]


def written(folder: Path) -> list[str]:
    """Return the files in a folder, but for tables of text that the cache keeps once read."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in files)
    return sorted(name for name in names if not name.startswith(".hinet-search/cache/"))


@pytest.fixture(scope="module")
def launched_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study that was launched from the command line; `said` there is its output."""
    folder = tmp_path_factory.mktemp("launched")
    write_study(folder)
    command = typed(folder, "launch", "small.yaml", "--trials", "1", "--finalist-seeds", "1")
    assert command.wait(timeout=LIMIT_SECONDS) == 0
    return folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """`run("check", "small.yaml")` in a fresh current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("STORAGE", "DATA", "SLOTS", "DEVICE", "CACHE"):
        monkeypatch.delenv(f"HINET_SEARCH_{name}", raising=False)
    # how long a training takes is of no interest here
    monkeypatch.setattr(probe, "MOST_STEPS", probe.FEWEST_STEPS)

    def run(*arguments: str) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["hinet-search", *arguments])
        code = 0
        try:
            main()
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        printed = capfd.readouterr()
        return CommandResult(code, printed.out, printed.err)

    return run
