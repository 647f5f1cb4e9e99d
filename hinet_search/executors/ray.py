"""The Ray executor: slots are actors on the nodes of a Ray cluster, one that runs already or one started here.

A slot that has no place, because its node went away or none has room, waits for one; jobs go to those that have a place.
"""

import re
import time
from collections import deque
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

from pydantic import Field, field_validator, model_validator

from hinet_search.errors import EnvironmentFault
from hinet_search.executors import Ended, Executor, Job, Said
from hinet_search.executors._carrier import Carrier
from hinet_search.executors._cluster import Cluster, join
from hinet_search.executors._exchange import Exchange, check_url
from hinet_search.executors._keeper import Keeper, Place, name_of, packages, settings
from hinet_search.executors._slots import CLOSE_SECONDS
from hinet_search.executors._wire import pack, unpack
from hinet_search.frozen import Frozen, Text
from hinet_search.private import make_folder

START_SECONDS = 10.0  # in which slots usually have a place
CONTROL = "control"  # calls that a running job does not keep waiting
PATIENCE_SECONDS = 5.0  # until it is said that a slot waits
MAX_FAILED_STARTS = 3  # in a row


class Options(Frozen):
    """Which cluster, and what of a node each slot takes.

    `address` is local (a cluster started here that ends with the study), auto (the one that runs on this machine), or
    HOST:PORT. Of `gpus_per_slot` a part is enough: with 0.25, four slots share a GPU. Without `exchange` all nodes share the
    output folder; with it, a URL such as s3://bucket/prefix, they need not: files go that way.
    """

    address: str = "local"
    cpus_per_slot: Annotated[float, Field(gt=0)] = 1.0
    gpus_per_slot: Annotated[float, Field(ge=0)] = 0.0
    exchange: Text | None = None

    @field_validator("address")
    @classmethod
    def _is_a_cluster(cls, address: str) -> str:
        if not re.fullmatch(r"local|auto|[^/:]+:\d+", address):
            raise ValueError(f"must be local, auto or HOST:PORT, got '{address}'")
        return address

    @field_validator("exchange")
    @classmethod
    def _is_usable(cls, url: str | None) -> str | None:
        return url and check_url(url).rstrip("/")

    @model_validator(mode="after")
    def _ray_is_there(self) -> "Options":
        if find_spec("ray") is None:
            raise ValueError("needs the package ray: pip install '.[ray]' in a clone of hinet-search")
        return self


def start(slots: int, home: Path, options: Options, study: str) -> Executor:
    """An executor with that many slots, those that find room at once with a place."""
    exchange = Exchange(f"{options.exchange}/{study}") if options.exchange else None
    if exchange:
        exchange.check()
    cluster = join(options.address, slots * options.cpus_per_slot, slots * options.gpus_per_slot)
    executor = RayExecutor(cluster, slots, home, options)
    try:
        executor.settle(START_SECONDS)
    except BaseException:
        executor.close()
        raise
    return Carrier(executor, exchange, home, study) if exchange else executor


@dataclass
class _Slot:
    """An actor, what it was last asked, and what it runs. Until its place is known, that is what it was asked."""

    number: int
    actor: Any
    asked: Any
    since: float  # a reading of `time.monotonic`
    place: Place | None = None
    job: Job | None = None

    @property
    def idle(self) -> bool:
        return self.place is not None and self.job is None


class RayExecutor:
    """Slots on the nodes of a Ray cluster; see `Executor` for the contract."""

    def __init__(self, cluster: Cluster, slots: int, home: Path, options: Options) -> None:
        self._cluster, self._ray = cluster, cluster.ray
        self._home, self._options = home, options
        make_folder(home)
        self._marker = home / f".executor-{uuid4().hex}"
        self._marker.touch()
        self._keeper = self._ray.remote(
            num_cpus=options.cpus_per_slot,
            num_gpus=options.gpus_per_slot,
            concurrency_groups={CONTROL: 1},
            scheduling_strategy="SPREAD",
        )(Keeper)
        self._queue: deque[Job] = deque()
        self._unsaid: list[Said] = []
        self._failed_starts = 0
        self._slots = [self._new_slot(number) for number in range(slots)]

    @property
    def free(self) -> int:
        """Slots with nothing to do, those included that have no place yet."""
        return sum(slot.job is None for slot in self._slots) - len(self._queue)

    @property
    def waiting(self) -> str:
        """How many slots have had no place for a while, and what room each needs."""
        long_ago = time.monotonic() - PATIENCE_SECONDS
        without = sum(slot.place is None and slot.since < long_ago for slot in self._slots)
        if not without:
            return ""
        gpus = f" and {self._options.gpus_per_slot:g} GPU" if self._options.gpus_per_slot else ""
        room = f"{self._options.cpus_per_slot:g} CPU{gpus}"
        return f"{without} of {len(self._slots)} slots wait until a node of the Ray cluster has {room} free"

    def settle(self, seconds: float) -> None:
        """Wait until every slot has a place, so long at most. Errors: EnvironmentFault, as `poll`."""
        deadline = time.monotonic() + seconds
        while any(slot.place is None for slot in self._slots) and time.monotonic() < deadline:
            self.poll(0.1)

    def submit(self, job: Job) -> None:
        """Start a job on a free slot, as soon as one has a place."""
        self._queue.append(job)
        self._assign()

    def stop(self, key: str) -> None:
        """Ask a job to stop; one that has not begun ends without."""
        for slot in self._slots:
            if slot.job is not None and slot.job.key == key:
                slot.actor.stop.options(concurrency_group=CONTROL).remote(name_of(slot.job))
        for job in [job for job in self._queue if job.key == key]:
            self._queue.remove(job)
            self._unsaid.append(Ended(job.key, job.attempt, ""))

    def runs(self, key: str) -> bool:
        """Whether a job has a slot with a place."""
        return any(slot.job is not None and slot.job.key == key for slot in self._slots)

    def kill(self, key: str) -> None:
        """End a job's slot and whoever keeps it, be it the keeper that hangs."""
        for slot in self._slots[:]:
            if slot.job is not None and slot.job.key == key:
                self._unsaid.append(self._lost(slot, "killed"))

    def poll(self, timeout: float) -> list[Said]:
        """Messages that have come; a slot that is lost gets a new actor and its job is reported as ended.

        Errors: EnvironmentFault when a node cannot do the work.
        """
        heard, self._unsaid = self._unsaid, []
        for slot in self._answered(0.0 if heard else timeout):
            heard += self._hear(slot) if slot.place else self._learn_place(slot)
        self._assign()
        return heard

    def forget(self, path: Path) -> None:
        """All that jobs leave lies in the folder that the nodes share."""

    def close(self) -> None:
        """End every slot and leave the cluster; takes little longer than CLOSE_SECONDS at most."""
        placed = [slot for slot in self._slots if slot.place is not None]
        ends = [slot.actor.close.options(concurrency_group=CONTROL).remote() for slot in placed]
        if ends:
            self._ray.wait(ends, num_returns=len(ends), timeout=CLOSE_SECONDS + 1)
        for slot in self._slots:
            self._ray.kill(slot.actor)
        self._slots = []
        self._marker.unlink(missing_ok=True)
        self._cluster.leave()

    def _answered(self, timeout: float) -> list[_Slot]:
        """Slots that have said something; waits for the first."""
        asked = [slot.asked for slot in self._slots if slot.asked is not None]
        if not asked:
            time.sleep(timeout)
            return []
        first, others = self._ray.wait(asked, num_returns=1, timeout=timeout)
        more = self._ray.wait(others, num_returns=len(others), timeout=0)[0] if first and others else []
        return [slot for slot in self._slots if any(slot.asked is one for one in (*first, *more))]

    def _assign(self) -> None:
        for slot in self._slots:
            if self._queue and slot.idle:
                slot.job = self._queue.popleft()
                slot.asked = slot.actor.run.options(num_returns="streaming").remote(pack(slot.job))

    def _hear(self, slot: _Slot) -> list[Said]:
        try:
            heard = [unpack(one) for one in self._ray.get(next(slot.asked))]
        except (self._ray.exceptions.RayError, StopIteration) as error:
            return [self._lost(slot, type(error).__name__)]
        if isinstance(heard[-1], Ended):
            slot.job = slot.asked = None
        return heard

    def _lost(self, slot: _Slot, how: str) -> Ended:
        """The end of a job whose slot gives way to another one."""
        assert slot.job is not None, "a slot with a place says nothing without a job"
        assert slot.place is not None, "a job is given to a slot with a place"
        self._replace(slot)
        return Ended(slot.job.key, slot.job.attempt, f"its slot on {slot.place.host} was lost ({how})", died=True)

    def _learn_place(self, slot: _Slot) -> list[Said]:
        """Hears nothing; a slot that cannot start is tried again, on another node where there is one."""
        try:
            place: Place = self._ray.get(slot.asked)
        except self._ray.exceptions.RayError as error:
            self._failed_starts += 1
            if self._failed_starts == MAX_FAILED_STARTS:
                raise EnvironmentFault(
                    f"slots cannot start on the Ray cluster: {_in_a_line(error)}",
                    remedy="install the same packages on every node, hinet-search[ray] among them",
                ) from error
            self._replace(slot)
            return []
        _check(place, self._home, self._options.exchange)
        self._failed_starts = 0
        slot.place, slot.asked = place, None
        return []

    def _new_slot(self, number: int) -> _Slot:
        actor = self._keeper.remote(number, settings())
        return _Slot(number, actor, actor.place.remote(str(self._marker), self._options.exchange), time.monotonic())

    def _replace(self, slot: _Slot) -> None:
        """Another actor in place of one that is lost; it must not come back."""
        self._ray.kill(slot.actor)
        self._slots[self._slots.index(slot)] = self._new_slot(slot.number)


def _check(place: Place, home: Path, exchange: str | None = None) -> None:
    """EnvironmentFault unless numbers made at a place compare with those made here, and files get where others find them."""
    here = packages()
    others = [f"{name} {version}" for name, version in place.packages.items() if here.get(name) != version]
    if others:
        expected = ", ".join(f"{name} {version}" for name, version in here.items())
        raise EnvironmentFault(
            f"node {place.host} must have {expected} as here, but has {', '.join(others)}",
            remedy="install the same versions on every node: numbers of different versions do not compare",
        )
    if place.missing_driver:
        raise EnvironmentFault(
            f"node {place.host} must have the driver of the exchange {exchange}, but there is no package {place.missing_driver}",
            remedy="install it with pip on every node",
        )
    if not place.sees_home and not exchange:
        raise EnvironmentFault(
            f"node {place.host} must see the folder {home}, but does not",
            remedy="name a folder that all nodes share with --output, and the database with --storage; or an --exchange",
        )


def _in_a_line(error: BaseException) -> str:
    """Ray's errors have many lines; the reason is told where there is one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = next((line for line in lines if line.startswith("The actor died because")), lines[0] if lines else "")
    return reason or type(error).__name__
