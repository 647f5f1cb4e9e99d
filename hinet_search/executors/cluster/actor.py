"""Actor: the Ray actor of a slot on a node; it forwards the messages of the slot's process.

That process is separate, so that the actor can report its death and start another one.
"""

import os
import platform
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hinet_search.executors import Job, JobEnd, JobEvent
from hinet_search.executors.processes.slots import CLOSE_SECONDS, ProcessExecutor

POLL_SECONDS = 0.05  # delay until a job sees that it should stop
PACKAGES = ("hinet-search", "torch", "numpy")


@dataclass(frozen=True)
class SlotLocation:
    """Where a slot is. `sees_home` says whether it sees the marker in the coordinator's folder."""

    host: str
    packages: dict[str, str]
    sees_home: bool


class NodeActor:
    """The actor's class. It runs one job at a time; `stop` and `close` run meanwhile."""

    def __init__(self, number: int, settings: Mapping[str, str]) -> None:
        os.environ.update(settings)
        self._slots = ProcessExecutor([number])
        self._stopped_job = ""
        self._closing = False
        self._running = threading.Lock()

    def place(self, marker: str) -> SlotLocation:
        """Return where the slot is."""
        return SlotLocation(platform.node(), packages(), Path(marker).exists())

    def run(self, job: Job) -> Iterator[list[JobEvent]]:
        """Run a packed job; yield its messages as they come, with its end last."""
        with self._running:
            try:
                yield from self._messages(job)
            finally:
                if self._stopped_job == actor_name(job):
                    self._stopped_job = ""  # a later job of that name runs

    def stop(self, job: str) -> None:
        """Ask the job of that name to stop, if it still runs."""
        self._stopped_job = job

    def close(self) -> None:
        """End the slot."""
        self._closing = True
        # With a timeout: a run may wait for the coordinator to take its messages.
        ended = self._running.acquire(timeout=CLOSE_SECONDS)
        self._slots.close()
        if ended:
            self._running.release()

    def _messages(self, job: Job) -> Iterator[list[JobEvent]]:
        self._slots.submit(job)
        ended = stop_sent = False
        while not ended and not self._closing:
            if self._is_stopped(job) and not stop_sent:
                self._slots.stop(job.key)
                stop_sent = True
            messages = self._slots.poll(POLL_SECONDS)
            ended = any(isinstance(message, JobEnd) for message in messages)
            if messages:
                yield messages

    def _is_stopped(self, job: Job) -> bool:
        return self._closing or self._stopped_job == actor_name(job)


def packages() -> dict[str, str]:
    """Return the versions that must be equal on every node for equal numbers everywhere."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def actor_name(job: Job) -> str:
    """Return a name that differs between attempts at the same job."""
    return f"{job.key} {job.attempt}"
