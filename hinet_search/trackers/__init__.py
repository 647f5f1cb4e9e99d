"""Trackers: show a study in a tool that collects experiments; one file per tool.

A tracker file has `Options`, its settings in a study, and `connect(options, study) -> Tracker`;
`study` is unique among all studies. Creating `Options` fails if the tool's package is missing.
`connect` and the tracker's methods may raise any error, and may block: they run in a thread on
which nothing waits. A tracker knows neither the search nor the database, only runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, Protocol

RunPath = tuple[str, ...]  # of a run: its name, after those of the runs that it is nested in
RunState = Literal["running", "complete", "pruned", "failed", "interrupted"]
Value = bool | int | float | str | None


@dataclass(frozen=True)
class Point:
    """Metrics at one step of a run, `seconds` after its start."""

    step: int
    seconds: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class TrackedRun:
    """A run as a tracker shows it: a study, an arm, a trial, or one seed of a finalist.

    Times are ISO 8601 in UTC, empty if they are not known; then `seconds` is how long it took.
    `totals` are metrics without a step, as they were at `finished`, or at `updated` while it runs.
    """

    path: RunPath
    state: RunState
    started: str = ""
    finished: str = ""
    seconds: float = 0.0
    parameters: Mapping[str, Value] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    totals: Mapping[str, float] = field(default_factory=dict)
    description: str = ""  # Markdown
    updated: str = field(default="", repr=False)  # no value of the run, so not of its digest

    @property
    def digest(self) -> str:
        """A text that changes with any value of the run."""
        return sha256(repr(self).encode()).hexdigest()[:16]


class RunRefused(Exception):
    """The tracker will never take this run as it is; it may take others."""


class Tracker(Protocol):
    """Writes the runs of one study. Writing a run again changes nothing."""

    place: str  # where a user finds the runs, in words, without a password

    def digests(self) -> Mapping[RunPath, str]:
        """Return the digests of the runs of the study that earlier launches wrote completely."""

    def write(self, run: TrackedRun) -> None:
        """Create or update a run, whose parent was written before; RunRefused if it is invalid."""

    def attach(self, path: RunPath, name: str, text: str) -> None:
        """Write a text as a file of a run."""
