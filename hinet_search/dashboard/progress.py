"""Progress: how far and how fast a study is, computed from its record. Numbers only, no drawing."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import isfinite
from statistics import median

from hinet_search.report import record_facts
from hinet_search.results.causes import trials_by_cause
from hinet_search.results.records import ArmRecord, TrialRecord
from hinet_search.results.study_record import StudyRecord

PACE = 20  # number of last trials that the speed of a study is computed from
# No trial ended for longer than this, and than two trainings: no launch was running.
PAUSE_SECONDS = 60.0


@dataclass(frozen=True)
class ArmStatus:
    """One arm. `ended` counts trials against its budget, without duplicates and oversized draws."""

    name: str
    budget: int
    ended: int
    complete: int
    pruned: int
    failed: int
    best: float | None
    best_trial: int | None
    rows_per_second: float | None  # median of the trials that ended
    finalist_runs: int


@dataclass(frozen=True)
class RunningTrial:
    """A trial that has not ended, with its evaluations so far as (passes, value)."""

    arm: str
    number: int
    attempt: int
    started: str
    points: tuple[tuple[float, float], ...]


def arm_status(record: StudyRecord, arm: ArmRecord) -> ArmStatus:
    """Return the progress of an arm."""
    states = record_facts.states(arm)
    steps = record_facts.best_so_far(record, arm)
    speeds = [trial.cost.rows_per_second for trial in arm.trials if trial.cost is not None]
    rows_per_second = median(speeds) if speeds else None
    return ArmStatus(
        name=arm.name,
        budget=record.budget_of(arm),
        ended=arm.trials_done,
        complete=states["complete"],
        pruned=states["pruned"],
        failed=states["failed"],
        best=steps.best if steps else None,
        best_trial=steps.best_trial if steps else None,
        rows_per_second=rows_per_second,
        finalist_runs=sum(len(finalist.runs) for finalist in arm.finalists),
    )


def running_trials(record: StudyRecord) -> tuple[RunningTrial, ...]:
    """Return the trials that have started and not ended, the oldest first."""
    running = []
    for arm in record.arms_and_students:
        for trial in arm.trials:
            if trial.state == "running":
                points = [(each.passes, each.objective) for each in trial.evaluations]
                finite = tuple(point for point in points if isfinite(point[1]))
                running.append(
                    RunningTrial(arm.name, trial.number, trial.attempt, trial.started, finite)
                )
    return tuple(sorted(running, key=lambda trial: (trial.started, trial.arm, trial.number)))


def missing(record: StudyRecord) -> int:
    """Count the trials still to come; an arm may have more than its budget if that was lowered."""
    return sum(max(0, record.budget_of(arm) - arm.trials_done) for arm in record.arms_and_students)


def seconds_left(record: StudyRecord) -> float | None:
    """Estimate the seconds for the trials still to come, from the speed of the last ones.

    None before two trials ended at different times. Times without a running launch are left out.
    """
    last = _ended(record)[-PACE - 1 :]
    gaps = [_gap(before, after) for before, after in pairwise(last)]
    return sum(gaps) / len(gaps) * missing(record) if sum(gaps) > 0 else None


def finalist_runs(record: StudyRecord) -> tuple[int, int]:
    """Return how many trainings of finalists have ended, and how many there are at most.

    These are of arms and of students that have begun: each has its best trials and its default,
    which may be one of them, or be left out.
    """
    budget = record.budget
    ended = 0
    most = 0
    for arm in record.arms_and_students:
        runs = sum(len(finalist.runs) for finalist in arm.finalists)
        finalists = min(budget.finalist_top + 1, record.budget_of(arm))
        ended += runs
        most += max(runs, finalists * budget.finalist_seeds)
    return ended, most


def seconds_of_finalists(record: StudyRecord) -> float | None:
    """Estimate the seconds for all finalists that may come; None before a whole training ended.

    A training takes what the median of finalists took, or before one has ended, of whole trials.
    """
    costs = [
        run.cost.seconds
        for arm in record.arms_and_students
        for finalist in arm.finalists
        for run in finalist.runs
    ]
    if not costs:
        costs = [
            trial.cost.seconds
            for trial in _counted(record)
            if trial.state == "complete" and trial.cost is not None
        ]
    ended, most = finalist_runs(record)
    return median(costs) * (most - ended) / record.slots if costs else None


def last_end(record: StudyRecord) -> str:
    """Return when the last trial ended, or an empty string."""
    ended = _ended(record)
    return ended[-1].finished if ended else ""


def devices(record: StudyRecord) -> tuple[str, ...]:
    """Return the devices that the ended trials were trained on."""
    return tuple(sorted({trial.cost.device for trial in _ended(record) if trial.cost is not None}))


def causes(record: StudyRecord) -> Counter[str]:
    """Count failed trials by cause."""
    failed = (trial for trial in _counted(record) if trial.state == "failed")
    return Counter({cause: len(trials) for cause, trials in trials_by_cause(failed).items()})


def _ended(record: StudyRecord) -> list[TrialRecord]:
    """Return the ended trials that count against the budget, in the order of their ends."""
    ended = (trial for trial in _counted(record) if trial.finished)
    return sorted(ended, key=lambda trial: trial.finished)


def _counted(record: StudyRecord) -> Iterator[TrialRecord]:
    """Yield the trials that count against the budget, by arm."""
    for arm in record.arms_and_students:
        yield from (trial for trial in arm.trials if trial.counts)


def _gap(before: TrialRecord, after: TrialRecord) -> float:
    """Return the seconds between two ends, or the second training's if no launch ran in between."""
    between = datetime.fromisoformat(after.finished) - datetime.fromisoformat(before.finished)
    seconds = between.total_seconds()
    trained = after.cost.seconds if after.cost is not None else seconds
    return trained if seconds > max(PAUSE_SECONDS, 2 * trained) else seconds
