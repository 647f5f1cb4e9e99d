"""A process of its own for what is to die in the middle."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hinet_search import faults
from tests.search.pretended import Studio


def exit_code(work: Callable[[], object], fault: str = "") -> int | None:
    """Of a fork of this process that does the work, and dies at the fault when one is named."""

    def of_the_fork() -> None:
        if fault:
            os.environ[faults.VARIABLE] = fault
        work()

    process = multiprocessing.get_context("fork").Process(target=of_the_fork)
    process.start()
    process.join()
    return process.exitcode


def launched(folder: Path, launch: Callable[[Studio], object]) -> None:
    """A launch of a pretended study in that folder."""
    with pytest.MonkeyPatch.context() as patch:
        launch(Studio(folder, patch))
