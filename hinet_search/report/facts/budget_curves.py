"""Budget curves: the best validation value of every arm against its training time."""

from collections.abc import Iterator
from dataclasses import dataclass

from hinet_search.report.facts.record import focus_of
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import ArmRecord, TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

Changes = tuple[tuple[float, float], ...]  # (seconds of training, best validation value so far)


@dataclass(frozen=True)
class ArmCurve:
    """One arm: its best value at each change, and the seconds of all its trials."""

    name: str
    is_focus: bool
    changes: Changes
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
        changes, seconds = budget_curve(record, arm)
        if changes:
            arms.append(ArmCurve(title(arm.name), arm == focus, changes, seconds))
    return sorted(arms, key=lambda arm: arm.best, reverse=record.maximize)


def budget_curve(record: StudyRecord, arm: ArmRecord) -> tuple[Changes, float]:
    """Return every improvement, also within trials, and the seconds of all trials.

    Trials are placed one after another in the order in which they finished, as if one slot had
    run them. A failed trial costs its seconds and improves nothing; a running one is left out.
    """
    better = objective_named(record.objective).better
    changes: list[tuple[float, float]] = []
    spent = 0.0
    for trial in _in_order(arm):
        for seconds, value in _values_of(trial):
            if not changes or better(value, changes[-1][1]):
                changes.append((spent + seconds, value))
        spent += _seconds(trial)
    return tuple(changes), spent


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
