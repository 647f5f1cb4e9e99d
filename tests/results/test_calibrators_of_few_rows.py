"""Calibrators of cells with few rows, users or positives: left alone, with the reason."""

import numpy as np
import pytest
from numpy.typing import NDArray

from hinet_search.results.calibration_records import Calibrator, CellCalibration
from hinet_search.results.cells import make_cells
from hinet_search.results.statistics.calibrators import calibrate


def calibrate_one_cell(label_C: NDArray[np.bool_], user_C: NDArray[np.int64]) -> CellCalibration:
    num_rows = len(label_C)
    fit = calibrate(
        np.random.default_rng(0).normal(size=(num_rows, 1)).astype(np.float32),
        label_C.astype(np.uint8)[:, np.newaxis],
        np.zeros(num_rows, np.int16),
        user_C.astype(np.int32),
        make_cells(["Home"], ["click"]),
        seed=0,
    )
    return fit.cells[0]


@pytest.mark.parametrize(
    ("positives", "rows", "reason"),
    [
        (0, 400, "0 positives and 400 negatives: 50 of each are needed"),
        (400, 400, "400 positives and 0 negatives: 50 of each are needed"),
        (49, 400, "49 positives and 351 negatives: 50 of each are needed"),
        (0, 0, "0 positives and 0 negatives: 50 of each are needed"),
    ],
)
def test_a_cell_with_too_few_of_a_class_is_left_alone(
    positives: int, rows: int, reason: str
) -> None:
    cell = calibrate_one_cell((np.arange(rows) < positives), np.arange(rows))
    assert cell.calibrator == Calibrator()
    assert cell.reason == reason
    assert (cell.logloss_before is None) == (rows == 0)
    assert (cell.ece_after is None) == (rows == 0)


def test_a_cell_of_four_users_is_left_alone() -> None:
    cell = calibrate_one_cell(np.arange(400) < 200, np.arange(400) % 4)
    assert cell.reason == "rows of 4 users: 5 are needed to cross-fit"
    assert cell.calibrator == Calibrator()


def test_five_users_are_enough() -> None:
    cell = calibrate_one_cell(np.arange(4000) // 5 % 20 < 2, np.arange(4000) % 5)
    assert cell.calibrator.kind != "none"
    assert cell.ece_after < cell.ece_before / 4


def test_a_fold_without_positives_is_calibrated_too() -> None:
    """All positives are of one user, so one of the fits sees a single class."""
    cell = calibrate_one_cell(
        np.arange(1000) < 60, np.where(np.arange(1000) < 200, 0, 1 + np.arange(1000))
    )
    assert np.isfinite([cell.logloss_after, cell.ece_after]).all()
