"""Budget: how good an arm's best evaluation on validation was, against the training seconds that its trials had spent."""

from collections.abc import Iterator
from dataclasses import dataclass

from hinet_search.objective import objective_named
from hinet_search.records import ArmRecord, StudyRecord, TrialRecord


@dataclass(frozen=True)
class BudgetPoint:
    """After `seconds` of training by an arm, one trial after another, `best` was its best validation objective."""

    seconds: float
    best: float


def budget_curve(record: StudyRecord, arm: ArmRecord) -> tuple[BudgetPoint, ...]:
    """A point for every improvement, those within a trial too, and a last one where the arm's trials end.

    Trials are laid end to end in the order in which they finished, as if one slot had run them. A failed trial spends its
    seconds and improves nothing; a running one is not laid yet. Empty without a value.
    """
    better = objective_named(record.objective).better
    points: list[BudgetPoint] = []
    spent = 0.0
    for trial in _in_order(arm):
        for seconds, value in _values(trial):
            if not points or better(value, points[-1].best):
                points.append(BudgetPoint(spent + seconds, value))
        spent += _seconds(trial)
    if points and points[-1].seconds < spent:
        points.append(BudgetPoint(spent, points[-1].best))
    return tuple(points)


def _in_order(arm: ArmRecord) -> list[TrialRecord]:
    ended = [trial for trial in arm.trials if trial.counts and trial.state != "running"]
    return sorted(ended, key=lambda trial: (trial.finished, trial.number))


def _values(trial: TrialRecord) -> Iterator[tuple[float, float]]:
    """(seconds since the trial began, value); a trial whose evaluations were not kept has its value at its end."""
    if trial.state == "failed":
        return
    for evaluation in trial.evaluations:
        yield evaluation.seconds, evaluation.objective
    if not trial.evaluations and trial.value is not None:
        yield _seconds(trial), trial.value


def _seconds(trial: TrialRecord) -> float:
    last = trial.evaluations[-1].seconds if trial.evaluations else 0.0
    return max(trial.cost.seconds, last) if trial.cost else last
