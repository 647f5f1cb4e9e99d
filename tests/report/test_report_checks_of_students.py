"""Checks of students and ensembles: what they count, and where they begin to warn."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from hinet_search.results.records import FinalistRun
from tests.report.edits import each_run
from tests.report.planted import clean
from tests.report.taught import with_student
from tests.report.test_report_checks import finding_of, result_of

CLEAN = clean()


@pytest.mark.parametrize("name", ["copies", "selection", "taught_calibration"])
def test_checks_of_students_and_ensembles_need_some(name: str) -> None:
    bare = replace(CLEAN, students=(), ensembles=())
    assert result_of(name, bare) is None


def test_students_and_the_ensemble_are_planned_uses_of_the_test_split() -> None:
    assert CLEAN.test_accesses == 5
    assert finding_of("test_accesses", CLEAN).subject == (
        "The test split was used once per arm, student and ensemble, 5 times in all."
    )


def test_the_gain_of_a_selection_is_told_as_cross_fitted() -> None:
    assert finding_of("selection", CLEAN).subject == (
        "Teacher: the plain mean, as selecting is not shown to gain on users that it did not see. "
        "Ensemble: selecting members gains +.0012 (+.0004 to +.0020) on users that it did not see."
    )


@pytest.mark.parametrize(("rise", "warns"), [(1.009, False), (1.011, True)])
def test_a_student_may_lose_a_hundredth_of_its_log_loss(rise: float, warns: bool) -> None:
    arm = CLEAN.arms[2]
    (student,) = with_student(replace(CLEAN, students=()), arm.name).students

    def raised(run: FinalistRun) -> FinalistRun:
        cells = (replace(cell, logloss=rise * (cell.logloss or 0.0)) for cell in run.valid_cells)
        return replace(run, valid_cells=tuple(cells))

    record = replace(CLEAN, students=(each_run(student, raised),))
    assert finding_of("taught_calibration", record).warns == warns


@pytest.mark.parametrize(("rise", "warns"), [(0.004, False), (0.006, True)])
def test_a_student_may_gain_a_two_hundredth_of_calibration_error(rise: float, warns: bool) -> None:
    def with_ece(error: float) -> Callable[[FinalistRun], FinalistRun]:
        return lambda run: replace(
            run, valid_cells=tuple(replace(cell, ece=error) for cell in run.valid_cells)
        )

    *others, arm = CLEAN.arms
    record = replace(
        CLEAN,
        arms=(*others, each_run(arm, with_ece(0.01))),
        students=tuple(each_run(student, with_ece(0.01 + rise)) for student in CLEAN.students),
    )
    assert finding_of("taught_calibration", record).warns == warns
