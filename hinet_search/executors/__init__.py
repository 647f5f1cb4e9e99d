"""Executors: run jobs on slots and stream their messages back; one file per engine.

An engine file has `Options`, its settings in a study, whose `slots_per_gpu(slots)` says how many of
these slots share a GPU, 0 if they see none, and `start(slots, home, options) -> Executor`.
A job is a picklable function with a picklable payload. A slot calls
`function(payload, emit, should_stop)`: `emit` sends an object to the coordinator, `should_stop`
returns whether to give up. Both count as heartbeats, as does
`heartbeat.sign()`. Engines do not depend on models.

Jobs read and write files only at the absolute paths in their payload. Such a path is a folder, from
which a job resumes, or a file, beside which the job may write files with other suffixes. All are
in the folder `home`, except data, which may be elsewhere. Jobs write files atomically (files.py).
Every slot must see that folder.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

OUT_OF_MEMORY = "out of memory"  # begins the cause of a job whose memory ran out

Emit = Callable[[Any], None]
HEARTBEAT_SECONDS = 5.0  # least time between two heartbeats: the limit they serve is minutes


ShouldStop = Callable[[], bool]
JobFunction = Callable[[Any, Emit, ShouldStop], None]


@dataclass(frozen=True)
class Job:
    """One attempt at a trial or finalist. `key` names it (`hinet/12`), `attempt` counts from 1."""

    key: str
    attempt: int
    function: JobFunction
    payload: Any


@dataclass(frozen=True)
class Message:
    """An object that a job sent to its coordinator."""

    key: str
    attempt: int
    body: Any


@dataclass(frozen=True)
class Heartbeat:
    """A heartbeat of a job that sent no other message for HEARTBEAT_SECONDS."""

    key: str
    attempt: int


@dataclass(frozen=True)
class JobEnd:
    """The end of a job, its last message. `cause` is empty if its function returned.

    `died` means that another attempt may succeed: the process died or memory ran out. A job that
    raised would raise again. `blocked` means that the machine prevents the job, and would prevent
    others (EnvironmentFault).
    """

    key: str
    attempt: int
    cause: str
    died: bool = False
    blocked: bool = False


JobEvent = Message | Heartbeat | JobEnd


class Executor(Protocol):
    """Slots that run jobs, one at a time each."""

    @property
    def free(self) -> int:
        """Number of idle slots, including those without a place yet."""

    @property
    def waiting(self) -> str:
        """What slots without a place wait for, in words; empty if all have one."""

    def submit(self, job: Job) -> None:
        """Start a job on a free slot, as soon as one has a place."""

    def stop(self, key: str) -> None:
        """Ask a job to stop; it sends its messages and ends soon after."""

    def runs(self, key: str) -> bool:
        """Return whether a job is on a slot; a submitted job may still wait for a place."""

    def kill(self, key: str) -> None:
        """Kill the process of a running job: `poll` reports that it died; a new slot replaces it.

        Messages of the job that were not polled are lost.
        """

    def poll(self, timeout: float) -> list[JobEvent]:
        """Return new messages, in order per job; wait at most `timeout` seconds for the first."""

    def close(self) -> None:
        """Stop every slot before returning."""
