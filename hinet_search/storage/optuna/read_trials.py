"""Read trials: convert our trials to Optuna's, for its storage and for studies in memory.

Optuna's dashboard shows the storage; samplers and pruners see the study in memory.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from hinet_search.results.records import EvaluationRecord
from hinet_search.storage.damage import row_of
from hinet_search.storage.optuna.sampled_storage import SampledStorage
from hinet_search.storage.rows import TrialRow

STATES = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def all_as_optuna(
    rows: Sequence[TrialRow],
    evaluations: Mapping[int, Sequence[EvaluationRecord]],
    distributions: Mapping[str, BaseDistribution],
    step_of: Callable[[float], int],
) -> list[FrozenTrial]:
    """Convert the trials of an arm.

    `step_of` gives an evaluation's step from its passes; the first evaluation of a step counts.
    """
    trials = []
    for number, row in enumerate(rows):
        first: dict[int, float] = {}
        for evaluation in evaluations.get(row.number, ()):
            first.setdefault(step_of(evaluation.passes), evaluation.objective)
        with row_of("hs_trial", number=row.number):
            if row.number != number:
                raise ValueError(
                    f"trials must be numbered from 0 without a gap, and {number} is missing"
                )
        trials.append(as_optuna(row, first, distributions))
    return trials


def as_optuna(
    row: TrialRow, reported: Mapping[int, float], distributions: Mapping[str, BaseDistribution]
) -> FrozenTrial:
    """Convert a trial; `reported` are its values by step, `distributions` those of today's space.

    DamagedRow when a parameter has no distribution, or a value that its distribution lacks.
    """
    # Optuna gives a pruned trial its last reported value.
    last = reported[max(reported)] if reported else math.nan
    with row_of("hs_trial", number=row.number):
        trial = create_trial(
            state=STATES[row.state],
            value=last if row.state == "pruned" and not math.isnan(last) else row.value,
            params=dict(row.parameters),
            distributions={name: distributions[name] for name in row.parameters},
            intermediate_values=dict(reported),
        )
        trial.number = row.number
        trial.datetime_start = _local(row.started)
        trial.datetime_complete = _local(row.finished)
    return trial


@dataclass(frozen=True)
class MemoryStudy:
    """An Optuna study in memory, where `ask` and `tell` need no transaction."""

    study: optuna.Study
    storage: SampledStorage
    study_id: int

    def trial(self, number: int) -> FrozenTrial:
        """Return the current trial without a copy of all trials, as the study's own list would."""
        return self.storage.get_trial(self._trial_id(number))

    def report(self, number: int, step: int, value: float) -> None:
        """Add a value of the first objective; a trial cannot report where there are several."""
        self.storage.set_trial_intermediate_value(self._trial_id(number), step, value)

    def resume(self, number: int) -> Trial:
        """Return a running trial, to resume it."""
        return Trial(self.study, self._trial_id(number))

    def _trial_id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)


def in_memory(name: str, trials: Sequence[FrozenTrial], maximize: Sequence[bool]) -> MemoryStudy:
    """Build an Optuna study of these trials in memory; `maximize` says it of every objective."""
    memory = SampledStorage(maximize)
    study_id = memory.create_new_study([direction_of(maximize=each) for each in maximize], name)
    for trial in trials:
        memory.create_new_trial(study_id, trial)
    return MemoryStudy(optuna.load_study(study_name=name, storage=memory), memory, study_id)


def direction_of(*, maximize: bool) -> StudyDirection:
    """Return Optuna's name of the direction."""
    return StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE


def _local(moment: str) -> datetime | None:
    """Convert a time to Optuna's form: naive, in the time zone of this process."""
    return datetime.fromisoformat(moment).astimezone().replace(tzinfo=None) if moment else None
