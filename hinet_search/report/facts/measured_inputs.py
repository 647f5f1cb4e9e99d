"""Measured inputs: what groups of inputs are worth, and which arms have the chosen ones."""

from collections.abc import Collection
from dataclasses import dataclass

from hinet_search.results.input_worth import (
    InputChoice,
    choose_inputs,
    followers,
    sentence,
    values_by_seed,
)
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.paired_difference import Difference
from hinet_search.results.study_record import StudyRecord


@dataclass(frozen=True)
class MeasuredInputs:
    """The worth of groups of inputs in a study, and the arms that follow the choice."""

    record: StudyRecord
    choice: InputChoice
    followers: tuple[ArmRecord, ...]

    @property
    def arm(self) -> str:
        """The arm whose default configuration measured."""
        return self.record.input_runs[0].arm

    @property
    def num_seeds(self) -> int:
        """The seeds with all inputs."""
        return len(values_by_seed(self.record.input_runs, ()))

    @property
    def dropped(self) -> tuple[str, ...]:
        """The groups that arms do without; empty if no arm follows the choice."""
        return self.choice.dropped if self.followers else ()

    @property
    def sentence(self) -> str:
        """What was found, in a sentence."""
        return sentence(self.choice, is_followed=bool(self.followers))

    def worth(self, left_out: Collection[str]) -> Difference | None:
        """Return what groups are worth together, with its interval; None if not measured."""
        if len(left_out) == 1:
            return self.choice.worths.get(*left_out)
        return self.choice.together if set(left_out) == set(self.choice.small) else None


def measured_inputs(record: StudyRecord) -> MeasuredInputs | None:
    """Return what was measured; None without measurements, or until they are complete."""
    if not record.input_runs:
        return None
    choice = choose_inputs(record.input_runs, record.objective, record.budget.margin)
    arms = followers(record.arms, choice, tuple(record.data.groups))
    has_trials = any(arm.trials_done for arm in record.arms)
    return MeasuredInputs(record, choice, arms) if arms or has_trials else None
