"""Slots: long-lived processes of one thread each on this machine, which engines run their jobs on.

A slot is a spawned process with a pipe home. It ends when its coordinator does, even inside a job that neither emits
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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path

from hinet_search.errors import EnvironmentFault
from hinet_search.executors import Ended, Job, Message

SLOT_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
}
DEATH_SECONDS = 5.0  # that a process may take to be gone once its pipe is closed, so that its own exit code is told
CLOSE_SECONDS = 1.0  # that slots may take to end when nothing that they do is of use any more


@dataclass
class _Slot:
    number: int
    process: SpawnProcess
    home: Connection
    job: Job | None = None


class Slots:
    """Slot processes with these numbers; see `Executor` for the contract."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._context: SpawnContext = multiprocessing.get_context("spawn")
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

    def poll(self, timeout: float) -> list[Message | Ended]:
        """Messages that have come; a slot whose process died is replaced and its job reported as ended."""
        heard: list[Message | Ended] = []
        ready = wait([slot.home for slot in self._slots], timeout)
        for index, slot in enumerate(self._slots):
            if slot.home in ready:
                heard += self._hear(index, slot)
        return heard

    def close(self) -> None:
        """Close every pipe, wait for the slots, and kill those that do not end; takes CLOSE_SECONDS at most."""
        for slot in self._slots:
            slot.home.close()
        deadline = time.monotonic() + CLOSE_SECONDS
        for slot in self._slots:
            _end(slot.process, max(0.0, deadline - time.monotonic()))
        self._slots = []

    def _hear(self, index: int, slot: _Slot) -> list[Message | Ended]:
        heard: list[Message | Ended] = []
        alive = True
        try:
            while slot.home.poll():
                heard.append(slot.home.recv())
        except (EOFError, OSError):  # OSError: it died in the middle of a message
            alive = False
        if heard and isinstance(heard[-1], Ended):
            slot.job = None
        if not alive:
            _end(slot.process, DEATH_SECONDS)
            if slot.job is not None:
                cause = f"its process died ({_death(slot.process.exitcode)})"
                heard.append(Ended(slot.job.key, slot.job.attempt, cause, died=True))
            slot.home.close()
            self._slots[index] = self._new_slot(slot.number)
        return heard

    def _new_slot(self, number: int) -> _Slot:
        here, there = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(there,), name=f"slot-{number}", daemon=True)
        with environment({**SLOT_ENVIRONMENT, "HINET_SEARCH_SLOT": str(number)}), _deaf_to_ctrl_c():
            process.start()
        there.close()
        return _Slot(number, process, here)


_STOP = "stop"
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def _end(process: SpawnProcess, seconds: float) -> None:
    """Wait for a process to end and kill it when it does not."""
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()


def _death(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    names = {known.value: known.name for known in signal.Signals}  # real-time signals have numbers only
    return f"signal {names.get(-exit_code, -exit_code)}"


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for a child that starts inside; the allocator reads its own before Python runs."""
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
def _deaf_to_ctrl_c() -> Iterator[None]:
    """A child that starts inside has SIGINT blocked from its first instruction; here it is delivered afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _CoordinatorGone(BaseException):
    """Nobody is left to tell; no Exception, so that a job cannot take it for a failure of its own."""


def _serve(home: Connection) -> None:
    """A slot's life: take a job, run it, say that it ended; until the pipe closes. Ctrl-C is the coordinator's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _be_killed_with_coordinator()
    threading.Thread(target=_end_with_coordinator, daemon=True).start()
    try:
        while True:
            received = home.recv()
            if isinstance(received, Job):
                _run(received, home)
    except (EOFError, OSError, _CoordinatorGone):
        os._exit(0)


def _be_killed_with_coordinator() -> None:
    """Where the kernel does that; a coordinator that is gone already is seen by the thread."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_with_coordinator() -> None:
    coordinator = multiprocessing.parent_process()
    assert coordinator is not None, "a slot is a child"
    coordinator.join()
    os._exit(1)


def _run(job: Job, home: Connection) -> None:
    stopped = False

    def emit(body: object) -> None:
        try:
            home.send(Message(job.key, job.attempt, body))
        except OSError as error:
            raise _CoordinatorGone from error

    def should_stop() -> bool:
        nonlocal stopped
        try:
            while home.poll():
                stopped = home.recv() == _STOP or stopped
        except (EOFError, OSError) as error:
            raise _CoordinatorGone from error
        return stopped

    end = Ended(job.key, job.attempt, "")
    try:
        job.function(job.payload, emit, should_stop)
    except Exception as error:  # noqa: BLE001  whatever a job raises is the cause of its end, told to the coordinator
        end = _end_of(job, error)
    home.send(end)


def _end_of(job: Job, error: Exception) -> Ended:
    """The end of a job that raised."""
    if isinstance(error, MemoryError):
        return Ended(job.key, job.attempt, "out of memory", died=True)
    if isinstance(error, EnvironmentFault):
        return Ended(job.key, job.attempt, error.problems[0], blocked=True)
    where = traceback.extract_tb(error.__traceback__)[-1]
    cause = f"{type(error).__name__}: {error} ({where.name} in {Path(where.filename).name}:{where.lineno})"
    return Ended(job.key, job.attempt, cause)
