"""A calibration is applied to its own cells, kept where rows are too few, and the same after it was stored."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import log_loss

from hinet_search.results.calibration_records import Calibration, Calibrator, CellCalibration
from hinet_search.results.cells import make_cells
from hinet_search.results.statistics.calibrators import calibrate
from hinet_search.storage.row_mapping import from_json, to_json
from tests.results.calibration_cases import TASKS, applied, cubic, doubled, drawn, fitted


def test_apply_leaves_its_argument_and_other_scenarios_unchanged() -> None:
    cell = CellCalibration("s0", "click", Calibrator("platt", 2.0), None, None, None, None)
    logits_RT = np.array([[1.0], [3.0]], np.float32)
    after_RT = applied(Calibration((cell,)), logits_RT, np.array([0, -1], np.int16))
    assert after_RT[:, 0].tolist() == [2.0, 3.0]
    assert logits_RT[:, 0].tolist() == [1.0, 3.0]


def test_a_calibration_is_read_from_json_as_it_was_written() -> None:
    rows = drawn(13, cubic, num_rows=4000)
    mixed = replace(rows, labels_RT=rows.labels_RT * (rows.scenario_R == 0)[:, np.newaxis])
    calibration = fitted(mixed)
    kinds = [cell.calibrator.kind for cell in calibration.cells]
    assert kinds == ["isotonic", "isotonic", "none", "none"]
    again = from_json(Calibration, to_json(Calibration, calibration))
    assert again == calibration
    after = [applied(c, rows.logits_RT, rows.scenario_R) for c in (calibration, again)]
    assert (after[0] == after[1]).all()


def test_a_cell_with_too_few_rows_gets_the_calibrator_that_is_kept_for_it() -> None:
    rows = drawn(3, doubled, num_rows=40, num_scenarios=1)
    cells, line = make_cells(("s0",), TASKS), Calibrator("platt", 0.5, (0.0,), (-0.5,))
    (kept, other) = calibrate(*rows.arguments, cells, seed=0, kept={("s0", "click"): line}).cells
    assert (kept.calibrator, other.calibrator.kind) == (line, "none")
    assert "are needed" in kept.reason
    labels, probability = rows.labels_RT[:, 0], expit(0.5 * rows.logits_RT[:, 0] - 0.5)
    assert kept.logloss_after == pytest.approx(log_loss(labels, probability), rel=1e-6)
    assert kept.logloss_after < kept.logloss_before


def test_a_cell_keeps_its_calibrator_where_no_other_is_shown_to_be_better() -> None:
    """The line is exactly right, and the rows too few to show what it gains over none."""
    rows = drawn(3, doubled, num_rows=300, num_scenarios=1)
    cells, right = make_cells(("s0",), TASKS), Calibrator("platt", 0.5, (0.0,), (-0.5,))
    (kept, _) = calibrate(*rows.arguments, cells, seed=0, kept={("s0", "click"): right}).cells
    assert kept.calibrator == right
    assert kept.reason.startswith("no gain shown: log loss ")
    labels, probability = rows.labels_RT[:, 0], expit(0.5 * rows.logits_RT[:, 0] - 0.5)
    assert kept.logloss_after == pytest.approx(log_loss(labels, probability), rel=1e-6)


def test_a_calibrator_is_replaced_by_one_that_is_shown_to_be_better() -> None:
    cells, wrong = make_cells(("s0",), TASKS), Calibrator("platt", 0.5, (0.0,), (0.5,))
    enough = drawn(3, doubled, num_rows=3000, num_scenarios=1)
    (own, _) = calibrate(*enough.arguments, cells, seed=0, kept={("s0", "click"): wrong}).cells
    assert own.calibrator != wrong
    assert not own.reason
