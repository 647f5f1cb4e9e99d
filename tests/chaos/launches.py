"""Launches of a study with light jobs, in processes of their own."""

from pathlib import Path
from typing import Any

from hinet_search.results.study_record import StudyRecord
from hinet_search.storage.engine import connect
from hinet_search.storage.load import load_record
from tests.chaos.coordinator import NAME, Plan, begin
from tests.chaos.history import Fact, facts
from tests.forked import Forked
from tests.waiting import wait_until

LIMIT = 120.0


class Launches:
    """Launches of one study in one folder, and what they leave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = str(folder / "out" / "studies.sqlite3")
        self.running: list[Forked] = []

    def begin(self, **plan: Any) -> Forked:
        Plan(**{"storage": self.storage, "trials": 4, "slots": 2, "seconds": 0.01, **plan}).write(
            self.folder
        )
        self.running.append(begin(self.folder, self.folder / f"said-{len(self.running)}"))
        return self.running[-1]

    def end(self, **plan: Any) -> tuple[int, str]:
        """Run a launch to its end; return exit code and output."""
        return said(self.begin(**plan))

    def wait_until_said(self, words: str) -> None:
        """Wait until the last launch has printed the text."""
        wait_until(lambda: words in self.running[-1].said.read_text())

    def record(self) -> StudyRecord:
        database = connect(self.storage)
        try:
            return load_record(database, NAME)
        finally:
            database.close()

    def wait_for(self, what: str, number: int = 1) -> list[Fact]:
        """Wait until the histories hold that many facts of that kind."""
        wait_until(lambda: len(facts(self.folder / "history", what)) >= number)
        return facts(self.folder / "history", what)


def said(launch: Forked) -> tuple[int, str]:
    """Return its exit code and its output, once it has ended."""
    return launch.wait(timeout=LIMIT), launch.said.read_text()
