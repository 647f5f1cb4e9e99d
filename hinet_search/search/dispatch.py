"""Dispatch: run one phase's jobs on the slots, retry jobs whose process died, stop on a signal.

A job whose memory ran out beside others is tried once more while no other runs: what a trial ends
with must not depend on its neighbours.
"""

import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Protocol, TypeVar

from hinet_search.common.amounts import plain
from hinet_search.common.errors import EnvironmentFault, Interrupted
from hinet_search.common.retry import Notice
from hinet_search.executors import OUT_OF_MEMORY, Executor, Heartbeat, Job, JobEnd, JobEvent

MAX_ATTEMPTS = 3
POLL_SECONDS = 0.25
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_REMEDY = "nothing is lost: once that is fixed, the same launch resumes"
GAPS = 4.0  # a job may be silent for this many times the longest gap between two heartbeats


class HeartbeatMonitor:
    """Measure how long each running job has sent no heartbeat.

    `limit` is the heartbeat timeout in seconds; 0 means no limit. Only time in which this process
    polled for messages counts, not time in which it was paused or waited for the database.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._longest_gap = 0.0
        self._seconds_without_heartbeat: dict[str, float] = {}

    def watch(self, key: str) -> None:
        """Start the count of a job."""
        self._seconds_without_heartbeat[key] = 0.0

    def forget(self, key: str) -> None:
        """Drop the count of a job that ended."""
        del self._seconds_without_heartbeat[key]

    def count_polling(
        self, seconds: float, senders: Collection[str], runs: Callable[[str], bool]
    ) -> None:
        """Count `seconds` of polling in which the jobs `senders` sent something.

        A job that waits for a slot is not counted.
        """
        for key, silent in self._seconds_without_heartbeat.items():
            if key in senders:
                self._longest_gap = max(self._longest_gap, silent)
                self._seconds_without_heartbeat[key] = 0.0
            elif runs(key):
                self._seconds_without_heartbeat[key] = silent + seconds

    def cause(self, key: str, attempts: int) -> str:
        """Return `silent for 10 min` for a job over the heartbeat timeout, else an empty text.

        Each of its attempts that died doubles the limit, so that a job that is slow but not stuck
        can finish.
        """
        allowed = max(self._limit, GAPS * self._longest_gap) * 2**attempts
        if not self._limit or self._seconds_without_heartbeat[key] < allowed:
            return ""
        minutes = float(f"{allowed / 60:.3g}")
        return f"silent for {plain(minutes)} min"


class Phase(Protocol):
    """One kind of work: trials, finalists, test accesses or summaries."""

    def next_job(self) -> Job | None:
        """Return the next job, or None when there is nothing to start now."""

    def handle_message(self, key: str, body: object, stop: Callable[[], None]) -> None:
        """Handle a message of a running job; `stop` asks the job to end."""

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """Handle a job's end; `cause` is empty when it returned, `stopping` true after a signal."""

    def retry(self, key: str, attempt: int, cause: str) -> None:
        """Prepare for a job that starts again as `attempt` because its process died."""


Result = TypeVar("Result")
Phases = Generator[Phase, None, Result]  # phases that run one after another, and what they give


class StopFlag:
    """Whether a signal asked the study to stop; a second signal interrupts at once.

    A terminal that closes may send SIGHUP twice, from its shell and from the kernel. SIGHUP
    therefore asks the study to stop, but never interrupts.
    """

    def __init__(self) -> None:
        self.signal_number = 0

    @property
    def is_set(self) -> bool:
        """Whether a signal asked to stop."""
        return self.signal_number != 0

    @contextmanager
    def handling_signals(self) -> Iterator[None]:
        """Handle signals inside the block; do not handle SIGHUP where nohup ignores it.

        Only the main thread can handle signals. In any other thread this does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        is_nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        handled = [number for number in STOPPING if not (is_nohup and number == signal.SIGHUP)]
        before = {number: signal.signal(number, self._handle) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.is_set and number != signal.SIGHUP:
            raise Interrupted(
                "stopped at once by a second signal; "
                "running trials resume from their last checkpoints",
                signal_number=number,
            )
        self.signal_number = self.signal_number or number


def drive(
    executor: Executor,
    phase: Phase,
    stop: StopFlag,
    tick: Callable[[], None],
    say: Callable[[str], None] = lambda _: None,
    monitor: HeartbeatMonitor | None = None,
) -> None:
    """Run a phase until it has no job left, or, after a stop, until its running jobs have ended.

    Drop messages of an older attempt. Start a job whose process died again, at most MAX_ATTEMPTS
    times in one run; one whose memory ran out starts again once, alone. Kill a job over the
    heartbeat timeout, which then counts as died. Call `tick` before any message is written: after
    a long pause the lease may be lost. Pass the jobs' notices for the user to `say`. Raise
    EnvironmentFault when the machine keeps a job from its work; the job stays open, as after a
    kill.
    """
    jobs = _Jobs(executor, phase, stop, monitor or HeartbeatMonitor(0.0))
    while jobs.fill():
        began = time.monotonic()
        messages = executor.poll(POLL_SECONDS)
        elapsed = time.monotonic() - began
        polled_seconds = min(elapsed, 2 * POLL_SECONDS)  # any more is a pause of this process
        tick()
        for message in messages:
            key = message.key
            if not jobs.awaits(message) or isinstance(message, Heartbeat):
                continue
            if isinstance(message, JobEnd):
                jobs.end(message)
            elif isinstance(message.body, Notice):
                say(f"{key}: {message.body.text}")
            else:
                phase.handle_message(key, message.body, partial(executor.stop, key))
        jobs.kill_overdue(polled_seconds, messages)


class _Jobs:
    """The jobs of one phase that run or wait for another attempt."""

    def __init__(
        self, executor: Executor, phase: Phase, stop: StopFlag, monitor: HeartbeatMonitor
    ) -> None:
        self._executor = executor
        self._phase = phase
        self._stop = stop
        self._monitor = monitor
        self._killed: dict[str, str] = {}  # cause, by key
        self._running: dict[str, Job] = {}
        self._to_retry: deque[Job] = deque()
        self._alone: set[str] = set()  # jobs whose memory ran out: no other runs beside them
        self._deaths: Counter[str] = Counter()
        self._jobs_asked_to_stop = False

    def fill(self) -> bool:
        """Start jobs on free slots, or after a signal ask all to stop; return whether any runs."""
        while not self._stop.is_set and self._executor.free:
            job = self._next()
            if job is None:
                break
            self._running[job.key] = job
            self._monitor.watch(job.key)
            self._executor.submit(job)
        if self._stop.is_set and not self._jobs_asked_to_stop:
            self._jobs_asked_to_stop = True
            for key in self._running:
                self._executor.stop(key)
            while self._to_retry:
                key = self._to_retry.popleft().key
                self._phase.end(key, "stopped before its next attempt", stopping=True)
        return bool(self._running)

    def _next(self) -> Job | None:
        """Return the job to start now, if any."""
        if not self._alone.isdisjoint(self._running):
            return None
        if not self._to_retry:
            return self._phase.next_job()
        if self._running and self._to_retry[0].key in self._alone:
            return None
        return self._to_retry.popleft()

    def awaits(self, message: JobEvent) -> bool:
        """Whether a message is of the attempt of a job that runs now."""
        job = self._running.get(message.key)
        return job is not None and job.attempt == message.attempt

    def end(self, ended: JobEnd) -> None:
        """Handle the end of a job, which starts again if its process died."""
        job = self._running.pop(ended.key)
        self._monitor.forget(job.key)
        cause = self._killed.pop(job.key, "")
        if not (ended.died and cause):
            cause = ended.cause
        if ended.blocked and not self._stop.is_set:
            raise EnvironmentFault(cause, remedy=_REMEDY)
        self._deaths[job.key] += ended.died
        if ended.died and not self._stop.is_set and self._may_retry(job.key, cause):
            self._to_retry.append(replace(job, attempt=job.attempt + 1))
            self._phase.retry(job.key, job.attempt + 1, cause)
        else:
            self._phase.end(job.key, cause, stopping=self._stop.is_set)

    def _may_retry(self, key: str, cause: str) -> bool:
        """Return whether a job that died starts again; note that it does so alone, if it must."""
        if not cause.startswith(OUT_OF_MEMORY):
            return self._deaths[key] < MAX_ATTEMPTS
        ran_beside_others = key not in self._alone
        self._alone.add(key)
        return ran_beside_others

    def kill_overdue(self, polled_seconds: float, messages: Sequence[JobEvent]) -> None:
        """Kill jobs over the heartbeat timeout; `messages` came in `polled_seconds`."""
        attempts = {message.key: message.attempt for message in messages}
        senders = {key for key, job in self._running.items() if attempts.get(key) == job.attempt}
        self._monitor.count_polling(polled_seconds, senders, self._executor.runs)
        for key in self._running.keys() - self._killed.keys():
            if cause := self._monitor.cause(key, self._deaths[key]):
                self._killed[key] = cause
                self._executor.kill(key)


def clock() -> Callable[[], float]:
    """Return a function that gives the seconds since this call."""
    began = time.monotonic()
    return lambda: time.monotonic() - began
