"""Profile a study: what its slots did, from its launch to its report, and when they did nothing.

`python benchmarks/profile_study.py kuairand --trials 2 --finalist-seeds 2 --set passes=1`

A training's steps are its rows over its rows a second; the rest of its job is evaluation, diagnosis
and start. The data are encoded before the clock starts.
"""

import argparse
import json
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from hinet_search.api import launch_ready, ready
from hinet_search.executors import Job, JobEnd, JobEvent, Message, local
from hinet_search.executors.processes.slots import ProcessExecutor
from hinet_search.results.records import EvaluationRecord
from hinet_search.search.progress import NullWatcher
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.jobs.messages import (
    PartMessage,
    TrainingResult,
    TrainingsJob,
    TrainJob,
)
from layout import aligned

SHOWN = 0.002  # reasons of less than this share of the slots' time are left out


@dataclass
class Work:
    """Jobs of one kind: how many, their seconds on a slot, and the seconds of their steps."""

    jobs: int = 0
    seconds: float = 0.0
    step_seconds: float = 0.0


@dataclass
class Timeline:
    """When jobs began and ended, by kind, and what the slots that had none waited for."""

    num_rows: int
    num_slots: int = 0
    latest: float = 0.0
    running: dict[str, tuple[str, float]] = field(default_factory=dict)
    passes: dict[tuple[str, str], float] = field(default_factory=dict)
    work: dict[str, Work] = field(default_factory=lambda: defaultdict(Work))
    idle: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def start(self, job: Job) -> None:
        """A slot begins a job; what was idle until now waited for its kind."""
        kind = _kind(job)
        self.wait(f"before {kind}")
        self.running[job.key] = kind, time.perf_counter()

    def take(self, event: JobEvent) -> None:
        """Note how far a training is, what its steps took, and the end of its job."""
        if event.key not in self.running:
            return
        kind, began = self.running[event.key]
        if isinstance(event, Message):
            part, body = "", event.body
            if isinstance(body, PartMessage):
                part, body = body.part, body.body
            if isinstance(body, EvaluationRecord):
                self.passes[event.key, part] = body.passes
            if isinstance(body, TrainingResult) and body.cost.rows_per_second:
                rows = self.passes[event.key, part] * self.num_rows
                self.work[kind].step_seconds += rows / body.cost.rows_per_second
        if isinstance(event, JobEnd):
            self.wait(f"while the last {kind} ran")
            del self.running[event.key]
            self.work[kind].jobs += 1
            self.work[kind].seconds += time.perf_counter() - began

    def wait(self, why: str) -> None:
        """Count the seconds of slots without a job since the latest event."""
        now = time.perf_counter()
        self.idle[why] += (self.num_slots - len(self.running)) * (now - self.latest)
        self.latest = now


class RecordingExecutor(ProcessExecutor):
    """Slots whose jobs are noted in a timeline."""

    timeline: Timeline

    def __init__(self, numbers: Iterable[int]) -> None:
        listed = list(numbers)
        self.timeline.num_slots = len(listed)
        super().__init__(listed)

    def submit(self, job: Job) -> None:
        """Start a job, and note it."""
        self.timeline.start(job)
        super().submit(job)

    def poll(self, timeout: float) -> list[JobEvent]:
        """Return new messages, and note them."""
        events = super().poll(timeout)
        for event in events:
            self.timeline.take(event)
        return events


@dataclass(frozen=True)
class StudyProfile:
    """Seconds of a study and of its slots; `idle` has those of slots without a job, by reason."""

    study: str
    slots: int
    seconds: float
    coordinator_cpu_seconds: float
    work: Mapping[str, Work]
    idle: Mapping[str, float]


def profile(study: str, options: LaunchOptions) -> StudyProfile:
    """Launch the study and return what its slots did."""
    checked = ready(study, options)
    timeline = Timeline(num_rows=checked.dataset.train.num_rows)
    RecordingExecutor.timeline = timeline
    began, cpu = time.perf_counter(), _own_cpu()
    timeline.latest = began
    with patch.object(local, "ProcessExecutor", RecordingExecutor):
        launch_ready(checked, options, "profile_study", NullWatcher())
    timeline.wait("at the end")
    return StudyProfile(
        study,
        timeline.num_slots,
        time.perf_counter() - began,
        _own_cpu() - cpu,
        dict(timeline.work),
        dict(timeline.idle),
    )


def table(figure: StudyProfile) -> str:
    """The figure as text."""
    slot_seconds = figure.slots * figure.seconds
    lines = [("slots", "jobs", "seconds", "of all", "of which steps")]
    for kind, work in sorted(figure.work.items(), key=lambda pair: -pair[1].seconds):
        lines.append(
            (
                kind,
                str(work.jobs),
                f"{work.seconds:.1f}",
                f"{work.seconds / slot_seconds:.1%}",
                f"{work.step_seconds / work.seconds:.0%}" if work.step_seconds else "",
            )
        )
    for why, seconds in sorted(figure.idle.items(), key=lambda pair: -pair[1]):
        if seconds >= SHOWN * slot_seconds:
            lines.append((f"idle {why}", "", f"{seconds:.1f}", f"{seconds / slot_seconds:.1%}", ""))
    idle = sum(figure.idle.values())
    lines.append(("idle in all", "", f"{idle:.1f}", f"{idle / slot_seconds:.1%}", ""))
    head = (
        f"{figure.study} with {figure.slots} slots: {figure.seconds:.1f} s, "
        f"coordinator {figure.coordinator_cpu_seconds:.1f} s of CPU"
    )
    return f"{head}\n{aligned(lines)}"


def _kind(job: Job) -> str:
    if isinstance(job.payload, TrainingsJob):
        kinds = {"trials" if job.weights is None else "finalists" for job in job.payload.jobs}
        return f"stacked {kinds.pop()}"
    if isinstance(job.payload, TrainJob):
        if job.payload.teacher is not None:
            return "students"
        return "trials" if job.payload.weights is None else "finalists"
    return type(job.payload).__name__


def _own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--finalist-seeds", type=int)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=JSON")
    given = parser.parse_args()
    settings = [setting.partition("=") for setting in given.set]
    with tempfile.TemporaryDirectory(prefix="profile-") as folder:
        options = LaunchOptions(
            trials=given.trials,
            slots=given.slots,
            finalist_seeds=given.finalist_seeds,
            settings={name: json.loads(value) for name, _, value in settings},
            output=Path(folder),
        )
        print(table(profile(given.study, options)))


if __name__ == "__main__":
    main()
