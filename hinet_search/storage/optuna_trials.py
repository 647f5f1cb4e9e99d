"""Optuna trials: convert our trials to Optuna's, for its storage and for studies in memory."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from hinet_search.results.records import EvaluationRecord, TrialRecord
from hinet_search.storage.damage import row_of

STATES = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def all_as_optuna(
    rows: Sequence[TrialRecord],
    evaluations: Mapping[int, Sequence[EvaluationRecord]],
    distributions: Mapping[str, BaseDistribution],
    step_of: Callable[[EvaluationRecord], int],
    first: int = 0,
) -> list[FrozenTrial]:
    """Convert the trials of an arm, which are numbered from `first`.

    `step_of` gives Optuna's step of an evaluation; the first evaluation of a step counts.
    """
    trials = []
    for number, row in enumerate(rows, start=first):
        reported: dict[int, float] = {}
        for evaluation in evaluations.get(row.number, ()):
            reported.setdefault(step_of(evaluation), evaluation.objective)
        with row_of("hs_trial", number=row.number):
            if row.number != number:
                raise ValueError(
                    f"trials must be numbered from 0 without a gap, and {number} is missing"
                )
        trials.append(_as_optuna(row, reported, distributions))
    return trials


def _as_optuna(
    row: TrialRecord, reported: Mapping[int, float], distributions: Mapping[str, BaseDistribution]
) -> FrozenTrial:
    """Convert a trial with values by step; DamagedRow if a parameter does not fit the space."""
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


def direction_of(maximize: bool) -> StudyDirection:  # noqa: FBT001  its name says it
    """Return Optuna's name of the direction."""
    return StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE


def _local(moment: str) -> datetime | None:
    """Convert a time to Optuna's form: naive, in the time zone of this process."""
    return datetime.fromisoformat(moment).astimezone().replace(tzinfo=None) if moment else None
