"""Ray slot: what the executor knows of a slot on a Ray cluster, and of its workers."""

from dataclasses import dataclass, field
from typing import Any

from hinet_search.executors import Job, JobEnd
from hinet_search.executors.cluster.actor import SlotLocation
from hinet_search.executors.cluster.files import Transfers
from hinet_search.executors.cluster.placement import Room


@dataclass(eq=False)
class Worker:
    """An actor and its pending Ray call. The first call asks for its place."""

    rank: int
    actor: Any
    call: Any
    place: SlotLocation | None = None
    transfers: Transfers = field(default_factory=Transfers)


@dataclass(eq=False)
class RaySlot:
    """The workers of a slot, of which the first leads, and its job.

    `end` is that of the job, kept until `end_by` while its partners end.
    """

    number: int
    room: Room
    workers: tuple[Worker, ...]
    since: float  # value of `time.monotonic` at its creation
    job: Job | None = None
    end: JobEnd | None = None
    end_by: float = 0.0

    @property
    def leader(self) -> Worker:
        """The worker that gets jobs and sends their messages."""
        return self.workers[0]

    @property
    def placed(self) -> bool:
        """Whether all workers have a place."""
        return all(worker.place for worker in self.workers)

    @property
    def idle(self) -> bool:
        """Whether it can take a job."""
        return self.placed and self.job is None

    @property
    def runs(self) -> bool:
        """Whether a worker has a pending call."""
        return any(worker.call is not None for worker in self.workers)

    def name_of(self, worker: Worker) -> str:
        """Return `slot on node7`, or of a partner `worker 2 of 4 on node8`."""
        assert worker.place is not None, "a job is given to a slot with a place"
        if worker is self.leader:
            return f"slot on {worker.place.host}"
        return f"worker {worker.rank + 1} of {len(self.workers)} on {worker.place.host}"
