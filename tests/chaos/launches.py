"""Launches of a study with light jobs, in processes of their own."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from hinet_search.records import StudyRecord
from hinet_search.storage.engine import connect
from hinet_search.storage.load import load_record
from tests.chaos.coordinator import NAME, Plan
from tests.chaos.history import Fact, facts

LIMIT = 60.0


class Launches:
    """Launches of one study in one folder, and what they leave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = str(folder / "out" / "studies.sqlite3")
        self.running: list[subprocess.Popen[str]] = []

    def begin(self, say: IO[str] | int = subprocess.PIPE, **plan: Any) -> subprocess.Popen[str]:
        Plan(**{"storage": self.storage, "trials": 4, "slots": 2, "seconds": 0.01, **plan}).write(self.folder)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.coordinator", str(self.folder)],
            stderr=say, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        self.running.append(process)
        return process

    def end(self, **plan: Any) -> tuple[int, str]:
        """A launch to its end: exit code and what was said."""
        return said(self.begin(**plan))

    def wait_until_said(self, words: str, path: Path) -> None:
        """Until the launch that says it there has said it."""
        began = time.monotonic()
        while words not in path.read_text():
            assert time.monotonic() - began < LIMIT, path.read_text()
            time.sleep(0.05)

    def record(self) -> StudyRecord:
        database = connect(self.storage)
        try:
            return load_record(database, NAME)
        finally:
            database.close()

    def wait_for(self, what: str, number: int = 1) -> list[Fact]:
        """Until so many facts of that kind are in the histories."""
        began = time.monotonic()
        while len(found := facts(self.folder / "history", what)) < number:
            assert time.monotonic() - began < LIMIT, f"only {found}"
            time.sleep(0.02)
        return found


def said(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, text = process.communicate(timeout=LIMIT)
    return process.returncode, text
