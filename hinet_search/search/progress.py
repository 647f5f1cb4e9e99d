"""Progress: counters and events of a running study, for its watcher, and as lines of a log."""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from hinet_search.common.amounts import duration
from hinet_search.common.terminal import printable

if TYPE_CHECKING:
    from hinet_search.results.records import EvaluationRecord

# Of the counters of an arm.
ARM_HEADS = ("arm", "best value", "trial", "progress", "done", "pruned", "failed")
STATE_SECONDS = 60.0


@dataclass(frozen=True)
class Event:
    """One event of a running study.

    `kind` is one word: prepare (before it runs), inputs, best, failed, retry, short (of a budget),
    budget, finalist, choices, ensemble, refit, size, test, waiting, database, extended.
    `key` names the job or trial (`hinet/12`) and `value` is its objective, where the event has
    them.
    """

    kind: str
    text: str
    key: str = ""
    value: float | None = None


@dataclass
class ArmProgress:
    """Counters of one arm."""

    name: str
    budget: int
    done: int = 0
    pruned: int = 0
    failed: int = 0
    best: float | None = None
    best_trial: int | None = None

    @property
    def trained(self) -> int:
        """Trials that count against the budget."""
        return self.done + self.pruned + self.failed


@dataclass
class JobProgress:
    """A running job. `epochs` is None for a job that sends no evaluations.

    `rows_per_second` is the speed between the last two evaluations.
    """

    key: str
    epochs: float | None = 0.0
    values: list[float] = field(default_factory=list)
    slot: int = 0
    rows_per_second: float | None = None
    seconds: float = 0.0  # of training, at the last evaluation
    memory_bytes: int | None = None  # at its peak so far

    def on_evaluation(self, evaluation: "EvaluationRecord", num_rows: int) -> None:
        """Add an evaluation; an epoch has `num_rows` rows."""
        seconds = evaluation.seconds - self.seconds
        epochs = evaluation.epochs - (self.epochs or 0.0)
        self.rows_per_second = epochs * num_rows / seconds if seconds > 0 else None
        self.epochs = evaluation.epochs
        self.seconds = evaluation.seconds
        self.memory_bytes = evaluation.memory_bytes or None  # 0 when an earlier process sent it
        self.values.append(evaluation.objective)


@dataclass
class PhaseProgress:
    """Progress of the current phase.

    `before` jobs were done when this run began the phase; `began` is in seconds of this run.
    """

    name: str = "search"
    done: int = 0
    total: int = 0
    before: int = 0
    began: float = 0.0


@dataclass
class Progress:
    """A running study in numbers. `ahead` counts the jobs of later phases, as far as known."""

    study: str
    slots: int
    device: str
    epochs: float
    arms: dict[str, ArmProgress]
    phase: PhaseProgress = field(default_factory=PhaseProgress)
    running: dict[str, JobProgress] = field(default_factory=dict)
    seconds: float = 0.0
    turn: str = ""  # the arms that run now, where they run after the others
    rows: int = 0  # training rows
    maximize: bool = True
    ahead: int = 0
    until: float | None = None  # seconds of this run until the budget of time is used
    retried: int = 0
    last_retry: str = ""

    def begin(self, name: str, done: int, total: int) -> None:
        """Start counting another phase: inputs, search, finalists, test, choices or summaries."""
        of_turn = f" of {self.turn}" if self.turn else ""
        self.phase = PhaseProgress(f"{name}{of_turn}", done, total, done, self.seconds)

    def start(self, key: str, *, epochs: float | None = 0.0) -> None:
        """Record that a job starts, on the first free slot."""
        taken = {job.slot for name, job in self.running.items() if name != key}
        slot = next(number for number in range(len(taken) + 1) if number not in taken)
        self.running[key] = JobProgress(key, epochs, slot=slot)

    def retry(self, key: str, cause: str) -> None:
        """Record that a job starts again."""
        self.retried += 1
        self.last_retry = f"{cause}, {key}"

    @property
    def best(self) -> ArmProgress | None:
        """The arm with the best value; None before the first value."""
        with_value = [arm for arm in self.arms.values() if arm.best is not None]
        choose = max if self.maximize else min
        return choose(with_value, key=lambda arm: arm.best or 0.0, default=None)

    @property
    def in_words(self) -> str:
        """`search 5 of 20 · 5 m 0 s left · 1 retried (out of memory, hinet/12)`."""
        parts = [f"{self.phase.name} {self.phase.done} of {self.phase.total}"]
        if self.seconds_left is not None:
            parts.append(f"{duration(self.seconds_left)} left")
        if self.retried:
            parts.append(f"{self.retried} retried ({self.last_retry})")
        return " · ".join(parts)

    @property
    def seconds_left(self) -> float | None:
        """Seconds left, estimated from this run's speed in the phase; None before the first result.

        While the trials of a budget of time run, what is left of the budget. Otherwise, assumes
        that jobs of later phases take as long as jobs of this phase.
        """
        if self.until is not None:
            return max(0.0, self.until - self.seconds)
        gained = self.phase.done - self.phase.before
        if gained <= 0:
            return None
        waiting = self.phase.total - self.phase.done
        return (self.seconds - self.phase.began) / gained * (waiting + self.ahead)


def value_text(value: float) -> str:
    """Format a value with four decimals, like `0.7123`."""
    return f"{value:.4f}"


def difference_text(difference: float) -> str:
    """Format a difference like `+0.0021` or `-0.0300`."""
    sign = "+" if difference >= 0 else "-"
    return f"{sign}{value_text(abs(difference))}"


@runtime_checkable
class Watcher(Protocol):
    """Receives a study's events and progress: the command line, a notebook, a test."""

    def event(self, event: Event) -> None:
        """Receive an event."""

    def tick(self, progress: Progress) -> None:
        """Receive the progress, several times a second while jobs run."""


class NullWatcher:
    """A watcher that does nothing."""

    def event(self, event: Event) -> None:
        """Do nothing."""

    def tick(self, progress: Progress) -> None:
        """Do nothing."""


class EveryMinute:
    """Decides when the next state line is due."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def is_due(self) -> bool:
        """Return whether a minute has passed since the last state line."""
        due = time.monotonic() - self._last >= STATE_SECONDS
        if due:
            self._last = time.monotonic()
        return due


class PlainLog:
    """One line per event, and one per minute with the state; `say` prints a line."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._state = EveryMinute()

    def event(self, event: Event) -> None:
        """Print `14:03:40 best   hinet/3 0.7641 (+0.0021)`, in local time."""
        self._say(f"{datetime.now():%H:%M:%S} {event.kind:<8} {event.text}")  # noqa: DTZ005

    def tick(self, progress: Progress) -> None:
        """Print the state once a minute."""
        if self._state.is_due():
            self.event(Event("state", state_line(progress)))


def say_on_stderr(text: str) -> None:
    """Print a line on stderr; a stderr that is closed stops no study."""
    with suppress(OSError, ValueError):
        if sys.stderr is not None:
            sys.stderr.write(f"{printable(text)}\n")


def state_line(progress: Progress) -> str:
    """Return `search 38 of 48 · 5 m 58 s left · best trial hinet/12 0.7641`."""
    best = progress.best
    if best is None or best.best is None:
        return progress.in_words
    return f"{progress.in_words} · best trial {best.name}/{best.best_trial} {value_text(best.best)}"
