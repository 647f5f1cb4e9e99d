"""Commands: type a command line in this process, as a user would, and check what came of it.

A refusal has words, a documented exit code and leaves nothing behind; a command that went well has left no process and
no temporary file either. What needs minutes or a second machine stands still: no slot is started, nothing is trained.
"""

import io
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from typing import Any, NoReturn

import click

REFUSALS = (2, 3, 4, 5, 6)  # docs/failures.md; code 1 is a defect
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
TEMPORARY = ".temporary"  # the folder of temporary files, in the current one


@dataclass(frozen=True)
class CommandResult:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def typed(*arguments: str) -> CommandResult:
    """Type `hinet-search ARGUMENTS` in the current folder; check that the command keeps its promises."""
    _temporary_files_here()
    before = listing(Path())
    said = _run(*arguments)
    text = said.out + said.err
    assert said.code != 1, _run("--debug", *arguments).err  # with the place in the code
    assert "Traceback (most recent call last)" not in text, text
    assert not said.code or (said.code in REFUSALS and text.strip()), f"{said.code}: {text}"
    if control := CONTROL.search(text):
        raise AssertionError(f"control character U+{ord(control[0]):04X} in {text!r}")
    after = listing(Path())
    changed = [name for name in {*before, *after} if before.get(name) != after.get(name)]
    left = [name for name in changed if not _is_kept(name)]
    assert not said.code or not left, f"a refusal left {left} behind: {text}"
    assert not listing(Path(TEMPORARY)), f"{arguments[0]} left temporary files"
    children = Path("/proc/self/task").glob("*/children")
    assert not any(place.read_text().strip() for place in children), "it left a process"
    return said


def listing(folder: Path) -> Mapping[str, tuple[int, int]]:
    """Every file and folder with the size and the time of the last change of files."""
    states = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {
        name: (0, 0) if S_ISDIR(state.st_mode) else (state.st_size, state.st_mtime_ns)
        for name, state in states.items()
    }


def _temporary_files_here() -> None:
    """Make temporary files in a folder inside the current one, so that left-over files are found."""
    place = Path(TEMPORARY).absolute()
    place.mkdir(exist_ok=True)
    tempfile.tempdir = os.environ["TMPDIR"] = os.environ["POLARS_TEMP_DIR"] = str(place)


def _run(*arguments: str) -> CommandResult:
    from hinet_search.cli import main

    out = io.StringIO()
    err = io.StringIO()
    code = 0
    sys.argv = ["hinet-search", *arguments]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return CommandResult(code, out.getvalue(), err.getvalue())


def _is_kept(name: str) -> bool:
    """Return whether a file is cached for the next command: tables, encoded data, measurements."""
    folders = ("out", ".hinet-search")  # that of --output, and the usual one
    is_cached = name.startswith(tuple(f"{folder}/cache" for folder in folders))
    return name in folders or (is_cached and not name.endswith((".part", ".lock")))


class _Enough:
    """Replaces a coordinator: the study is stored, and the command succeeds."""

    def __init__(self, *_: object) -> None:
        """Take what a coordinator takes."""

    def run(self, _: object) -> NoReturn:
        """Train nothing; sys.exit would be told as that of a plug-in."""
        raise click.exceptions.Exit(0)

    def close(self) -> None:
        """Stop no slot."""


def stand_still() -> None:
    """From now on start no slot, measure no time, and generate few rows."""
    from hinet_search.data.sources import synthetic
    from hinet_search.search import launch
    from hinet_search.search.plan import forecast, probe
    from hinet_search.search.plan.probe import ProbeResult

    drawn = synthetic.load

    def few(options: synthetic.Options, folder: Path, cache: Path) -> Any:
        if options.rows > 20_000:
            raise click.exceptions.Exit(0)
        return drawn(options, folder, cache)

    synthetic.load = few
    forecast.DRAWS = 3
    probe.probe = lambda *_: ProbeResult(1.0, 1.0, 1)
    launch._started = lambda *_: _Enough()
    launch.Coordinator = _Enough
    launch.versions = dict
