"""The card of calibration shows the errors of what is shipped, before and after, and no errors after none."""

from dataclasses import replace

import pytest

from hinet_search.report.sections import NotApplicable, calibration
from hinet_search.results.calibration_records import Calibration, Calibrator, CellCalibration
from hinet_search.results.ensemble_records import ENSEMBLE
from hinet_search.results.study_record import StudyRecord
from tests.report.distilled import with_ensemble, with_limits
from tests.report.edits import each_arm, each_summary
from tests.report.nine_arms import few_rows

PLATT = Calibrator("platt", 0.5, (0.0,), (-1.0,))


def of(record: StudyRecord, *changed: int) -> Calibration:
    """Calibrate the cells of these numbers, and leave the others."""
    cells = []
    for scenario in record.data.scenarios:
        for task in record.data.tasks:
            calibrator = PLATT if len(cells) in changed else Calibrator()
            errors = (0.6123, 0.5871, 0.0712, 0.0093)
            cells.append(CellCalibration(scenario, task, calibrator, *errors))
    return Calibration(tuple(cells))


def calibrated(record: StudyRecord, *changed: int) -> StudyRecord:
    """The record with that calibration of every finalist."""
    return each_arm(record, lambda arm: each_summary(arm, calibration=of(record, *changed)))


def test_a_calibrated_cell_has_its_errors_before_and_after() -> None:
    built = calibration.build(calibrated(few_rows(), 1))
    assert built.heading.startswith("Calibration helps in 1 of ")
    assert "Platt scaling" in built.body
    for number in ("0.6123", "0.5871", "0.0712", "0.0093"):
        assert number in built.body


def test_a_cell_that_is_left_has_no_row() -> None:
    built = calibration.build(calibrated(few_rows(), 1))
    assert built.body.count('scope="row"') == 1
    assert "Other cells are left as they are." in built.lead


def test_without_a_calibrated_cell_there_is_no_card() -> None:
    with pytest.raises(NotApplicable, match="needs a cell that calibration improves; HiNet has"):
        calibration.build(calibrated(few_rows()))


def test_a_shipped_ensemble_is_shown_by_its_own_calibration() -> None:
    record = with_limits(with_ensemble(calibrated(few_rows()), gain=0.05), milliseconds=1e6)
    ensemble = record.ensemble(ENSEMBLE)
    assert ensemble is not None
    better = replace(ensemble, valid_objective=0.99, calibration=of(record, 0, 1, 2))
    record = replace(record, ensembles=(better,))
    built = calibration.build(record)
    assert built.heading.startswith("Calibration helps in 3 of ")
    assert "Ensemble" in built.lead


def test_a_study_without_calibration_says_what_it_needs() -> None:
    with pytest.raises(NotApplicable, match="stored once a launch is done"):
        calibration.build(few_rows())
