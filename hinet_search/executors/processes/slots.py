"""Slots: long-lived processes of one thread each on this machine, on which engines run their jobs.

A slot is a spawned process with a channel to its coordinator. It ends when its coordinator ends,
even inside a job that neither emits nor calls `should_stop`, and on Linux even while it is paused.
The environment sets threads and allocator before it starts: two contending OpenMP threads are
several times slower, and if freed pages are kept, large temporaries cause no page faults.
"""

import ctypes
import multiprocessing
import os
import pickle
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from hinet_search.common import heartbeat
from hinet_search.common.errors import EnvironmentFault
from hinet_search.executors import (
    HEARTBEAT_SECONDS,
    OUT_OF_MEMORY,
    Heartbeat,
    Job,
    JobEnd,
    JobEvent,
    Message,
)
from hinet_search.executors.processes.environment import (
    OURS,
    SLOT_ENVIRONMENT,
    SLOTS_OF_GPU,
    VISIBLE_GPUS,
    environment,
    for_children,
)

# Seconds that a process may take to exit after its channel broke; its exit code is then reported.
DEATH_SECONDS = 5.0
CLOSE_SECONDS = 1.0  # that slots may take to end at the close of an executor
_LENGTH = struct.Struct("!Q")  # precedes every message
OF_THE_TERMINAL = (signal.SIGINT, signal.SIGHUP)  # Ctrl-C, and a closed window
_PR_SET_PDEATHSIG = 1  # from linux/prctl.h
_PART = 2**16  # bytes read at once
MUCH_FREED = 2**29  # bytes; less is sooner used again than given back and asked for


class ChannelEnd:
    """One end of a channel of pickled messages over a socket.

    A message arrives completely or not at all. Reading without waiting never blocks on an
    incomplete message, since its sender may be paused in the middle of it. Errors if the other end
    is gone: EOFError when reading, OSError when sending or in the middle of a message.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._received = bytearray()
        self._messages: deque[Any] = deque()

    def fileno(self) -> int:
        """Return the socket's descriptor, for a wait on several channels."""
        return self._end.fileno()

    def send(self, message: object) -> None:
        """Send a message; wait while the other end does not read."""
        content = pickle.dumps(message)
        self._end.sendall(_LENGTH.pack(len(content)) + content)

    def next(self) -> Any:
        """Wait for the next message and return it."""
        while not self._messages:
            self._take(self._end.recv(_PART))
        return self._messages.popleft()

    def waiting(self) -> list[Any]:
        """Return messages that have arrived, without waiting. One call reads one part at most."""
        try:
            self._take(self._end.recv(_PART, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return []
        messages = list(self._messages)
        self._messages.clear()
        return messages

    def close(self) -> None:
        """Close this end; the other end gets an error."""
        self._end.close()

    def _take(self, part: bytes) -> None:
        """Add received bytes and unpickle the messages that are complete."""
        if not part:
            raise EOFError("the other end is gone")
        self._received += part
        while len(self._received) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._received)
            end = _LENGTH.size + length
            if len(self._received) < end:
                return
            content = self._received[_LENGTH.size : end]
            self._messages.append(pickle.loads(content))  # noqa: S301  our own process sent it
            del self._received[:end]


@dataclass(frozen=True)
class _Stop:
    """Asks the running job to stop."""


@dataclass
class _SlotProcess:
    number: int
    process: SpawnProcess
    home: ChannelEnd
    job: Job | None = None


class ProcessExecutor:
    """Slot processes with these numbers; see `Executor` for the contract.

    They share `gpus`, each named as in CUDA_VISIBLE_DEVICES: slot i sees GPU i, modulo their
    number. Without any, slots see what this process sees.
    """

    def __init__(self, numbers: Iterable[int], gpus: Sequence[str] = ()) -> None:
        numbers = tuple(numbers)
        self._gpus = gpus
        self._num_slots = len(numbers)
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._starter = ThreadPoolExecutor(1, "slots")  # see _be_killed_with_coordinator
        self._pending: list[JobEvent] = []
        with environment(for_children()):
            resource_tracker.ensure_running()  # if the first slot starts it, SIGINT is unblocked
        self._slots = [self._new_slot(number) for number in numbers]

    @property
    def waiting(self) -> str:
        """Always empty: a local process waits for no place."""
        return ""

    @property
    def free(self) -> int:
        """Number of idle slots."""
        return sum(slot.job is None for slot in self._slots)

    def submit(self, job: Job) -> None:
        """Start a job on a free slot; if its process has just died, `poll` reports it."""
        slot = next(slot for slot in self._slots if slot.job is None)
        with suppress(BrokenPipeError, ConnectionResetError):
            slot.home.send(job)
        slot.job = job

    def stop(self, key: str) -> None:
        """Ask a job to stop."""
        for slot in self._slots:
            if slot.job is not None and slot.job.key == key:
                with suppress(BrokenPipeError, ConnectionResetError):
                    slot.home.send(_Stop())

    def runs(self, key: str) -> bool:
        """Return whether a job is on a slot."""
        return any(slot.job is not None and slot.job.key == key for slot in self._slots)

    def kill(self, key: str) -> None:
        """Kill the process of a job; leave a process that the system cannot end."""
        for index, slot in enumerate(self._slots):
            if slot.job is not None and slot.job.key == key:
                slot.process.kill()
                self._pending += self._replace(index, slot)

    def poll(self, timeout: float) -> list[JobEvent]:
        """Return new messages; replace slots whose process died and report their jobs as ended."""
        messages = self._pending
        self._pending = []
        ready = wait([slot.home.fileno() for slot in self._slots], 0.0 if messages else timeout)
        for index, slot in enumerate(self._slots):
            if slot.home.fileno() not in ready:
                continue
            try:
                received: list[JobEvent] = slot.home.waiting()
            except (EOFError, OSError):  # OSError: it died in the middle of a message
                received = self._replace(index, slot)
            else:
                if received and isinstance(received[-1], JobEnd):
                    slot.job = None
            messages += received
        return messages

    def close(self) -> None:
        """Close every channel, wait for the slots, and kill those that do not end in time.

        It takes CLOSE_SECONDS at most.
        """
        for slot in self._slots:
            slot.home.close()
        deadline = time.monotonic() + CLOSE_SECONDS
        for slot in self._slots:
            _end(slot.process, max(0.0, deadline - time.monotonic()))
        self._slots = []
        self._starter.shutdown()

    def _replace(self, index: int, slot: _SlotProcess) -> list[JobEvent]:
        """Replace a slot whose process dies; return the end of its job."""
        _end(slot.process, DEATH_SECONDS)
        slot.home.close()
        self._slots[index] = self._new_slot(slot.number)
        if slot.job is None:
            return []
        cause = f"its process died ({_death(slot.process.exitcode)})"
        return [JobEnd(slot.job.key, slot.job.attempt, cause, died=True)]

    def _new_slot(self, number: int) -> _SlotProcess:
        ours, of_slot = socket.socketpair()
        slot_end = ChannelEnd(of_slot)
        process = self._context.Process(
            target=_serve, args=(slot_end,), name=f"slot-{number}", daemon=True
        )
        variables = {f"{OURS}SLOT": str(number)}
        if self._gpus:
            variables[VISIBLE_GPUS] = self._gpus[number % len(self._gpus)]
            variables[SLOTS_OF_GPU] = str(-(-self._num_slots // len(self._gpus)))
        self._starter.submit(_start, process, variables).result()
        slot_end.close()
        return _SlotProcess(number, process, ChannelEnd(ours))


def _start(process: SpawnProcess, own: Mapping[str, str]) -> None:
    variables = {**for_children(), **SLOT_ENVIRONMENT, **own}
    with environment(variables), _terminal_signals_blocked(), _main_module_hidden():
        process.start()


def _end(process: SpawnProcess, seconds: float) -> None:
    """Wait for a process to end, then kill it; one that waits for hardware dies after that."""
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join(DEATH_SECONDS)


def _death(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    names = {known.value: known.name for known in signal.Signals}  # real-time signals have no name
    return f"signal {names.get(-exit_code, -exit_code)}"


@contextmanager
def _terminal_signals_blocked() -> Iterator[None]:
    """Block Ctrl-C and hang-up in a child that starts inside; this process gets them afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, OF_THE_TERMINAL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Hide the main module from a process that is spawned inside and would run it again."""
    main_module = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main_module


class _CoordinatorGone(BaseException):
    """The coordinator is gone. It is no Exception, so that a job does not handle it as its own."""


def _serve(home: ChannelEnd) -> None:
    """Run jobs and report their ends until the channel breaks; ignore signals of the terminal."""
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
                give_back_freed_memory()
    except (EOFError, OSError, _CoordinatorGone):
        os._exit(0)


class _AllocatorCounts(ctypes.Structure):
    """`struct mallinfo2` of glibc."""

    _fields_ = (("used", ctypes.c_size_t * 8), ("free", ctypes.c_size_t), ("top", ctypes.c_size_t))


def give_back_freed_memory() -> None:
    """Give what a job freed back if it is much; systems without glibc decide by themselves.

    The allocator keeps it (SLOT_ENVIRONMENT), and the next job cannot always use it: a large table
    needs one piece, and live objects lie between the free ones.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallinfo2") and hasattr(library, "malloc_trim"):
        library.mallinfo2.restype = _AllocatorCounts
        if library.mallinfo2().free > MUCH_FREED:
            library.malloc_trim(0)


def _be_killed_with_coordinator() -> None:
    """Let the Linux kernel kill this process when its coordinator ends.

    The thread of `_end_with_coordinator` notices a coordinator that is already gone. The kernel
    waits for the end of the thread that started this process, so that thread must live as long as
    its slots.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_with_coordinator() -> None:
    coordinator = multiprocessing.parent_process()
    assert coordinator is not None, "a slot is a child"
    coordinator.join()
    os._exit(1)


class _Reporter:
    """Sends the messages of a running job to its coordinator; each one counts as a heartbeat."""

    def __init__(self, job: Job, home: ChannelEnd) -> None:
        self._job = job
        self._home = home
        self._is_stopped = False
        self._last_sent = time.monotonic()

    def emit(self, body: object) -> None:
        self.send(Message(self._job.key, self._job.attempt, body))

    def should_stop(self) -> bool:
        self.sign()
        try:
            messages = self._home.waiting()
        except (EOFError, OSError) as error:
            raise _CoordinatorGone from error
        self._is_stopped |= any(isinstance(message, _Stop) for message in messages)
        return self._is_stopped

    def sign(self) -> None:
        if time.monotonic() - self._last_sent >= HEARTBEAT_SECONDS:
            self.send(Heartbeat(self._job.key, self._job.attempt))

    def send(self, message: JobEvent) -> None:
        try:
            self._home.send(message)
        except OSError as error:
            raise _CoordinatorGone from error
        self._last_sent = time.monotonic()


def _run(job: Job, reporter: _Reporter) -> None:
    end = JobEnd(job.key, job.attempt, "")
    try:
        with heartbeat.receive_heartbeats(reporter.sign):
            job.function(job.payload, reporter.emit, reporter.should_stop)
    except Exception as error:  # noqa: BLE001  any error is the cause of the end
        end = end_of(job, error)
    reporter.send(end)


def end_of(job: Job, error: Exception) -> JobEnd:
    """Return the end of a job that raised."""
    if isinstance(error, MemoryError):
        cause = ": ".join([OUT_OF_MEMORY, *str(error).splitlines()[:1]])
        return JobEnd(job.key, job.attempt, cause, died=True)
    if isinstance(error, EnvironmentFault):
        return JobEnd(job.key, job.attempt, error.problems[0], blocked=True)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{frame.name} in {Path(frame.filename).name}:{frame.lineno}"
    return JobEnd(job.key, job.attempt, f"{type(error).__name__}: {error} ({place})")
