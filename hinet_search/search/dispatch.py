"""Dispatch: keeps the slots busy with one phase's jobs, retries those whose process died, and stops on a signal."""

import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Protocol

from hinet_search.errors import EnvironmentFault, Interrupted
from hinet_search.executors import Alive, Ended, Executor, Job, Said
from hinet_search.patience import Notice
from hinet_search.search.silence import Silence

MAX_ATTEMPTS = 3
POLL_SECONDS = 0.25
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_REMEDY = "nothing is lost: when that is mended, the same launch goes on"


class Phase(Protocol):
    """A kind of work: trials, finalists, or openings of the test split."""

    def next_job(self) -> Job | None:
        """The next job, or None when there is nothing to start now."""

    def hear(self, key: str, body: object, stop: Callable[[], None]) -> None:
        """A message of a running job; `stop` asks the job to end."""

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """A job's end. `cause` is empty when it returned; `stopping` when a signal asked for it."""

    def retry(self, key: str, attempt: int, cause: str) -> None:
        """The job's process died and it begins again as `attempt`."""


class StopFlag:
    """Whether a signal asked the study to stop; a second signal interrupts at once.

    A terminal that closes may say so twice (its shell does, then the kernel): that asks, and never interrupts.
    """

    def __init__(self) -> None:
        self.signal_number = 0

    @property
    def asked(self) -> bool:
        """Whether to stop."""
        return self.signal_number != 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen inside, to SIGHUP unless nohup told it to be ignored.

        Only the main thread can: in another one signals are for whoever started it.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        heard = [one for one in STOPPING if one != signal.SIGHUP or signal.getsignal(one) != signal.SIG_IGN]
        before = {number: signal.signal(number, self._heard) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _heard(self, number: int, _frame: FrameType | None) -> None:
        if self.asked and number != signal.SIGHUP:
            raise Interrupted(
                "stopped at once by a second signal; running trials go on from their last checkpoints",
                signal_number=number,
            )
        self.signal_number = self.signal_number or number


def _nobody(_text: str) -> None:
    """Hears nothing."""


def drive(
    executor: Executor,
    phase: Phase,
    stop: StopFlag,
    tick: Callable[[], None],
    say: Callable[[str], None] = _nobody,
    silence: Silence | None = None,
) -> None:
    """Run a phase until it has no job left, or until running jobs have ended after a stop was asked.

    Messages of an older attempt are dropped. A job whose process died starts again, at most MAX_ATTEMPTS times in all
    in one run. `tick` comes before anything that was heard is written: whoever was paused for long may have lost the
    study. `say` is told what jobs have for the user. A job that is silent for too long is killed and has died.
    EnvironmentFault when the machine keeps a job from its work: such a job stays open, as after a kill.
    """
    floor = _Floor(executor, phase, stop, say, silence or Silence(0.0))
    while floor.fill():
        began = time.monotonic()
        heard = executor.poll(POLL_SECONDS)
        listened = min(time.monotonic() - began, 2 * POLL_SECONDS)  # more is a pause of this process
        tick()
        floor.hear(heard)
        floor.kill_the_silent(listened, heard)


class _Floor:
    """The jobs of one phase that run or wait for another attempt."""

    def __init__(
        self, executor: Executor, phase: Phase, stop: StopFlag, say: Callable[[str], None], silence: Silence
    ) -> None:
        self._executor = executor
        self._phase = phase
        self._stop = stop
        self._say = say
        self._silence = silence
        self._killed: dict[str, str] = {}  # why, by key
        self._running: dict[str, Job] = {}
        self._again: deque[Job] = deque()
        self._deaths: Counter[str] = Counter()
        self._told_to_stop = False

    def fill(self) -> bool:
        """Start jobs on free slots, or ask all to stop when a signal came; returns whether any job runs."""
        while not self._stop.asked and self._executor.free and (job := self._next()):
            self._running[job.key] = job
            self._silence.begins(job.key)
            self._executor.submit(job)
        if self._stop.asked and not self._told_to_stop:
            self._told_to_stop = True
            for key in self._running:
                self._executor.stop(key)
            while self._again:
                self._phase.end(self._again.popleft().key, "stopped before its next attempt", stopping=True)
        return bool(self._running)

    def hear(self, said: Sequence[Said]) -> None:
        """Pass on what running jobs say."""
        for one in said:
            job = self._running.get(one.key)
            if job is None or job.attempt != one.attempt or isinstance(one, Alive):
                continue
            if isinstance(one, Ended):
                del self._running[one.key]
                self._silence.ends(one.key)
                why = self._killed.pop(one.key, "")
                self._ended(job, replace(one, cause=why) if one.died and why else one)
            elif isinstance(one.body, Notice):
                self._say(f"{one.key}: {one.body.text}")
            else:
                self._phase.hear(one.key, one.body, partial(self._executor.stop, one.key))

    def kill_the_silent(self, listened: float, said: Sequence[Said]) -> None:
        """Kill jobs that were silent for too long, these seconds included in which so much was said."""
        attempts = {one.key: one.attempt for one in said}
        heard = {key for key, job in self._running.items() if attempts.get(key) == job.attempt}
        self._silence.listened(listened, heard, self._executor.runs)
        for key in self._running.keys() - self._killed.keys():
            if cause := self._silence.cause(key, self._deaths[key]):
                self._killed[key] = cause
                self._executor.kill(key)

    def _next(self) -> Job | None:
        return self._again.popleft() if self._again else self._phase.next_job()

    def _ended(self, job: Job, ended: Ended) -> None:
        if ended.blocked and not self._stop.asked:
            raise EnvironmentFault(ended.cause, remedy=_REMEDY)
        self._deaths[job.key] += ended.died
        if ended.died and not self._stop.asked and self._deaths[job.key] < MAX_ATTEMPTS:
            self._again.append(replace(job, attempt=job.attempt + 1))
            self._phase.retry(job.key, job.attempt + 1, ended.cause)
        else:
            self._phase.end(job.key, ended.cause, stopping=self._stop.asked)


def clock() -> Callable[[], float]:
    """Seconds since this call."""
    began = time.monotonic()
    return lambda: time.monotonic() - began
