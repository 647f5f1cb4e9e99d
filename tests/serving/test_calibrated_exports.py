"""An export calibrates its probabilities as its study does, cell by cell, and can leave them as they are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit, logit

from hinet_search import api
from hinet_search.common.errors import ConfigurationError
from hinet_search.results.calibration_records import Calibration, Calibrator, CellCalibration
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import FinalistRecord
from hinet_search.results.statistics.calibrators import calibrated_logits
from hinet_search.results.study_record import StudyRecord
from tests.serving.shop import Shop, edited, rows, scores_of, test_part

TASKS = ["click", "buy"]
PLATT = Calibrator("platt", 0.5, (0.0,), (-1.0,))
ISOTONIC = Calibrator("isotonic", 0.1, (-1.0, 0.0, 0.5), (-2.0, 0.1, 3.0))
OF_CELLS = {("Home", "click"): PLATT, ("Push", "buy"): ISOTONIC}
ARM = "shared_bottom"


def planted(record: StudyRecord) -> StudyRecord:
    """The record with a calibration of one arm's finalist."""
    cells = tuple(
        CellCalibration(*names, OF_CELLS.get(names, Calibrator()), 0.6, 0.5, 0.1, 0.01)
        for names in ((scenario, task) for scenario in record.data.scenarios for task in TASKS)
    )

    def calibrated(finalist: FinalistRecord) -> FinalistRecord:
        assert finalist.summary is not None
        summary = replace(finalist.summary, calibration=Calibration(cells))
        return replace(finalist, summary=summary)

    arms = [
        replace(arm, finalists=tuple(map(calibrated, arm.finalists))) if arm.name == ARM else arm
        for arm in record.arms
    ]
    return replace(record, arms=tuple(arms))


@pytest.fixture
def calibrated(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(api, "load", lambda *_, **__: planted(shop.record))
    return shop


def scores(folder: Path) -> tuple[pl.DataFrame, np.ndarray]:
    """Rows of test, and their probabilities (R, T)."""
    new = test_part(rows())
    return new, scores_of(folder, new, folder.parent)


def test_probabilities_of_a_cell_go_through_its_calibrator(
    calibrated: Shop, tmp_path: Path
) -> None:
    calibrated.export(ARM, tmp_path / "model")
    calibrated.export(ARM, tmp_path / "raw", calibrated=False)
    new, predicted_RT = scores(tmp_path / "model")
    _, raw_RT = scores(tmp_path / "raw")
    for place, name in {1: "Home", 2: "Push", 3: "Cart"}.items():
        is_here_R = (new["place"] == place).to_numpy()
        for number, task in enumerate(TASKS):
            raw_R = logit(raw_RT[is_here_R, number].astype(float))
            calibrator = OF_CELLS.get((name, task), Calibrator())
            expected_R = expit(calibrated_logits(calibrator, raw_R))
            assert_allclose(predicted_RT[is_here_R, number], expected_R, atol=1e-5)


def test_the_card_says_once_how_many_cells_are_calibrated(calibrated: Shop, tmp_path: Path) -> None:
    calibrated.export(ARM, tmp_path / "model")
    card = (tmp_path / "model/card.md").read_text()
    assert "calibrated on validation in 2 of 6 cells" in card
    assert card.count("calibrated") == 1
    calibrated.export(ARM, tmp_path / "raw", calibrated=False)
    assert "on validation in" not in (tmp_path / "raw/card.md").read_text()


def test_all_seeds_together_have_no_calibration_of_one(calibrated: Shop, tmp_path: Path) -> None:
    calibrated.export(ARM, tmp_path / "model", seeds="all")
    assert "on validation in" not in (tmp_path / "model/card.md").read_text()


def test_a_calibrator_that_does_not_increase_is_refused(calibrated: Shop, tmp_path: Path) -> None:
    calibrated.export(ARM, tmp_path / "model")
    edited(tmp_path / "model", {"- 0.1\n": "- 4.1\n"})
    with pytest.raises(ConfigurationError, match="equally many and ascending"):
        scores(tmp_path / "model")


def test_the_summary_of_a_study_calibrates_the_seed_that_is_exported(shop: Shop) -> None:
    for arm in shop.record.arms:
        finalist = chosen(arm)
        assert finalist is not None
        assert finalist.summary is not None
        assert finalist.summary.calibration is not None
        assert len(finalist.summary.calibration.cells) == 6
