"""Processes forked from one that has imported what a launch imports, because importing takes seconds."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.resource_tracker import ResourceTracker
from pathlib import Path

from hinet_search.cli import main
from tests.shortcuts import preloaded


class Forked:
    """A process that does some work, with the interface of `subprocess.Popen`; its output is appended to a file."""

    def __init__(self, said: Path, work: Callable[..., None], *arguments: object) -> None:
        said.touch()
        self.said = said
        context = preloaded(multiprocessing.get_context("forkserver"))
        self._process = context.Process(target=_talking_to, args=(said, work, *arguments))
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(
                "a forked process", timeout or 0.0, self.said.read_bytes()
            )
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send the signal unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def typed(folder: Path, *words: str, **environment: str) -> Forked:
    """Run a hinet-search command as typed in a folder; its output is in the file `said` there."""
    return Forked(folder / "said", _type, folder, words, environment)


def _type(folder: Path, words: tuple[str, ...], environment: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.update(environment)
    sys.argv = ["hinet-search", *words]
    main()


def _talking_to(said: Path, work: Callable[..., None], *arguments: object) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tracker = ResourceTracker()  # of its own, as any program has it
    resource_tracker.ensure_running, resource_tracker.getfd = tracker.ensure_running, tracker.getfd
    with said.open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
    work(*arguments)
