"""Progress: how far a study is and how fast it goes, counted from its record. Numbers only, nothing is drawn here."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import isfinite
from statistics import median

from hinet_search.compare import trials_done
from hinet_search.records import ArmRecord, StudyRecord, TrialRecord
from hinet_search.report import reading

PACE = 20  # as many of the last trials tell how fast a study goes
PAUSE_SECONDS = 60.0  # nothing ended for longer, and for longer than two such trainings: nobody ran it


@dataclass(frozen=True)
class ArmProgress:
    """One arm. `ended` counts against its budget, which duplicates and oversized draws do not."""

    name: str
    ended: int
    complete: int
    pruned: int
    failed: int
    best: float | None
    best_trial: int | None
    rows_per_second: float | None  # median of the trials that ended
    finalist_runs: int


@dataclass(frozen=True)
class Unfinished:
    """A trial that has not ended, with its evaluations so far as (passes, value)."""

    arm: str
    number: int
    attempt: int
    started: str
    points: tuple[tuple[float, float], ...]


def of_arm(record: StudyRecord, arm: ArmRecord) -> ArmProgress:
    """How far an arm is."""
    states, steps = reading.states(arm), reading.best_so_far(record, arm)
    speeds = [trial.cost.rows_per_second for trial in arm.trials if trial.cost is not None]
    return ArmProgress(
        name=arm.name,
        ended=trials_done(arm),
        complete=states["complete"],
        pruned=states["pruned"],
        failed=states["failed"],
        best=steps.best if steps else None,
        best_trial=steps.found_at if steps else None,
        rows_per_second=median(speeds) if speeds else None,
        finalist_runs=sum(len(finalist.runs) for finalist in arm.finalists),
    )


def unfinished(record: StudyRecord) -> tuple[Unfinished, ...]:
    """Trials that have begun and not ended, the oldest first."""
    found = [
        Unfinished(
            arm.name,
            trial.number,
            trial.attempt,
            trial.started,
            tuple((one.passes, one.objective) for one in trial.evaluations if isfinite(one.objective)),
        )
        for arm in record.arms
        for trial in arm.trials
        if trial.state == "running"
    ]
    return tuple(sorted(found, key=lambda trial: (trial.started, trial.arm, trial.number)))


def planned(record: StudyRecord) -> int:
    """Trials that the budget allows to all arms."""
    return record.budget.trials * len(record.arms)


def done(record: StudyRecord) -> int:
    """Trials that ended and count against the budget."""
    return sum(trials_done(arm) for arm in record.arms)


def missing(record: StudyRecord) -> int:
    """Trials that will still be asked for: an arm may hold more than a budget that was lowered."""
    return sum(max(0, record.budget.trials - trials_done(arm)) for arm in record.arms)


def seconds_left(record: StudyRecord) -> float | None:
    """For the trials still missing, at the pace of the last ones; None before two of them ended one after another.

    Times in which nobody ran the study are left out.
    """
    last = _ended(record)[-PACE - 1 :]
    gaps = [_gap(before, after) for before, after in pairwise(last)]
    return sum(gaps) / len(gaps) * missing(record) if sum(gaps) > 0 else None


def last_end(record: StudyRecord) -> str:
    """When the last trial ended, or an empty string."""
    ended = _ended(record)
    return ended[-1].finished if ended else ""


def devices(record: StudyRecord) -> tuple[str, ...]:
    """Where the trials that ended were trained."""
    return tuple(sorted({trial.cost.device for trial in _ended(record) if trial.cost is not None}))


def causes(record: StudyRecord) -> Counter[str]:
    """First lines of what made trials fail."""
    failed = [trial.cause for arm in record.arms for trial in arm.trials if trial.state == "failed" and trial.counts]
    return Counter(cause.strip().split("\n")[0] or "no cause recorded" for cause in failed)


def _ended(record: StudyRecord) -> list[TrialRecord]:
    """Trials that spent budget, in the order in which they ended."""
    found = [trial for arm in record.arms for trial in arm.trials if trial.finished and trial.counts]
    return sorted(found, key=lambda trial: trial.finished)


def _gap(before: TrialRecord, after: TrialRecord) -> float:
    """Seconds between two ends, or what the second one trained where nobody ran the study in between."""
    seconds = (datetime.fromisoformat(after.finished) - datetime.fromisoformat(before.finished)).total_seconds()
    trained = after.cost.seconds if after.cost is not None else seconds
    return trained if seconds > max(PAUSE_SECONDS, 2 * trained) else seconds
