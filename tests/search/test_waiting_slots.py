"""Slots without a place: the study reports what they wait for, and when the wait is over."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from hinet_search.executors import JobEvent
from tests.search.pretended import Listener, Pretender, Studio


@dataclass
class Homeless(Pretender):
    """Its slot has no place for the first polls."""

    polls: int = 0

    @property
    def waiting(self) -> str:  # type: ignore[override]  # of others it never changes
        return "1 of 1 slots wait for a node" if self.polls in range(2, 5) else ""

    def poll(self, timeout: float) -> list[JobEvent]:
        self.polls += 1
        return super().poll(timeout) if self.polls > 5 else []


def test_what_slots_wait_for_is_said_once_and_so_is_that_they_wait_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener()
    record, _ = Studio(tmp_path, monkeypatch).launch(Homeless(), watcher=listener)
    assert listener.said("waiting") == ["1 of 1 slots wait for a node", "every slot has a place"]
    assert record.state == "done"
