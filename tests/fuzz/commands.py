"""Commands: types a command line in this process, as a user would, and judges what came of it.

A refusal has words, a documented exit code and leaves nothing behind; a command that went well has left no process and
no temporary file either. What needs minutes or a second machine stands still: no slot is started, nothing is trained.
"""

import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from typing import Any, NoReturn

import click

from tests.fuzz.faults import Fault, of_exception, of_text

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
    """Type `hinet-search ARGUMENTS` in the current folder; Fault where the command breaks a promise."""
    before = listing(Path())
    said = _run(*arguments)
    if said.code == 1:
        again = _run(
            "--debug", *arguments
        )  # what a user sees may be a line; the place is in the traceback
        raise of_text(again.err or said.err)
    if "Traceback (most recent call last)" in said.out + said.err:
        raise of_text(said.out + said.err)
    words = (said.out + said.err).strip()
    if said.code and (said.code not in REFUSALS or not words):
        raise Fault("exit code", f"{said.code} of {arguments[0]}", words or "nothing was said")
    if control := CONTROL.search(said.out + said.err):
        raise Fault(
            "control character",
            f"U+{ord(control[0]):04X} of {arguments[0]}, code {said.code}",
            repr(words[-2000:]),
        )
    if said.code:
        _nothing_left(before, f"{arguments[0]}, code {said.code}", words)
    _nothing_goes_on(arguments[0])
    return said


def outcome(*several: CommandResult) -> str:
    """`accepted`, or `refused 2` by the first that refused."""
    refused = [said.code for said in several if said.code]
    return f"refused {refused[0]}" if refused else "accepted"


def listing(folder: Path) -> Mapping[str, tuple[int, int]]:
    """Every file and folder with the size and the time of the last change of files."""
    states = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {
        name: (0, 0) if S_ISDIR(state.st_mode) else (state.st_size, state.st_mtime_ns)
        for name, state in states.items()
    }


@contextmanager
def temporary_files_here() -> Iterator[None]:
    """Make temporary files in a folder inside the current one, so that left-over files are found."""
    place = Path(TEMPORARY).absolute()
    place.mkdir(exist_ok=True)
    tempfile.tempdir = os.environ["TMPDIR"] = os.environ["POLARS_TEMP_DIR"] = str(place)
    try:
        yield
    finally:
        tempfile.tempdir = None


def _run(*arguments: str) -> CommandResult:
    from hinet_search.cli import main

    out, err, code = io.StringIO(), io.StringIO(), 0
    sys.argv = ["hinet-search", *arguments]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        raise of_exception(error) from error
    return CommandResult(code, out.getvalue(), err.getvalue())


def _nothing_left(before: Mapping[str, Any], where: str, words: str) -> None:
    after = listing(Path())
    changed = sorted(
        name
        for name in {*before, *after}
        if before.get(name) != after.get(name) and not _is_kept(name)
    )
    if changed:
        raise Fault(
            "left behind",
            f"{', '.join(map(_without_hash, changed[:4]))} by {where}",
            f"{changed}\n{words}",
        )


def _is_kept(name: str) -> bool:
    """Return whether a file is cached for the next command: tables, encoded data, measurements."""
    folders = ("out", ".hinet-search")  # that of --output, and the usual one
    is_cached = name.startswith(tuple(f"{folder}/cache" for folder in folders))
    return name in folders or (is_cached and not name.endswith((".part", ".lock")))


def _without_hash(name: str) -> str:
    """Names of hashes and of temporary files differ from run to run."""
    return re.sub(r"[0-9a-f]{8,}|tmp\w{6,}", "HASH", name)[:80]


def _nothing_goes_on(command: str) -> None:
    """Check that no temporary file and no process is left."""
    if Path(TEMPORARY).is_dir() and (files := sorted(listing(Path(TEMPORARY)))):
        raise Fault("left behind", f"temporary {_without_hash(files[0])} by {command}", str(files))
    children = Path("/proc/self/task").glob("*/children")
    if alive := " ".join(place.read_text() for place in children).split():
        raise Fault("left behind", f"a process by {command}", str(alive))


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
    from hinet_search.search.plan import plan
    from hinet_search.search.plan.probe import ProbeResult

    drawn = synthetic.load

    def few(options: synthetic.Options, folder: Path, cache: Path) -> Any:
        if options.rows > 20_000:
            raise click.exceptions.Exit(0)
        return drawn(options, folder, cache)

    synthetic.load = few
    plan.DRAWS = 3
    plan.probe = lambda *_: ProbeResult(1.0, 1.0, 1)
    launch._started = lambda *_: _Enough()
    launch.Coordinator = _Enough
    launch.versions = dict
