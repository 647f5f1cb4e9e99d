"""The Ray executor: slots are actors on the nodes of a Ray cluster, a running one or a new one.

A slot without a place, because its node went away or none has room, waits for one; jobs go to slots
with a place. Every node must see the coordinator's folder.
"""

import os
import platform
import re
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

from pydantic import Field, field_validator, model_validator

from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.files import make_folder
from hinet_search.common.frozen_model import Frozen
from hinet_search.common.versions import versions
from hinet_search.executors import Executor, Job, JobEnd, JobEvent
from hinet_search.executors.processes import pack, unpack
from hinet_search.executors.processes.environment import SLOTS_OF_GPU, settings
from hinet_search.executors.processes.ray_connection import Cluster, join
from hinet_search.executors.processes.slots import CLOSE_SECONDS, ProcessExecutor

START_SECONDS = 10.0  # within which slots usually have a place
CONTROL = "control"  # group of calls that run beside a job
PATIENCE_SECONDS = 5.0  # after which a waiting slot is reported
MAX_FAILED_STARTS = 3  # in a row
POLL_SECONDS = 0.05  # delay until a job sees that it should stop
END_SECONDS = 5 * CLOSE_SECONDS  # that actors may take to let their run go and end their process
STREAMING = {  # of the call that runs a job: unread messages, before it waits for the coordinator
    "num_returns": "streaming",
    "_generator_backpressure_num_objects": 2,
}


class Options(Frozen):
    """The cluster, and the resources of each slot.

    `address` is local (a cluster started here that ends with the study), auto (the cluster that
    runs on this machine), or HOST:PORT. `gpus_per_slot` may be a fraction: with 0.25, four slots
    share a GPU. All nodes share the output folder.
    """

    address: str = "local"
    cpus_per_slot: Annotated[float, Field(gt=0, le=100_000)] = 1.0
    gpus_per_slot: Annotated[float, Field(ge=0, le=100_000)] = 0.0

    @field_validator("address")
    @classmethod
    def _is_a_cluster(cls, address: str) -> str:
        if not re.fullmatch(r"local|auto|[^/:]+:\d+", address):
            raise ValueError(f"must be local, auto or HOST:PORT, got '{address}'")
        return address

    @field_validator("gpus_per_slot")
    @classmethod
    def _is_a_share_or_whole(cls, gpus: float) -> float:
        if gpus > 1 and not gpus.is_integer():
            raise ValueError(f"must be at most 1 or a whole number, as Ray asks, got {gpus:g}")
        return gpus

    def slots_per_gpu(self, slots: int) -> int:
        """Return how many slots share a GPU: Ray hides those that a slot did not reserve."""
        if not self.gpus_per_slot:
            return 0
        return min(slots, max(1, int(1 / self.gpus_per_slot)))

    @model_validator(mode="after")
    def _needs_ray(self) -> "Options":
        if find_spec("ray") is None:
            raise ValueError(
                "needs the package ray: pip install '.[ray]' in a clone of hinet-search"
            )
        return self


@dataclass(frozen=True)
class SlotLocation:
    """Where a slot is. `sees_home` says whether it sees the marker in the coordinator's folder."""

    host: str
    packages: Mapping[str, str]
    sees_home: bool


class NodeActor:
    """The Ray actor of a slot on a node; it forwards the messages of the slot's process.

    That process is separate, so that the actor can report its death and start another one.
    It runs one job at a time; `stop` and `close` run meanwhile.
    """

    def __init__(self, number: int, settings: Mapping[str, str]) -> None:
        os.environ.update(settings)
        self._slots = ProcessExecutor([number])
        self._stopped_job = ""
        self._closing = False
        self._running = threading.Lock()

    def place(self, marker: str) -> SlotLocation:
        """Return where the slot is."""
        return SlotLocation(platform.node(), versions(), Path(marker).exists())

    def run(self, job: Job) -> Iterator[list[JobEvent]]:
        """Run a packed job; yield its messages as they come, with its end last."""
        with self._running:
            try:
                self._slots.submit(job)
                ended = stop_sent = False
                while not ended and not self._closing:
                    is_stopped = self._closing or self._stopped_job == actor_name(job)
                    if is_stopped and not stop_sent:
                        self._slots.stop(job.key)
                        stop_sent = True
                    messages = self._slots.poll(POLL_SECONDS)
                    ended = any(isinstance(message, JobEnd) for message in messages)
                    if messages:
                        yield messages
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


def actor_name(job: Job) -> str:
    """Return a name that differs between attempts at the same job."""
    return f"{job.key} {job.attempt}"


@dataclass(eq=False)
class RaySlot:
    """A slot: its actor, the pending call of that, and its job. The first call asks for its place.

    `since` is the value of `time.monotonic` at its creation.
    """

    number: int
    actor: Any
    call: Any
    since: float
    place: SlotLocation | None = None
    job: Job | None = None


def start(slots: int, home: Path, options: Options) -> Executor:
    """Start an executor with that many slots; those for which nodes have room get a place.

    Errors: as of `join`.
    """
    cluster = join(options.address, slots * options.cpus_per_slot, slots * options.gpus_per_slot)
    executor = RayExecutor(cluster, slots, home, options)
    try:
        executor.settle(START_SECONDS)
    except BaseException:
        executor.close()
        raise
    return executor


class RayExecutor:
    """Slots on the nodes of a Ray cluster; see `Executor` for the contract."""

    def __init__(self, cluster: Cluster, slots: int, home: Path, options: Options) -> None:
        self._cluster = cluster
        self._ray = cluster.ray
        self._options = options
        self._settings = {**settings(), SLOTS_OF_GPU: str(options.slots_per_gpu(slots))}
        make_folder(home)
        self._marker = home / f".executor-{uuid4().hex}"
        self._marker.touch()
        self._actor_class = self._ray.remote(
            num_cpus=options.cpus_per_slot,
            num_gpus=options.gpus_per_slot,
            concurrency_groups={CONTROL: 1},
        )(NodeActor)
        self._queue: deque[Job] = deque()
        self._pending: list[JobEvent] = []
        self._failed_starts = 0
        self._slots = [self._new_slot(number) for number in range(slots)]

    @property
    def free(self) -> int:
        """Number of idle slots, including those without a place yet."""
        return sum(slot.job is None for slot in self._slots) - len(self._queue)

    @property
    def waiting(self) -> str:
        """How many slots have had no place for PATIENCE_SECONDS, and the room that each needs."""
        limit = time.monotonic() - PATIENCE_SECONDS
        num_waiting = sum(slot.place is None and slot.since < limit for slot in self._slots)
        if not num_waiting:
            return ""
        gpus = f" and {self._options.gpus_per_slot:g} GPU" if self._options.gpus_per_slot else ""
        room = f"{self._options.cpus_per_slot:g} CPU{gpus}"
        slots = f"{num_waiting} of {len(self._slots)} slots"
        return f"{slots} wait until a node of the Ray cluster has {room} free"

    def settle(self, seconds: float) -> None:
        """Wait until every slot has a place, at most `seconds`. Errors: as of `poll`."""
        deadline = time.monotonic() + seconds
        while not all(slot.place for slot in self._slots) and time.monotonic() < deadline:
            self.poll(0.1)

    def submit(self, job: Job) -> None:
        """Start a job on a free slot, as soon as one has a place."""
        self._queue.append(job)
        self._assign()

    def stop(self, key: str) -> None:
        """Ask a job to stop; one that has not begun ends without running."""
        for slot in self._slots:
            if slot.job is not None and slot.job.key == key:
                stop = slot.actor.stop.options(concurrency_group=CONTROL)
                stop.remote(actor_name(slot.job))
        for job in [job for job in self._queue if job.key == key]:
            self._queue.remove(job)
            self._pending.append(JobEnd(job.key, job.attempt, ""))

    def runs(self, key: str) -> bool:
        """Return whether a job is on a slot with a place."""
        return any(slot.job is not None and slot.job.key == key for slot in self._slots)

    def kill(self, key: str) -> None:
        """Kill the slot of a job, in case its actor itself hangs."""
        for slot in self._slots[:]:
            if slot.job is not None and slot.job.key == key:
                self._pending.append(self._lost(slot, "killed"))

    def poll(self, timeout: float) -> list[JobEvent]:
        """Return new messages; replace the actors of lost slots and report their jobs as ended.

        Errors: EnvironmentFault if a node cannot run the jobs.
        """
        messages = self._pending
        self._pending = []
        for slot in self._answered(0.0 if messages else timeout):
            if slot.place:
                messages += self._receive(slot)
            else:
                self._receive_place(slot)
        self._assign()
        return messages

    def close(self) -> None:
        """End every slot and leave the cluster, in END_SECONDS at most."""
        ends = [
            slot.actor.close.options(concurrency_group=CONTROL).remote()
            for slot in self._slots
            if slot.place
        ]
        if ends:
            self._ray.wait(ends, num_returns=len(ends), timeout=END_SECONDS)
        for slot in self._slots:
            self._ray.kill(slot.actor)
        self._slots = []
        self._marker.unlink(missing_ok=True)
        self._cluster.leave()

    def _answered(self, timeout: float) -> list[RaySlot]:
        """Return the slots with a result of their call; wait for the first."""
        calls = [slot.call for slot in self._slots if slot.call is not None]
        if not calls:
            time.sleep(timeout)
            return []
        ready, others = self._ray.wait(calls, num_returns=1, timeout=timeout)
        if ready and others:
            ready += self._ray.wait(others, num_returns=len(others), timeout=0)[0]
        return [slot for slot in self._slots if any(slot.call is call for call in ready)]

    def _assign(self) -> None:
        for slot in self._slots:
            if self._queue and slot.place is not None and slot.job is None:
                slot.job = self._queue.popleft()
                slot.call = slot.actor.run.options(**STREAMING).remote(pack(slot.job))

    def _receive(self, slot: RaySlot) -> list[JobEvent]:
        try:
            received: list[JobEvent] = self._ray.get(next(slot.call))
        except (self._ray.exceptions.RayError, StopIteration) as error:
            return [self._lost(slot, type(error).__name__)]
        messages = list(map(unpack, received))
        if any(isinstance(message, JobEnd) for message in messages):
            slot.call = slot.job = None
        return messages

    def _lost(self, slot: RaySlot, how: str) -> JobEnd:
        """Replace a lost slot, and return the end of its job."""
        assert slot.job is not None, "a slot with a place says nothing without a job"
        assert slot.place is not None, "a job is given to a slot with a place"
        cause = f"its slot on {slot.place.host} was lost ({how})"
        self._replace(slot)
        return JobEnd(slot.job.key, slot.job.attempt, cause, died=True)

    def _receive_place(self, slot: RaySlot) -> None:
        """Store the place of a slot; retry a slot that cannot start, if possible elsewhere."""
        try:
            place: SlotLocation = self._ray.get(slot.call)
        except self._ray.exceptions.RayError as error:
            self._failed_starts += 1
            if self._failed_starts == MAX_FAILED_STARTS:
                raise EnvironmentFault(
                    f"slots cannot start on the Ray cluster: {_reason(error)}",
                    remedy="install the same packages on every node, hinet-search[ray] among them",
                ) from error
            self._replace(slot)
            return
        _check(place, self._marker.parent)
        self._failed_starts = 0
        slot.place = place
        slot.call = None

    def _new_slot(self, number: int) -> RaySlot:
        placed = self._actor_class.options(scheduling_strategy="SPREAD")
        actor = placed.remote(number, self._settings)
        return RaySlot(number, actor, actor.place.remote(str(self._marker)), time.monotonic())

    def _replace(self, slot: RaySlot) -> None:
        """Kill the actor of a lost slot, which does not come back, and start another slot."""
        self._ray.kill(slot.actor)
        self._slots[self._slots.index(slot)] = self._new_slot(slot.number)


def _check(place: SlotLocation, home: Path) -> None:
    """Raise EnvironmentFault if a place does not see `home`, or has other package versions."""
    if not place.sees_home:
        raise EnvironmentFault(
            f"node {place.host} must see the folder {home} of the launch, but does not",
            remedy="name a folder that all nodes share under one path with --output",
        )
    here = versions()
    others = [
        f"{name} {version}" for name, version in place.packages.items() if here.get(name) != version
    ]
    if others:
        expected = ", ".join(f"{name} {version}" for name, version in here.items())
        raise EnvironmentFault(
            f"node {place.host} must have {expected} as here, but has {', '.join(others)}",
            remedy="install the same versions on every node: "
            "numbers of different versions do not compare",
        )


def _reason(error: BaseException) -> str:
    """Return the line of Ray's error with the reason, or its first line, or its class."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines.sort(key=lambda line: not line.startswith("The actor died because"))
    return lines[0] if lines else type(error).__name__
