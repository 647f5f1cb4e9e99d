"""Shrinkage: what the best trial of a search loses when new seeds train its configuration.

The best of many trials was partly lucky with its seed. Its finalists have other seeds, which did
not choose it, so their mean on validation says what the configuration is worth.
"""

from dataclasses import dataclass
from statistics import mean

from hinet_search.results.finalist_values import objective_by_seed
from hinet_search.results.records import ArmRecord, FinalistRecord, TrialRecord
from hinet_search.results.study_record import StudyRecord


@dataclass(frozen=True)
class Shrinkage:
    """The best trial's value in the search, with one seed, and its mean over finalist seeds.

    `lost` is how much worse the mean is, below 0 if it is better.
    """

    arm: str
    trial_number: int
    in_search: float
    over_seeds: float
    num_seeds: int
    lost: float


def shrinkage(record: StudyRecord, arm: ArmRecord) -> Shrinkage | None:
    """Return what the best trial of an arm lost.

    None if fewer than two trials are complete, as nothing was chosen, or if it was not retrained.
    """
    complete = [
        (trial, trial.value)
        for trial in arm.trials
        if trial.state == "complete" and trial.value is not None
    ]
    if len(complete) < 2:
        return None
    sign = 1.0 if record.maximize else -1.0
    trial, value = max(complete, key=lambda pair: (sign * pair[1], -pair[0].number))
    finalist = _of(arm, trial)
    over_seeds = objective_by_seed(record, finalist, "valid") if finalist else {}
    if not over_seeds:
        return None
    reached = mean(over_seeds.values())
    lost = sign * (value - reached)
    return Shrinkage(arm.name, trial.number, value, reached, len(over_seeds), lost)


def _of(arm: ArmRecord, trial: TrialRecord) -> FinalistRecord | None:
    return next((each for each in arm.finalists if each.trial_number == trial.number), None)
