"""The Ray executor: slots are actors on the nodes of a Ray cluster, a running one or a new one.

A slot without a place, because its node went away or none has room, waits for one; jobs go to slots
with a place. A node that does not share the coordinator's folder exchanges the files of its jobs in
Ray's messages. A slot of several workers has an actor for each; the first one leads. Ray reserves
room for all at once, and the slot is lost with any of them.
"""

import re
import time
from collections import deque
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

from pydantic import Field, field_validator, model_validator

from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.files import make_folder
from hinet_search.common.frozen_model import Frozen
from hinet_search.executors import Executor, Heartbeat, Job, JobEnd, JobEvent, Message, Partners
from hinet_search.executors.cluster.actor import NodeActor, SlotLocation, actor_name, packages
from hinet_search.executors.cluster.connection import Cluster, join
from hinet_search.executors.cluster.files import FileMessage, stamps
from hinet_search.executors.cluster.placement import Strategy, reserve
from hinet_search.executors.cluster.ray_slot import RaySlot, Worker
from hinet_search.executors.processes.environment import settings
from hinet_search.executors.processes.job_bytes import pack, unpack
from hinet_search.executors.processes.slots import CLOSE_SECONDS

START_SECONDS = 10.0  # within which slots usually have a place
CONTROL = "control"  # group of calls that run beside a job
PATIENCE_SECONDS = 5.0  # after which a waiting slot is reported
MAX_FAILED_STARTS = 3  # in a row
REMOVAL_SECONDS = 4.0  # that nodes may take to remove the files of the study
PARTNER_SECONDS = 10.0  # that partners may take to end after their leader
UNREAD_MESSAGES = 2  # of a worker, before it waits for the coordinator; file chunks count too


class Options(Frozen):
    """The cluster, and the resources of each slot, or of each of its `workers`.

    `address` is local (a cluster started here that ends with the study), auto (the cluster that
    runs on this machine), or HOST:PORT. `gpus_per_slot` may be a fraction: with 0.25, four slots
    share a GPU. Nodes may share the output folder or not.
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

    @model_validator(mode="before")
    @classmethod
    def _needs_no_exchange(cls, options: Any) -> Any:
        if isinstance(options, dict) and "exchange" in options:
            raise ValueError(
                "exchange is no option any more, remove it: Ray itself carries files between nodes"
            )
        return options

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


def start(slots: int, home: Path, options: Options, study: str, workers: int = 1) -> Executor:
    """Start an executor with that many slots; those for which nodes have room get a place.

    Errors: EnvironmentFault if workers would share a GPU, and those of `join`.
    """
    if workers > 1 and 0 < options.gpus_per_slot < 1:
        raise EnvironmentFault(
            f"gpus_per_slot must be a whole number for {workers} workers, which share no GPU, "
            f"got {options.gpus_per_slot:g}",
            remedy="set gpus_per_slot to 1: each worker gets as many",
        )
    num_workers = slots * workers
    cluster = join(
        options.address, num_workers * options.cpus_per_slot, num_workers * options.gpus_per_slot
    )
    executor = RayExecutor(cluster, slots, home, options, study, workers)
    try:
        executor.settle(START_SECONDS)
    except BaseException:
        executor.close()
        raise
    return executor


class RayExecutor:
    """Slots on the nodes of a Ray cluster; see `Executor` for the contract."""

    def __init__(
        self,
        cluster: Cluster,
        slots: int,
        home: Path,
        options: Options,
        study: str,
        workers: int,
    ) -> None:
        self._cluster = cluster
        self._ray = cluster.ray
        self._options = options
        self._study = study
        self._workers = workers
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
        num_waiting = sum(not slot.placed and slot.since < limit for slot in self._slots)
        if not num_waiting:
            return ""
        gpus = f" and {self._options.gpus_per_slot:g} GPU" if self._options.gpus_per_slot else ""
        room = f"{self._options.cpus_per_slot:g} CPU{gpus}"
        slots = f"{num_waiting} of {len(self._slots)} slots wait until"
        if self._workers == 1:
            return f"{slots} a node of the Ray cluster has {room} free"
        return f"{slots} nodes have {room} free for each of {self._workers} workers"

    def settle(self, seconds: float) -> None:
        """Wait until every slot has a place, at most `seconds`. Errors: those of `poll`."""
        deadline = time.monotonic() + seconds
        while not all(slot.placed for slot in self._slots) and time.monotonic() < deadline:
            self.poll(0.1)

    def submit(self, job: Job) -> None:
        """Start a job on a free slot, as soon as one has a place."""
        self._queue.append(job)
        self._assign()

    def stop(self, key: str) -> None:
        """Ask a job to stop; one that has not begun ends without running."""
        for slot in self._slots:
            if slot.job is not None and slot.job.key == key:
                stop = slot.leader.actor.stop.options(concurrency_group=CONTROL)
                stop.remote(actor_name(slot.job))
        for job in [job for job in self._queue if job.key == key]:
            self._queue.remove(job)
            self._pending.append(JobEnd(job.key, job.attempt, ""))

    def runs(self, key: str) -> bool:
        """Return whether a job is on a slot with a place."""
        return any(slot.job is not None and slot.job.key == key for slot in self._slots)

    def kill(self, key: str) -> None:
        """Kill a job's slot and its actors, in case an actor itself hangs."""
        for slot in self._slots[:]:
            if slot.job is not None and slot.job.key == key:
                self._pending.append(self._lost(slot, slot.leader, "killed"))

    def poll(self, timeout: float) -> list[JobEvent]:
        """Return new messages; replace the actors of lost slots and report their jobs as ended.

        Errors: EnvironmentFault if a node cannot run the jobs.
        """
        messages = self._pending
        self._pending = []
        for slot, worker in self._answered(0.0 if messages else timeout):
            if slot not in self._slots:
                continue  # it was lost with another of its workers
            if worker.place:
                messages += self._receive(slot, worker)
            else:
                self._receive_place(slot, worker)
        messages += self._ended()
        self._assign()
        return messages

    def close(self) -> None:
        """End every slot and leave the cluster, in CLOSE_SECONDS + REMOVAL_SECONDS at most."""
        workers = [worker for slot in self._slots for worker in slot.workers if worker.place]
        ends = [
            worker.actor.close.options(concurrency_group=CONTROL).remote() for worker in workers
        ]
        if ends:
            self._ray.wait(ends, num_returns=len(ends), timeout=CLOSE_SECONDS + REMOVAL_SECONDS)
        for slot in self._slots:
            self._end_workers(slot)
        self._slots = []
        self._marker.unlink(missing_ok=True)
        self._cluster.leave()

    def _answered(self, timeout: float) -> list[tuple[RaySlot, Worker]]:
        """Return the workers with a result of their call, and their slots; wait for the first."""
        workers = [(slot, worker) for slot in self._slots for worker in slot.workers]
        calls = [worker.call for _, worker in workers if worker.call is not None]
        if not calls:
            time.sleep(timeout)
            return []
        ready, others = self._ray.wait(calls, num_returns=1, timeout=timeout)
        if ready and others:
            ready += self._ray.wait(others, num_returns=len(others), timeout=0)[0]
        return [
            (slot, worker) for slot, worker in workers if any(worker.call is call for call in ready)
        ]

    def _assign(self) -> None:
        for slot in self._slots:
            if self._queue and slot.idle:
                slot.job = self._queue.popleft()
                self._run(slot.leader, slot.job)

    def _run(self, worker: Worker, job: Job) -> None:
        assert worker.place is not None, "a job is given to a slot with a place"
        packed = pack(job)
        if not worker.place.sees_home:
            payload = replace(packed.payload, files=stamps(packed.payload.paths))
            packed = replace(packed, payload=payload)
        streaming = {
            "num_returns": "streaming",
            "_generator_backpressure_num_objects": UNREAD_MESSAGES,
        }
        worker.call = worker.actor.run.options(**streaming).remote(packed)

    def _receive(self, slot: RaySlot, worker: Worker) -> list[JobEvent]:
        try:
            received: list[JobEvent] | FileMessage = self._ray.get(next(worker.call))
        except (self._ray.exceptions.RayError, StopIteration) as error:
            return [self._lost(slot, worker, type(error).__name__)]
        if not isinstance(received, list):
            return self._transfer(slot, worker, received)
        messages: list[JobEvent] = []
        for message in map(unpack, received):
            if isinstance(message, JobEnd):
                self._end(slot, worker, message)
            elif isinstance(message, Message) and isinstance(message.body, Partners):
                self._run_partners(slot, message.body)
            else:
                messages.append(message)
        return messages

    def _run_partners(self, slot: RaySlot, partners: Partners) -> None:
        assert slot.job is not None, "a job asks for partners"
        for worker, payload in zip(slot.workers[1:], partners.payloads, strict=True):
            self._run(worker, replace(slot.job, function=partners.function, payload=payload))

    def _end(self, slot: RaySlot, worker: Worker, end: JobEnd) -> None:
        """Handle the end of a worker's part: the job fails with any, and ends with its leader's."""
        worker.call = None
        if end.cause and worker is not slot.leader:
            end = replace(end, cause=f"{end.cause} ({slot.name_of(worker)})")
        if end.cause or worker is slot.leader:
            slot.end = slot.end or end
            slot.end_by = time.monotonic() + (0.0 if end.cause else PARTNER_SECONDS)

    def _ended(self) -> list[JobEnd]:
        """Return the ends of jobs whose partners have ended too, or have had the time to."""
        ends = []
        for slot in self._slots[:]:
            if slot.end and not slot.runs:
                ends.append(slot.end)
                slot.job = slot.end = None
            elif slot.end and time.monotonic() >= slot.end_by:
                ends.append(slot.end)
                self._replace(slot)
        return ends

    def _transfer(self, slot: RaySlot, worker: Worker, message: FileMessage) -> list[JobEvent]:
        """Handle a message about a file; it counts as a heartbeat of the job."""
        assert slot.job is not None, "files come and go with a job"
        answer = worker.transfers.handle(message)
        if answer is not None:
            worker.actor.receive.options(concurrency_group=CONTROL).remote(answer)
        return [Heartbeat(slot.job.key, slot.job.attempt)]

    def _lost(self, slot: RaySlot, worker: Worker, how: str) -> JobEnd:
        """Replace a slot that lost a worker, and return the end of its job."""
        assert slot.job is not None, "a slot with a place says nothing without a job"
        cause = f"its {slot.name_of(worker)} was lost ({how})"
        end = JobEnd(slot.job.key, slot.job.attempt, cause, died=True)
        self._replace(slot)
        return slot.end or end

    def _receive_place(self, slot: RaySlot, worker: Worker) -> None:
        """Store the place of a worker; retry a slot that cannot start, if possible elsewhere."""
        try:
            place: SlotLocation = self._ray.get(worker.call)
        except self._ray.exceptions.RayError as error:
            self._failed_starts += 1
            if self._failed_starts == MAX_FAILED_STARTS:
                raise EnvironmentFault(
                    f"slots cannot start on the Ray cluster: {_first_line(error)}",
                    remedy="install the same packages on every node, hinet-search[ray] among them",
                ) from error
            self._replace(slot)
            return
        _check(place)
        self._failed_starts = 0
        worker.place = place
        worker.call = None

    def _new_slot(self, number: int) -> RaySlot:
        options = self._options
        room = reserve(self._workers, options.cpus_per_slot, options.gpus_per_slot)
        workers = tuple(
            self._new_worker(number, rank, strategy)
            for rank, strategy in enumerate(room.strategies)
        )
        return RaySlot(number, room, workers, time.monotonic())

    def _new_worker(self, number: int, rank: int, strategy: Strategy) -> Worker:
        actor = self._actor_class.options(scheduling_strategy=strategy).remote(
            number, settings(), self._study, has_partners=self._workers > 1
        )
        return Worker(rank, actor, actor.place.remote(str(self._marker)))

    def _replace(self, slot: RaySlot) -> None:
        """Replace a lost slot by a new one."""
        self._end_workers(slot)
        self._slots[self._slots.index(slot)] = self._new_slot(slot.number)

    def _end_workers(self, slot: RaySlot) -> None:
        """Kill the actors of a slot, which do not come back, and give its room back."""
        for worker in slot.workers:
            self._ray.kill(worker.actor)
            worker.transfers.close()
        slot.room.release()


def _check(place: SlotLocation) -> None:
    """Raise EnvironmentFault if the package versions at a place differ from ours."""
    here = packages()
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


def _first_line(error: BaseException) -> str:
    """Return the line of Ray's error with the reason, or its first line, or its class."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if line.startswith("The actor died because")]
    return next(iter([*reasons, *lines]), type(error).__name__)
