"""What best trials lose when new seeds train their configuration."""

from collections.abc import Mapping
from dataclasses import replace
from statistics import mean

import pytest

from hinet_search.report.sections.default_beside_tuned import shrinkage
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from tests.report.arms import Shape
from tests.report.studies import study

RECORD = study(Shape(arms=("hinet",)))
MINIMIZED = replace(RECORD, maximize=False)


def with_values(values: Mapping[int, float]) -> ArmRecord:
    """The arm with these trials alone, complete with these values."""
    (arm,) = RECORD.arms
    trials = tuple(
        replace(trial, state="complete", value=values[trial.number])
        for trial in arm.trials
        if trial.number in values
    )
    return replace(arm, trials=trials)


def reached(arm: ArmRecord, number: int) -> float:
    (finalist,) = (each for each in arm.finalists if each.trial_number == number)
    return mean(run.valid_objective for run in finalist.runs)


@pytest.mark.parametrize(
    ("record", "best", "sign"), [(RECORD, 1, 1.0), (MINIMIZED, 2, -1.0)], ids=["auc", "logloss"]
)
def test_the_best_trial_is_compared_with_the_mean_of_its_finalist_seeds(
    record: StudyRecord, best: int, sign: float
) -> None:
    values = {0: 0.7, 1: 0.9, 2: 0.5}
    arm = with_values(values)
    found = shrinkage(record, arm)
    assert found is not None
    assert (found.arm, found.trial_number, found.num_seeds) == ("hinet", best, 5)
    assert found.in_search == values[best]
    assert found.over_seeds == pytest.approx(reached(arm, best))
    assert found.lost == pytest.approx(sign * (values[best] - reached(arm, best)))


def test_of_equal_trials_the_first_is_the_best() -> None:
    found = shrinkage(RECORD, with_values({1: 0.8, 2: 0.8}))
    assert found is not None
    assert found.trial_number == 1


@pytest.mark.parametrize(
    "values", [{}, {1: 0.7}, {1: 0.7, 7: 0.9}], ids=["no trial", "one trial", "not retrained"]
)
def test_without_a_choice_or_its_new_seeds_nothing_is_known(values: dict[int, float]) -> None:
    assert shrinkage(RECORD, with_values(values)) is None
