"""Progress: what a running study tells whoever watches: counters, never a scan of trials."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    `kind` is one word: best, failed, retry, short (of a budget), finalist, size, opened, waiting, database, extended,
    state.
    """

    kind: str
    text: str


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
    """A job that a slot is busy with; one that trains nothing has no passes."""

    key: str
    passes: float | None = 0.0
    values: list[float] = field(default_factory=list)


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
    """A running study in numbers."""

    study: str
    slots: int
    device: str
    passes: float
    arms: dict[str, ArmProgress]
    phase: PhaseProgress = field(default_factory=PhaseProgress)
    running: dict[str, JobProgress] = field(default_factory=dict)
    seconds: float = 0.0
    turn: str = ""  # the arms whose turn it is, where they come after the others

    def begin(self, name: str, done: int, total: int) -> None:
        """Start counting another phase: search, finalists, test or summaries."""
        of_turn = f" of {self.turn}" if self.turn else ""
        self.phase = PhaseProgress(f"{name}{of_turn}", done, total, done, self.seconds)

    @property
    def seconds_left(self) -> float | None:
        """Estimate for the current phase from what this run has done of it; None before the first result."""
        gained = self.phase.done - self.phase.before
        if gained <= 0:
            return None
        waiting = max(0, self.phase.total - self.phase.done)  # an arm may hold more trials than a lowered budget
        return (self.seconds - self.phase.began) / gained * waiting


def value_text(value: float) -> str:
    """`.7123`: four digits, no leading zero."""
    return f"{value:.4f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.4f}"


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
