"""Actor: the Ray actor of a worker on a node; it forwards the worker's messages and their files.

The worker is a separate process, so that the actor can report its death and start another one.
"""

import os
import platform
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from queue import SimpleQueue

from hinet_search.executors import Heartbeat, Job, JobEnd, JobEvent
from hinet_search.executors.cluster.files import Chunk, FileMessage, JobFiles, Request
from hinet_search.executors.cluster.node_folder import NodeFolder, alone, shared
from hinet_search.executors.processes.environment import NODE_ADDRESS
from hinet_search.executors.processes.slots import CLOSE_SECONDS, ProcessExecutor, end_of

POLL_SECONDS = 0.05  # delay until a job sees that it should stop
LOOK_SECONDS = 1.0  # between two checks of the files of a job that sends no message
LOCK_SECONDS = 0.5  # between two checks whether another slot of the node has fetched its files
PACKAGES = ("hinet-search", "torch", "numpy")


@dataclass(frozen=True)
class SlotLocation:
    """Where a slot is. `sees_home` says whether it sees the marker in the coordinator's folder."""

    host: str
    packages: dict[str, str]
    sees_home: bool


class NodeActor:
    """The actor's class. It runs one job at a time; `stop`, `receive` and `close` run meanwhile."""

    def __init__(
        self, number: int, settings: Mapping[str, str], study: str, *, has_partners: bool = False
    ) -> None:
        os.environ.update(settings)
        address = {NODE_ADDRESS: _node_address()} if has_partners else {}
        self._slots = ProcessExecutor([number], variables=address)
        self._study = study
        self._sees_home = True
        self._folder: NodeFolder | None = None
        self._answers: SimpleQueue[Chunk | OSError | None] = SimpleQueue()
        self._stopped_job = ""
        self._closing = False
        self._running = threading.Lock()

    def place(self, marker: str) -> SlotLocation:
        """Return where the slot is."""
        self._sees_home = Path(marker).exists()
        return SlotLocation(platform.node(), packages(), self._sees_home)

    def run(self, job: Job) -> Iterator[list[JobEvent] | FileMessage]:
        """Run a packed job.

        It yields the job's messages as they come, with its end last, and requests for the
        coordinator to read, write or remove files.
        """
        with self._running:
            try:
                yield from self._run(job)
            finally:
                if self._stopped_job == actor_name(job):
                    self._stopped_job = ""  # a later job of that name runs

    def receive(self, answer: Chunk | OSError) -> None:
        """Receive the coordinator's answer to a Request."""
        self._answers.put(answer)

    def stop(self, job: str) -> None:
        """Ask the job of that name to stop, if it still runs."""
        self._stopped_job = job

    def close(self) -> None:
        """End the slot. The last actor of a node removes the files of the study there."""
        self._closing = True
        self._answers.put(None)
        # With a timeout: a run that sends a file may wait for the coordinator.
        ended = self._running.acquire(timeout=CLOSE_SECONDS)
        self._slots.close()
        if self._folder is not None:
            self._folder.leave()
        if ended:
            self._running.release()

    def _run(self, job: Job) -> Iterator[list[JobEvent] | FileMessage]:
        if self._sees_home:
            yield from self._messages(job, None)
            return
        try:
            self._folder = self._folder or shared(self._study)
            files = JobFiles(self._folder.path, job.payload.paths, job.payload.files)
            yield from self._fetch(job, files)
        except Exception as error:  # noqa: BLE001  reported as if the job had raised it
            yield [end_of(job, error)]
            return
        if self._is_stopped(job):
            yield [JobEnd(job.key, job.attempt, "")]
        else:
            payload = replace(job.payload, root=files.folder)
            yield from self._messages(replace(job, payload=payload), files)
        files.clear()

    def _messages(self, job: Job, files: JobFiles | None) -> Iterator[list[JobEvent] | FileMessage]:
        self._slots.submit(job)
        ended = stop_sent = False
        checked_at = time.monotonic()
        while not ended and not self._closing:
            if self._is_stopped(job) and not stop_sent:
                self._slots.stop(job.key)
                stop_sent = True
            messages = self._slots.poll(POLL_SECONDS)
            ended = any(isinstance(message, JobEnd) for message in messages)
            if files and (messages or time.monotonic() - checked_at >= LOOK_SECONDS):
                yield from files.changes()
                checked_at = time.monotonic()
            if messages:
                yield messages

    def _fetch(self, job: Job, files: JobFiles) -> Iterator[list[JobEvent] | FileMessage]:
        """Fetch the job's files. Slots of a node take turns, so shared files come only once."""
        while not self._is_stopped(job):
            with alone(files.folder) as is_free:
                for path in files.missing() if is_free else ():
                    yield from self._fetch_file(job, files, path)
            if is_free:
                return
            yield [Heartbeat(job.key, job.attempt)]
            time.sleep(LOCK_SECONDS)

    def _fetch_file(self, job: Job, files: JobFiles, path: Path) -> Iterator[Request]:
        start = 0
        complete = False
        while not complete and not self._is_stopped(job):
            yield Request(path, start)
            answer = self._answers.get()
            if isinstance(answer, OSError):
                raise answer
            if answer is not None:
                complete = files.write(answer)
                start += len(answer.content)

    def _is_stopped(self, job: Job) -> bool:
        return self._closing or self._stopped_job == actor_name(job)


def _node_address() -> str:
    from ray.util import get_node_ip_address

    return str(get_node_ip_address())  # type: ignore[no-untyped-call]


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
