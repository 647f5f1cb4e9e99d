"""Front: the finalists of a study that no other beats in all of its objectives, on validation."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import fmean

from hinet_search.results.objectives import Objective
from hinet_search.results.records import ArmRecord, FinalistRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.trade_offs import Objectives, is_on_front


@dataclass(frozen=True)
class Contender:
    """A trial or a finalist with its value in every objective, on validation."""

    arm: ArmRecord
    trial_number: int
    values: tuple[float, ...]
    finalist: FinalistRecord | None = None
    is_on_front: bool = False

    @property
    def key(self) -> str:
        """Its arm and trial: `hinet/12`."""
        return f"{self.arm.name}/{self.trial_number}"


def objectives_of(record: StudyRecord) -> Objectives:
    """Return the objectives of a stored study."""
    return Objectives(Objective(record.objective), record.other_objectives)


def finalists_of(record: StudyRecord, objectives: Objectives) -> list[Contender]:
    """Return the finalists of arms and students, best first; values are means over their seeds."""
    found = []
    for arm in record.arms_and_students:
        for finalist in arm.finalists:
            by_run = [
                objectives.values(run.valid_objective, run.valid_cells, finalist.cost)
                for run in finalist.runs
            ]
            if by_run:
                means = tuple(fmean(values) for values in zip(*by_run, strict=True))
                found.append(Contender(arm, finalist.trial_number, means, finalist))
    points = [objectives.signed(contender.values) for contender in found]
    marked = [
        replace(contender, is_on_front=mark)
        for contender, mark in zip(found, is_on_front(points), strict=True)
    ]
    return sorted(marked, key=lambda contender: objectives.signed(contender.values), reverse=True)


def trials_of(record: StudyRecord, objectives: Objectives) -> Iterator[Contender]:
    """Yield the complete trials of arms and students; their values are those of one seed."""
    for arm in record.arms_and_students:
        for trial in arm.trials:
            if trial.value is None or not trial.evaluations:
                continue
            best = max(trial.evaluations, key=lambda evaluation: record.sign * evaluation.objective)
            values = objectives.values(trial.value, best.cells, trial.cost)
            yield Contender(arm, trial.number, values)
