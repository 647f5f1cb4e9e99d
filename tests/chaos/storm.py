"""Storm: random signals to the slots and the coordinator of a study, which is launched again until it ends, while readers look."""

import os
import random
import resource
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any, Literal

from hinet_search.common.errors import HinetSearchError
from hinet_search.storage.engine import connect
from hinet_search.storage.load import load_record
from tests.chaos.checker import Seen
from tests.chaos.coordinator import NAME, Plan, begin
from tests.chaos.disks import SmallDisk
from tests.chaos.history import facts
from tests.executors.processes import children_of, is_alive
from tests.forked import Forked, typed
from tests.postgres import stop, throw_out
from tests.waiting import seconds_until, wait_until

ORPHAN_SECONDS = 5.0
STUCK_SECONDS = 180.0
ENDS = {
    0,
    4,
    -signal.SIGKILL,
    -signal.SIGTERM,
    128 + signal.SIGTERM,
}  # 4: launched while the database was away

LOOK_SECONDS = 1.0

Deed = Callable[[int], None]  # is told the coordinator's process


class Storm:
    """One study in `folder`. `count` holds what was done to it, `problems` what it failed to survive.

    `deck` holds what is done, by name, and is dealt in random order: `slot` and `coordinator` are hit by a signal,
    the other names are of `deeds`.
    """

    def __init__(
        self, folder: Path, plan: Plan, deck: Sequence[str], deeds: Mapping[str, Deed] | None = None
    ) -> None:
        self._folder = folder
        self._plan = plan
        self._random = random.Random(len(deck))
        self._deck = self._random.sample(deck, len(deck))
        self._deeds = deeds or {}
        self._continue_at: dict[int, float] = {}
        self._looked = 0.0
        self.count: Counter[str] = Counter()
        self.problems: list[str] = []
        self.seen = Seen()
        self._coordinator: Forked
        plan.write(folder)

    @property
    def left(self) -> list[str]:
        """Return the deeds that are left."""
        return self._deck

    def blow(self, pause: float) -> None:
        """Launch the study again and again until it ends; `pause` is the mean time between two deeds."""
        self._coordinator = self._launch()
        last, finished = time.monotonic(), -1
        try:
            while (code := self._coordinator.poll()) != 0:
                if code is not None:
                    self._ended(code)
                    self._coordinator = self._launch()
                self._continue_paused()
                self._strike()
                self._look()
                if len(self.seen.results) != finished:
                    last, finished = time.monotonic(), len(self.seen.results)
                if time.monotonic() - last > STUCK_SECONDS:
                    self.problems.append(f"stuck: nothing has ended for {STUCK_SECONDS:.0f} s")
                    return
                time.sleep(self._random.expovariate(1 / pause))
            self._ended(0)
        finally:
            self._coordinator.kill()
            self._coordinator.wait()

    def _launch(self) -> Forked:
        self.count["launches"] += 1
        return begin(self._folder, self._folder / "said")

    def _strike(self) -> None:
        """Do the next deed of the deck. Spare a coordinator without slots, or no study would ever begin."""
        slots = self._slots()
        if not slots or not self._deck:
            return
        what = self._deck.pop()
        if what in self._deeds:
            self._deeds[what](self._coordinator.pid)
            self.count[what] += 1
            return
        number = self._random.choices(
            [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP], [0.6, 0.2, 0.2]
        )[0]
        pid = self._random.choice(slots) if what == "slot" else self._coordinator.pid
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            self.count[f"{what} {number.name}"] += 1
        if number == signal.SIGSTOP:
            self._continue_at[pid] = time.monotonic() + self._random.uniform(0.2, 1.5)

    def _continue_paused(self, *, all_of_them: bool = False) -> None:
        for pid, when in list(self._continue_at.items()):
            if all_of_them or time.monotonic() >= when:
                del self._continue_at[pid]
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def _ended(self, code: int) -> None:
        """Check that the slots of an ended coordinator are gone, including paused ones."""
        if code not in ENDS:
            self.problems.append(
                f"a coordinator ended with {code}: {(self._folder / 'said').read_text()[-2000:]}"
            )
        seconds_until(lambda: not self._living_slots(), at_most=ORPHAN_SECONDS)
        if left := self._living_slots():
            self.problems.append(f"orphans: {left}")
        self._continue_paused(all_of_them=True)

    def _living_slots(self) -> list[int]:
        return [pid for pid in self._all_slots() if is_alive(pid)]

    def _slots(self) -> list[int]:
        pid = self._coordinator.pid
        with suppress(OSError):
            children = children_of(pid)
            return [
                child
                for child in children
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
            ]
        return []

    def _all_slots(self) -> set[int]:
        return {int(fact["pid"]) for fact in facts(self._folder / "history", "begin")}

    def _look(self) -> None:
        """Read the study as any reader does; a database that is away or does not exist yet shows nothing."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        with suppress(HinetSearchError):
            database = connect(self._plan.storage)
            try:
                self.seen.look(load_record(database, NAME), time.time())
            finally:
                database.close()


class FullDisk:
    """A storm's deeds to the disk of a SQLite database: no byte is free, and a while later there is space again.

    Without a disk of its own the coordinator may write no longer files than the database has: errors of the system, too.
    """

    def __init__(self, database: Path, disk: SmallDisk | None, full_seconds: float = 0.0) -> None:
        self._database = database
        self._disk = disk
        self._full_seconds = full_seconds
        self._freeing: Thread | None = None

    @property
    def deeds(self) -> dict[str, Deed]:
        """By name."""
        return {"fill the disk": self._fill}

    def over(self) -> None:
        """Wait until there is room."""
        if self._freeing:
            self._freeing.join()

    def begin(self, pid: int) -> None:
        """No byte is free."""
        if self._disk:
            self._disk.fill()
        else:
            longest = max(
                path.stat().st_size
                for path in self._database.parent.glob(f"{self._database.name}*")
            )
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (longest, resource.RLIM_INFINITY))

    def end(self, pid: int) -> None:
        """There is room again."""
        if self._disk:
            self._disk.free()
            return
        with suppress(ProcessLookupError):
            resource.prlimit(
                pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            )

    def _fill(self, pid: int) -> None:
        self.over()
        self.begin(pid)
        self._freeing = Thread(target=self._free_later, args=(pid,))
        self._freeing.start()

    def _free_later(self, pid: int) -> None:
        time.sleep(self._full_seconds)
        self.end(pid)


class Restarts:
    """A storm's deeds to a PostgreSQL server. A stopped server is started again a while later."""

    def __init__(self, running: Any, away_seconds: float) -> None:
        self._running = running
        self._away_seconds = away_seconds
        self._starting: Thread | None = None

    @property
    def deeds(self) -> dict[str, Deed]:
        """By name."""
        return {
            "stop fast": lambda _pid: self._restart("fast"),
            "stop immediate": lambda _pid: self._restart("immediate"),
            "throw out": lambda _pid: self._throw_out(),
        }

    def over(self) -> None:
        """Wait until the server is back."""
        if self._starting:
            self._starting.join()
            self._starting = None

    def _restart(self, mode: Literal["fast", "immediate"]) -> None:
        self.over()
        stop(self._running, mode)
        self._starting = Thread(target=self._start_again)
        self._starting.start()

    def _start_again(self) -> None:
        time.sleep(self._away_seconds)
        for _ in range(3):  # on a busy machine it may take longer than the starter waits
            with suppress(subprocess.SubprocessError):
                self._running.start()
                return

    def _throw_out(self) -> None:
        self.over()
        throw_out(self._running)


@contextmanager
def dashboard_polled(storage: str) -> Iterator[Counter[int]]:
    """Poll a dashboard from its first answer on; count its answers by status. The database must exist."""
    answers: Counter[int] = Counter()
    over = Event()
    with closing(socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def watch() -> None:
        while not over.wait(0.3):
            for path in ("/api/studies", "/api/studies/1"):
                with (
                    suppress(OSError, HTTPException),
                    closing(HTTPConnection("127.0.0.1", port, timeout=10)) as to,
                ):
                    to.request("GET", path)
                    answers[to.getresponse().status] += 1

    watching = Thread(target=watch)
    with TemporaryDirectory() as folder:
        dashboard = typed(
            Path(folder), "dashboard", "--port", str(port), HINET_SEARCH_STORAGE=storage
        )
        watching.start()
        try:
            wait_until(lambda: answers)
            yield answers
        finally:
            over.set()
            watching.join()
            dashboard.kill()
            dashboard.wait()
