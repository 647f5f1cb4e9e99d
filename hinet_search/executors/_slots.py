"""Slots: long-lived processes of one thread each on this machine, which engines run their jobs on.

A slot is a spawned process with a line home. It ends when its coordinator does, even inside a job that neither emits
nor asks whether to stop, and on Linux even while it is paused. Threads and allocator are set in its environment before
it starts: two OpenMP threads in contention are several times slower, and without page returns large temporaries cost no
page faults.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from types import ModuleType

from hinet_search import life
from hinet_search.errors import EnvironmentFault
from hinet_search.executors import SIGN_SECONDS, Alive, Ended, Job, Message, Said
from hinet_search.executors._line import Line, pair

SLOT_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
}
DEATH_SECONDS = 5.0  # that a process may take to be gone once its line is cut, so that its own exit code is told
CLOSE_SECONDS = 1.0  # that slots may take to end when nothing that they do is of use any more


@dataclass
class _Slot:
    number: int
    process: SpawnProcess
    home: Line
    job: Job | None = None


class Slots:
    """Slot processes with these numbers; see `Executor` for the contract."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._mother = ThreadPoolExecutor(1, "slots")  # see _be_killed_with_coordinator
        self._unsaid: list[Said] = []
        resource_tracker.ensure_running()  # else the first slot starts it, which unblocks SIGINT
        self._slots = [self._new_slot(number) for number in numbers]

    @property
    def waiting(self) -> str:
        """A process needs no place."""
        return ""

    @property
    def free(self) -> int:
        """Slots with nothing to do."""
        return sum(slot.job is None for slot in self._slots)

    def submit(self, job: Job) -> None:
        """Start a job on a free slot; when its process has just died, `poll` says so."""
        slot = next(slot for slot in self._slots if slot.job is None)
        with suppress(BrokenPipeError, ConnectionResetError):
            slot.home.send(job)
        slot.job = job

    def stop(self, key: str) -> None:
        """Ask a job to stop."""
        for slot in self._slots:
            if slot.job is not None and slot.job.key == key:
                with suppress(BrokenPipeError, ConnectionResetError):
                    slot.home.send(_STOP)

    def runs(self, key: str) -> bool:
        """A job that was submitted has a slot."""
        return any(slot.job is not None and slot.job.key == key for slot in self._slots)

    def kill(self, key: str) -> None:
        """End the process of a job; one that the system itself cannot end is left to it."""
        for index, slot in enumerate(self._slots):
            if slot.job is not None and slot.job.key == key:
                slot.process.kill()
                self._unsaid += self._replace(index, slot)

    def poll(self, timeout: float) -> list[Said]:
        """Messages that have come; a slot whose process died is replaced and its job reported as ended."""
        heard, self._unsaid = self._unsaid, []
        ready = wait([slot.home.fileno() for slot in self._slots], 0.0 if heard else timeout)
        for index, slot in enumerate(self._slots):
            if slot.home.fileno() in ready:
                heard += self._hear(index, slot)
        return heard

    def forget(self, path: Path) -> None:
        """All that jobs leave lies in the coordinator's folder."""

    def close(self) -> None:
        """Cut every line, wait for the slots, and kill those that do not end; takes CLOSE_SECONDS at most."""
        for slot in self._slots:
            slot.home.close()
        deadline = time.monotonic() + CLOSE_SECONDS
        for slot in self._slots:
            _end(slot.process, max(0.0, deadline - time.monotonic()))
        self._slots = []
        self._mother.shutdown()

    def _hear(self, index: int, slot: _Slot) -> list[Said]:
        try:
            heard: list[Said] = slot.home.waiting()
        except (EOFError, OSError):  # OSError: it died in the middle of a message
            return self._replace(index, slot)
        if heard and isinstance(heard[-1], Ended):
            slot.job = None
        return heard

    def _replace(self, index: int, slot: _Slot) -> list[Said]:
        """Another slot in place of one whose process dies; says so of its job."""
        _end(slot.process, DEATH_SECONDS)
        slot.home.close()
        self._slots[index] = self._new_slot(slot.number)
        if slot.job is None:
            return []
        cause = f"its process died ({_death(slot.process.exitcode)})"
        return [Ended(slot.job.key, slot.job.attempt, cause, died=True)]

    def _new_slot(self, number: int) -> _Slot:
        here, there = pair()
        process = self._context.Process(target=_serve, args=(there,), name=f"slot-{number}", daemon=True)
        self._mother.submit(_start, process, number).result()
        there.close()
        return _Slot(number, process, here)


_STOP = "stop"
OF_THE_TERMINAL = (signal.SIGINT, signal.SIGHUP)  # Ctrl-C, and a window that is closed
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def _start(process: SpawnProcess, number: int) -> None:
    named = {**SLOT_ENVIRONMENT, "HINET_SEARCH_SLOT": str(number)}
    with environment(named), _deaf_to_the_terminal(), _without_the_program():
        process.start()


def _end(process: SpawnProcess, seconds: float) -> None:
    """Wait for a process to end and kill it when it does not; one that waits for its hardware dies when that answers."""
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join(DEATH_SECONDS)


def _death(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    names = {known.value: known.name for known in signal.Signals}  # real-time signals have numbers only
    return f"signal {names.get(-exit_code, -exit_code)}"


_ENVIRONMENT = threading.Lock()  # two launches in threads of one process would put back what the other one set


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for a child that starts inside; the allocator reads its own before Python runs."""
    with _ENVIRONMENT:
        before = {name: os.environ.get(name) for name in values}
        os.environ.update(values)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


@contextmanager
def _deaf_to_the_terminal() -> Iterator[None]:
    """A child that starts inside has Ctrl-C and hang-up blocked from its start; here they are delivered afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, OF_THE_TERMINAL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_the_program() -> Iterator[None]:
    """A spawned process would begin by importing its parent's program: a script that launches a study would do so again."""
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


class _CoordinatorGone(BaseException):
    """Nobody is left to tell; no Exception, so that a job cannot take it for a failure of its own."""


def _serve(home: Line) -> None:
    """A slot's life: take a job, run it, say that it ended; until the line is cut. What the terminal says is for the coordinator."""
    for number in OF_THE_TERMINAL:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _be_killed_with_coordinator()
    threading.Thread(target=_end_with_coordinator, daemon=True).start()
    try:
        while True:
            received = home.next()
            if isinstance(received, Job):
                _run(received, _Reporter(received, home))
    except (EOFError, OSError, _CoordinatorGone):
        os._exit(0)


def _be_killed_with_coordinator() -> None:
    """Where the kernel does that; a coordinator that is gone already is seen by the thread.

    The kernel means the thread that started this process, so that has to be one that lives as long as its slots.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_with_coordinator() -> None:
    coordinator = multiprocessing.parent_process()
    assert coordinator is not None, "a slot is a child"
    coordinator.join()
    os._exit(1)


class _Reporter:
    """How a running job reaches its coordinator; whatever it does here is a sign of life."""

    def __init__(self, job: Job, home: Line) -> None:
        self._job = job
        self._home = home
        self._stopped = False
        self._heard_of = time.monotonic()

    def emit(self, body: object) -> None:
        self.send(Message(self._job.key, self._job.attempt, body))

    def should_stop(self) -> bool:
        self.sign()
        try:
            self._stopped = _STOP in self._home.waiting() or self._stopped
        except (EOFError, OSError) as error:
            raise _CoordinatorGone from error
        return self._stopped

    def sign(self) -> None:
        if time.monotonic() - self._heard_of >= SIGN_SECONDS:
            self.send(Alive(self._job.key, self._job.attempt))

    def send(self, what: Said) -> None:
        try:
            self._home.send(what)
        except OSError as error:
            raise _CoordinatorGone from error
        self._heard_of = time.monotonic()


def _run(job: Job, reporter: _Reporter) -> None:
    end = Ended(job.key, job.attempt, "")
    try:
        with life.heard_by(reporter.sign):
            job.function(job.payload, reporter.emit, reporter.should_stop)
    except Exception as error:  # noqa: BLE001  whatever a job raises is the cause of its end, told to the coordinator
        end = _end_of(job, error)
    reporter.send(end)


def _end_of(job: Job, error: Exception) -> Ended:
    """The end of a job that raised."""
    if isinstance(error, MemoryError):
        return Ended(job.key, job.attempt, "out of memory", died=True)
    if isinstance(error, EnvironmentFault):
        return Ended(job.key, job.attempt, error.problems[0], blocked=True)
    where = traceback.extract_tb(error.__traceback__)[-1]
    cause = f"{type(error).__name__}: {error} ({where.name} in {Path(where.filename).name}:{where.lineno})"
    return Ended(job.key, job.attempt, cause)
