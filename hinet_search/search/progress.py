"""Progress: what a running study tells whoever watches: counters, never a scan of trials."""

from dataclasses import dataclass, field
from typing import Protocol

from hinet_search.records import EvaluationRecord


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    `kind` is one word: best, failed, retry, short (of a budget), finalist, size, opened, waiting, database,
    extended. `key` is what it
    happened to (`hinet/12`) and `value` its objective, where there are such.
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
    """A job that a slot is busy with; one that trains nothing has no passes. Speed is that since the last evaluation."""

    key: str
    passes: float | None = 0.0
    values: list[float] = field(default_factory=list)
    slot: int = 0
    rows_per_second: float | None = None
    seconds: float = 0.0  # of training, at the last evaluation
    memory_bytes: int | None = None  # at its peak so far

    def evaluated(self, evaluation: EvaluationRecord, num_rows: int) -> None:
        """Take an evaluation in; `num_rows` make a pass."""
        took, passes = evaluation.seconds - self.seconds, evaluation.passes - (self.passes or 0.0)
        self.rows_per_second = passes * num_rows / took if took > 0 else None
        self.passes, self.seconds = evaluation.passes, evaluation.seconds
        self.memory_bytes = evaluation.memory_bytes or None  # one that an earlier process sent holds nothing here
        self.values.append(evaluation.objective)


@dataclass
class PhaseProgress:
    """How far the current phase is. `before` was done when this run began it, `began` is in seconds of this run."""

    name: str = "search"
    done: int = 0
    total: int = 0
    before: int = 0
    began: float = 0.0


@dataclass
class Progress:
    """A running study in numbers. `ahead` are the jobs of later phases, as far as they can be told."""

    study: str
    slots: int
    device: str
    passes: float
    arms: dict[str, ArmProgress]
    phase: PhaseProgress = field(default_factory=PhaseProgress)
    running: dict[str, JobProgress] = field(default_factory=dict)
    seconds: float = 0.0
    turn: str = ""  # the arms whose turn it is, where they come after the others
    rows: int = 0  # of training
    maximize: bool = True
    ahead: int = 0
    retried: int = 0
    last_retry: str = ""

    def begin(self, name: str, done: int, total: int) -> None:
        """Start counting another phase: search, finalists, test or summaries."""
        of_turn = f" of {self.turn}" if self.turn else ""
        self.phase = PhaseProgress(f"{name}{of_turn}", done, total, done, self.seconds)

    def start(self, key: str, *, passes: float | None = 0.0) -> None:
        """A job begins on the first slot that is free."""
        taken = {job.slot for name, job in self.running.items() if name != key}
        slot = next(number for number in range(len(taken) + 1) if number not in taken)
        self.running[key] = JobProgress(key, passes, slot=slot)

    def retry(self, key: str, cause: str) -> None:
        """A job begins again."""
        self.retried += 1
        self.last_retry = f"{cause}, {key}"

    @property
    def best(self) -> ArmProgress | None:
        """The arm with the best value, None before the first."""
        found = [arm for arm in self.arms.values() if arm.best is not None]
        choose = max if self.maximize else min
        return choose(found, key=lambda arm: arm.best or 0.0, default=None)

    @property
    def seconds_left(self) -> float | None:
        """Estimate from what this run has done of the current phase; None before the first result.

        Jobs of later phases are taken to last as long as those of this one.
        """
        gained = self.phase.done - self.phase.before
        if gained <= 0:
            return None
        waiting = max(0, self.phase.total - self.phase.done)  # an arm may hold more trials than a lowered budget
        return (self.seconds - self.phase.began) / gained * (waiting + self.ahead)


def value_text(value: float) -> str:
    """`.7123`: four digits, no leading zero."""
    return f"{value:.4f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.4f}"


def difference_text(difference: float) -> str:
    """`+.0021` or `-.0300`."""
    return f"{'+' if difference >= 0 else '-'}{value_text(abs(difference))}"


class Watcher(Protocol):
    """Whoever watches a study: the command line, a notebook, a test."""

    def event(self, event: Event) -> None:
        """Something happened."""

    def tick(self, progress: Progress) -> None:
        """Called several times a second while jobs run."""


class Silent:
    """A watcher that does nothing."""

    def event(self, event: Event) -> None:
        """Nothing."""

    def tick(self, progress: Progress) -> None:
        """Nothing."""
