"""Keeper: the Ray actor that has one slot on a node and passes its messages on.

The slot is a process of its own, so that whatever a job does to it, somebody is left to tell of it and to start another.
"""

import os
import platform
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hinet_search.executors import Ended, Job, Said
from hinet_search.executors._exchange import missing_driver
from hinet_search.executors._folders import PREFIX, remove_abandoned
from hinet_search.executors._slots import Slots

POLL_SECONDS = 0.05  # within which a job hears of a stop
PACKAGES = ("hinet-search", "torch", "numpy")


@dataclass(frozen=True)
class Place:
    """Where a slot is. `sees_home` says whether the marker in the coordinator's folder is there too; `missing_driver` is the
    package that the exchange needs and the node does not have."""

    host: str
    packages: dict[str, str]
    sees_home: bool
    missing_driver: str = ""


class Keeper:
    """An actor's class: jobs run one after the other, `stop` and `close` come at any time."""

    def __init__(self, number: int, settings: Mapping[str, str]) -> None:
        os.environ.update(settings)
        self._slots = Slots([number])
        self._stopped = ""
        self._closing = False
        self._running = threading.Lock()

    def place(self, marker: str, exchange: str | None) -> Place:
        """Where it is."""
        missing = missing_driver(exchange) if exchange else ""
        return Place(platform.node(), packages(), Path(marker).exists(), missing)

    def run(self, job: Job) -> Iterator[list[Said]]:
        """Run a packed job; yields what it says as it says it, its end last."""
        with self._running:
            self._slots.submit(job)
            ended = told = False
            while not ended and not self._closing:
                if self._stopped == name_of(job) and not told:
                    self._slots.stop(job.key)
                    told = True
                heard = self._slots.poll(POLL_SECONDS)
                ended = any(isinstance(one, Ended) for one in heard)
                if heard:
                    yield heard

    def stop(self, job: str) -> None:
        """Ask the job of that name to stop, if it still runs."""
        self._stopped = job

    def close(self) -> None:
        """End the slot, whatever it does; what slots had of the coordinator's files goes with the last one of the node."""
        self._closing = True
        with self._running:
            self._slots.close()
        remove_abandoned(PREFIX)


def settings() -> dict[str, str]:
    """Environment variables of the coordinator that a slot goes by, on whichever node; where the database is, it need not know."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("HINET_SEARCH_")}
    ours.pop("HINET_SEARCH_STORAGE", None)
    return ours


def packages() -> dict[str, str]:
    """What must be the same on every node, for a number to be the same wherever it was made."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def name_of(job: Job) -> str:
    """What tells a job from another attempt at the same work."""
    return f"{job.key} {job.attempt}"
