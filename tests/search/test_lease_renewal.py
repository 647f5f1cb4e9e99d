"""The coordinator of a study keeps its lease while its jobs send nothing for a long time."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from hinet_search.executors import JobEvent
from hinet_search.search import coordinator
from hinet_search.search.coordinator import LEASE_RENEWAL_SECONDS
from hinet_search.search.progress import NullWatcher, Progress
from hinet_search.storage.lease import LEASE_SECONDS
from tests.search.pretended import Pretender, Studio

POLLS = 3  # without a word; the lease is renewed when one of them has passed


@dataclass
class Speechless(Pretender):
    """Its first job sends nothing for some polls, before each of which the heartbeat is set back. Records the heartbeats."""

    database: Path = Path()
    heartbeats: list[float] = field(default_factory=list)

    def poll(self, timeout: float) -> list[JobEvent]:
        if len(self.heartbeats) == POLLS:
            return super().poll(timeout)
        with closing(sqlite3.connect(self.database)) as connection, connection:
            self.heartbeats += connection.execute("SELECT heartbeat FROM hs_lease").fetchone()
            connection.execute("UPDATE hs_lease SET heartbeat = 0")
        return []


def jumping(seconds: float) -> Callable[[], Callable[[], float]]:
    """Return a clock that advances by that many seconds at each reading."""
    readings = count(seconds, seconds)
    return lambda: lambda: next(readings)


def test_a_lease_is_renewed_while_no_job_says_anything(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "clock", jumping(LEASE_RENEWAL_SECONDS + 1))
    silent = Speechless(database=studio.folder / "out" / "studies.sqlite3")
    studio.launch(silent)
    assert len(silent.heartbeats) == POLLS
    assert min(silent.heartbeats) > 0


@dataclass
class Beside(NullWatcher):
    """Notes the seconds left in the database beside those that a terminal shows."""

    database: Path
    seen: set[tuple[float | None, float | None]] = field(default_factory=set)

    def tick(self, progress: Progress) -> None:
        with closing(sqlite3.connect(self.database)) as connection:
            (stored,) = connection.execute("SELECT seconds_left FROM hs_lease").fetchone()
        self.seen.add((stored, progress.seconds_left))


def test_the_live_page_has_the_seconds_left_of_the_terminal(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "clock", jumping(LEASE_RENEWAL_SECONDS + 1))
    beside = Beside(studio.folder / "out" / "studies.sqlite3")
    studio.launch(watcher=beside)
    assert len(beside.seen) > 2
    assert all(stored == shown for stored, shown in beside.seen)


def test_a_lease_is_renewed_several_times_before_it_ends() -> None:
    assert 3 * LEASE_RENEWAL_SECONDS <= LEASE_SECONDS
