"""Executors: one file per engine; they run any job on slots and stream its messages back.

An engine file has `Options`, what a study may say of it, and `start(slots, home, options, study) -> Executor`; `study` is a
name that no other study has. A job is a picklable function with a picklable payload; it is called as
`function(payload, emit, should_stop)` in a slot: `emit` sends an object home, `should_stop` says whether to give up. Both are
signs of life, as is `life.sign()`. Engines know nothing of models.

Jobs read and write files at the paths in their payload alone: in a folder, which is where a job keeps what it goes on from,
or at a path with an ending and beside it under other endings. All lie in the folder `home`, but for data, which may be
elsewhere. A slot may be where there is no such folder; then the engine brings what a job needs, and its results home.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Emit = Callable[[Any], None]
ShouldStop = Callable[[], bool]
SIGN_SECONDS = 5.0  # between two signs of life at least: they are for a limit of minutes
JobFunction = Callable[[Any, Emit, ShouldStop], None]


@dataclass(frozen=True)
class Job:
    """One attempt at a piece of work. `key` names the work (`hinet/12`), `attempt` counts from 1."""

    key: str
    attempt: int
    function: JobFunction
    payload: Any


@dataclass(frozen=True)
class Message:
    """Something that a job sent home."""

    key: str
    attempt: int
    body: Any


@dataclass(frozen=True)
class Alive:
    """A sign of life of a job that had nothing to say for SIGN_SECONDS."""

    key: str
    attempt: int


@dataclass(frozen=True)
class Ended:
    """A job's last word. `cause` is empty when its function returned. `died` means that trying again may help: the
    process is gone or memory ran out; a job that raised would raise again. `blocked` means that the machine keeps it from
    its work (EnvironmentFault), as it would keep others."""

    key: str
    attempt: int
    cause: str
    died: bool = False
    blocked: bool = False


Said = Message | Alive | Ended


class Executor(Protocol):
    """Slots that run jobs, one at a time each."""

    @property
    def free(self) -> int:
        """Slots with nothing to do, those included that have no place yet."""

    @property
    def waiting(self) -> str:
        """What slots without a place wait for, in words; empty when all have one."""

    def submit(self, job: Job) -> None:
        """Start a job on a free slot, as soon as one has a place."""

    def stop(self, key: str) -> None:
        """Ask a job to stop; it ends soon after, with its messages sent."""

    def runs(self, key: str) -> bool:
        """Whether a job is on a slot; one that was submitted may wait for a place."""

    def kill(self, key: str) -> None:
        """End the process of a job that runs, whatever it does: `poll` says that it died, and another slot stands in its place.

        What it said and nobody has heard yet is lost.
        """

    def poll(self, timeout: float) -> list[Said]:
        """Messages that have come, in the order of each job; waits at most `timeout` seconds for the first."""

    def forget(self, path: Path) -> None:
        """What jobs need or left at a path is of no more use; what lies in `home` is removed by the caller."""

    def close(self) -> None:
        """Stop every slot; none outlives this call."""
