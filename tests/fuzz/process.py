"""A process that runs inputs, so that one that hangs, dies or takes all memory fails its test."""

import faulthandler
import importlib
import os
import resource
import sys
import traceback
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.forked import Forked

SECONDS = 60  # of one input
MOST_BYTES = 4 * 2**30
ENVIRONMENT = {"NO_COLOR": "1", "POLARS_MAX_THREADS": "2", "TORCHINDUCTOR_CACHE_DIR": "/tmp/none"}


class InputProcess:
    """Runs inputs one after another; after a fault the next one gets a new process."""

    def __init__(self, home: Path, seconds: float = SECONDS, most_bytes: int = MOST_BYTES) -> None:
        self._home = home
        self._limits = (seconds, most_bytes)
        self._process: Forked | None = None

    def run(self, target: str, given: object) -> None:
        """Run one input of a target, a module of that name; fail the test at a fault."""
        if self._process is None:
            self._pipe, theirs = Pipe()
            said = self._home / "said"
            said.unlink(missing_ok=True)
            self._process = Forked(said, _serve, theirs, self._home, *self._limits)
            theirs.close()
        self._pipe.send((target, given))
        try:
            problem = self._pipe.recv()
        except EOFError:
            code = self._process.wait(SECONDS)
            said = self._process.said.read_text(errors="replace")
            problem = f"the process ended with code {code}\n{said[-5000:]}"
        if problem:
            self.end()
            pytest.fail(problem)

    def end(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(SECONDS)
            self._pipe.close()
            self._process = None


def _serve(pipe: Connection, home: Path, seconds: float, most_bytes: int) -> None:
    """Run inputs until the pipe closes, and send what went wrong with each."""
    from tests.fuzz.commands import stand_still

    os.environ.update(ENVIRONMENT)
    for name in [name for name in os.environ if name.startswith("HINET_SEARCH_")]:
        del os.environ[name]
    stand_still()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            target, given = pipe.recv()
        except EOFError:
            return
        module = importlib.import_module(target)
        problem = ""
        with TemporaryDirectory(dir=home) as folder:
            os.chdir(folder)
            _limit_memory(most_bytes)
            faulthandler.dump_traceback_later(seconds, exit=True, file=sys.stderr)
            try:
                module.run(given, home)
            except BaseException:  # noqa: BLE001  whatever an input leads to is reported
                problem = traceback.format_exc()
            faulthandler.cancel_dump_traceback_later()
            os.chdir(home)
        pipe.send(problem)


def _limit_memory(most_bytes: int) -> None:
    """Let an allocation far over the limit fail, instead of taking the machine's memory."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + most_bytes, hard))
