"""A calibration is applied to its own cells, kept where rows are too few, and the same after it was stored."""

from dataclasses import replace

import numpy as np

from hinet_search.results.calibration_records import Calibration, Calibrator, CellCalibration
from hinet_search.storage.row_mapping import from_json, to_json
from tests.results.calibration_cases import applied, cubic, drawn, fitted


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
