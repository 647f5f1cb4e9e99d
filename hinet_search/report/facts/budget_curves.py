"""Budget curves: the best validation value of every arm against its training time."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from hinet_search.report.facts.record import focus_of
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import ArmRecord, TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title


@dataclass(frozen=True)
class BudgetPoint:
    """The best validation objective of an arm after `seconds` of training, trial after trial."""

    seconds: float
    best: float


@dataclass(frozen=True)
class ArmCurve:
    """One arm: (seconds, best value so far) at each change, and the seconds of all its trials."""

    name: str
    is_focus: bool
    changes: tuple[tuple[float, float], ...]
    seconds: float

    @property
    def best(self) -> float:
        """The best value of all trials."""
        return self.changes[-1][1]

    def at(self, seconds: float) -> float | None:
        """Return the best value after a training time; None before the first value."""
        return next((value for when, value in reversed(self.changes) if when <= seconds), None)


def arm_curves(record: StudyRecord) -> list[ArmCurve]:
    """Return all arms with a value, best first."""
    focus = focus_of(record)
    arms = []
    for arm in record.arms:
        points = budget_curve(record, arm)
        if not points:
            continue
        changes = [(points[0].seconds, points[0].best)]
        for before, after in pairwise(points):
            if after.best != before.best:
                changes.append((after.seconds, after.best))
        arms.append(ArmCurve(title(arm.name), arm == focus, tuple(changes), points[-1].seconds))
    return sorted(arms, key=lambda arm: arm.best, reverse=record.maximize)


def budget_curve(record: StudyRecord, arm: ArmRecord) -> tuple[BudgetPoint, ...]:
    """Return a point per improvement, also within trials, and a last one at the end of all trials.

    Trials are placed one after another in the order in which they finished, as if one slot had
    run them. A failed trial costs its seconds and improves nothing; a running one is left out.
    The curve is empty if there is no value.
    """
    better = objective_named(record.objective).better
    points: list[BudgetPoint] = []
    spent = 0.0
    for trial in _in_order(arm):
        for seconds, value in _values_of(trial):
            if not points or better(value, points[-1].best):
                points.append(BudgetPoint(spent + seconds, value))
        spent += _seconds(trial)
    if points and points[-1].seconds < spent:
        points.append(BudgetPoint(spent, points[-1].best))
    return tuple(points)


def _in_order(arm: ArmRecord) -> list[TrialRecord]:
    ended = [trial for trial in arm.trials if trial.counts and trial.state != "running"]
    return sorted(ended, key=lambda trial: (trial.finished, trial.number))


def _values_of(trial: TrialRecord) -> Iterator[tuple[float, float]]:
    """Yield (seconds since the start of the trial, value).

    A trial without stored evaluations has its value at its end.
    """
    if trial.state == "failed":
        return
    for evaluation in trial.evaluations:
        yield evaluation.seconds, evaluation.objective
    if not trial.evaluations and trial.value is not None:
        yield _seconds(trial), trial.value


def _seconds(trial: TrialRecord) -> float:
    last = trial.evaluations[-1].seconds if trial.evaluations else 0.0
    return max(trial.cost.seconds, last) if trial.cost else last
