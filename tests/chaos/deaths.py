"""Forked processes for work that is to die in the middle."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hinet_search.common import crash_points
from tests.search.pretended import Studio


def exit_code(work: Callable[[], object], fault: str = "") -> int | None:
    """Return the exit code of a fork of this process that does the work, and dies at the named fault, if any."""

    def of_the_fork() -> None:
        if fault:
            os.environ[crash_points.VARIABLE] = fault
        work()

    process = multiprocessing.get_context("fork").Process(target=of_the_fork)
    process.start()
    process.join()
    return process.exitcode


def launched(folder: Path, launch: Callable[[Studio], object]) -> None:
    """A launch of a pretended study in that folder."""
    with pytest.MonkeyPatch.context() as patch:
        launch(Studio(folder, patch))
