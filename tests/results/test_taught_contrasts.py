"""Taught contrasts: each student against its own arm, the ensemble against an arm over users only."""

from dataclasses import replace

import numpy as np
import pytest

from hinet_search.results.contrasts import (
    USERS_ONLY,
    contrasts,
    ensemble_contrast,
    student_contrasts,
    untaught,
)
from hinet_search.results.ensemble_records import ENSEMBLE, EnsembleRecord
from hinet_search.results.statistics.welch import ArmValues, errors_of_users
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from tests.duels import arm_named
from tests.report.arms import Shape
from tests.report.nine_arms import few_rows
from tests.report.studies import study
from tests.report.taught import with_ensemble, with_student

NINE = few_rows()
TAUGHT = with_ensemble(with_student(with_student(NINE, "star", test=0.008), "hinet", test=0.0001))


def ensemble_of(record: StudyRecord) -> EnsembleRecord:
    ensemble = record.ensemble(ENSEMBLE)
    assert ensemble is not None
    return ensemble


def test_a_student_is_compared_with_the_arm_that_it_was() -> None:
    gains = {
        contrast.arm: contrast.difference and contrast.difference.mean
        for contrast in student_contrasts(TAUGHT)
    }
    assert gains == {
        "taught_star": pytest.approx(0.008),
        "taught_hinet": pytest.approx(0.0001),
    }


def test_marks_follow_from_the_interval() -> None:
    assert [contrast.mark for contrast in student_contrasts(TAUGHT)] == ["better", "unclear"]


def test_students_are_a_family_of_their_own() -> None:
    assert {contrast.family for contrast in student_contrasts(TAUGHT)} == {2}
    assert contrasts(TAUGHT) == contrasts(NINE)
    assert verdict(TAUGHT) == verdict(NINE)


def test_a_student_of_few_seeds_is_an_observation() -> None:
    (contrast,) = student_contrasts(with_student(study(Shape(seeds=3)), "hinet"))
    assert (contrast.mark, contrast.lacks) == ("observation", "3 of 5 seeds")


def test_a_student_without_test_values_is_left_out() -> None:
    assert student_contrasts(with_student(study(Shape(opened=False)), "hinet")) == ()
    assert student_contrasts(NINE) == ()


def test_the_arm_of_a_student_is_that_of_its_finalist() -> None:
    arm = replace(arm_named(NINE, "star"), name="with/slash")
    record = with_student(replace(NINE, arms=(arm,)), "with/slash")
    assert untaught(record, record.students[0]) is record.arms[0]


def test_the_ensemble_is_compared_over_users_only_and_claims_nothing() -> None:
    contrast = ensemble_contrast(TAUGHT, ensemble_of(TAUGHT), arm_named(NINE, "hinet"))
    assert contrast is not None
    assert (contrast.mark, contrast.lacks, contrast.units) == (
        "observation",
        USERS_ONLY,
        "4,800 users",
    )


def test_the_interval_of_the_ensemble_is_that_of_the_same_resamplings() -> None:
    arm, ensemble = arm_named(NINE, "hinet"), ensemble_of(TAUGHT)
    contrast = ensemble_contrast(TAUGHT, ensemble, arm)
    summary = next(each.summary for each in arm.finalists if each.chosen)
    assert contrast is not None
    assert contrast.difference is not None
    assert contrast.difference.low is not None
    assert summary is not None
    assert ensemble.resampled is not None
    drawn = np.subtract(ensemble.resampled.headline, summary.resampled.headline)
    half = 2.0227 * drawn.std(ddof=1)  # Student t of 39 degrees
    assert contrast.difference.mean - contrast.difference.low == pytest.approx(half, rel=1e-3)


def test_without_resamplings_the_ensemble_has_no_interval() -> None:
    bare = replace(ensemble_of(TAUGHT), resampled=None)
    contrast = ensemble_contrast(TAUGHT, bare, arm_named(NINE, "hinet"))
    assert contrast is not None
    assert contrast.difference is not None
    assert (contrast.difference.low, contrast.lacks) == (None, "users not counted")


def test_an_ensemble_that_was_not_opened_is_not_compared() -> None:
    closed = replace(ensemble_of(TAUGHT), test_cells=None)
    assert ensemble_contrast(TAUGHT, closed, arm_named(NINE, "hinet")) is None


def test_a_lower_loss_is_a_gain() -> None:
    record = study(Shape(objective="logloss"))
    record = with_ensemble(with_student(record, "hinet", test=0.01), gain=0.02)
    (contrast,) = student_contrasts(record)
    ensemble = ensemble_contrast(record, ensemble_of(record), arm_named(record, "hinet"))
    assert contrast.difference is not None
    assert contrast.difference.mean == pytest.approx(0.01)
    assert ensemble is not None
    assert ensemble.difference is not None
    assert ensemble.difference.mean > 0.01


def test_equal_resamplings_leave_no_error() -> None:
    side = ArmValues((0.7,), resampled=(0.7, 0.71, 0.69), num_units=10)
    errors = errors_of_users(side, side)
    assert errors is not None
    assert errors.reach(0.05) == 0
    assert errors_of_users(side, ArmValues((0.7,))) is None
