"""Calibrators, against scikit-learn, scipy's minimiser and planted errors of calibration."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression, isotonic_regression
from sklearn.metrics import log_loss

from hinet_search.results.calibration_records import Calibration, Calibrator, CellCalibration
from hinet_search.results.cells import make_cells
from hinet_search.results.statistics import calibrators
from hinet_search.results.statistics.calibrators import (
    KINDS,
    LINE_SHARE,
    MIN_SLOPE,
    LogitPoints,
    calibrate,
    calibrated_logits,
    isotonic,
    platt,
    points_of,
)
from tests.results.calibration_cases import (
    TASKS,
    LabelledRows,
    applied,
    cubic,
    doubled,
    drawn,
    fitted,
    unchanged,
)


def sorted_points(seed: int, num_rows: int, scale: float = 1.0) -> tuple[LogitPoints, LabelledRows]:
    """The points of a cell of 1.5 z labels for each z, and its rows, with ties."""
    draw = np.random.default_rng(seed)
    logit_C = np.sort(draw.normal(size=num_rows).round(2))
    label_C = (draw.random(num_rows) < expit(1.5 * logit_C - 1)).astype(np.uint8)
    rows = LabelledRows(
        (scale * logit_C)[:, np.newaxis].astype(np.float32),
        label_C[:, np.newaxis],
        np.zeros(num_rows, np.int16),
        np.arange(num_rows, dtype=np.int32),
    )
    return points_of(scale * logit_C, label_C), rows


def platt_loss(points: LogitPoints, slope: float, intercept: float) -> float:
    """Mean log loss of the rows, one by one, on Platt's smoothed targets."""
    positives = points.total_K.sum()
    negatives = (points.rows_K - points.total_K).sum()
    total = 0.0
    for value, rows, ones in zip(points.logit_K, points.rows_K, points.total_K, strict=True):
        z = slope * value + intercept
        for target, count in (
            ((positives + 1) / (positives + 2), ones),
            (1 / (negatives + 2), rows - ones),
        ):
            total += count * (np.logaddexp(0, z) - target * z)
    return total / (positives + negatives)


@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_platts_line_is_the_minimum_that_scipy_finds(seed: int, scale: float) -> None:
    points, _ = sorted_points(seed, 400, scale)
    line = platt(points)
    search = minimize(
        lambda parameters: platt_loss(points, parameters[0] / scale, parameters[1]),
        x0=[0.0, 0.0],
        tol=1e-10,
    )
    assert (line.slope * scale, line.values[0]) == pytest.approx(search.x, abs=1e-5)
    assert platt_loss(points, line.slope, line.values[0]) <= search.fun + 1e-13


def test_platts_line_on_separable_labels_is_the_finite_minimum() -> None:
    points = points_of(np.array([-2.0, -1.0, 1.0, 3.0]), np.array([0, 0, 1, 1], np.uint8))
    line = platt(points)
    search = minimize(lambda parameters: platt_loss(points, *parameters), x0=[1.0, 0.0], tol=1e-12)
    assert (line.slope, line.values[0]) == pytest.approx(search.x, abs=1e-4)


def test_reversed_logits_get_the_best_line_that_still_increases() -> None:
    draw = np.random.default_rng(2)
    logit_C = np.sort(draw.normal(size=300))
    label_C = (draw.random(300) < expit(-logit_C - 1)).astype(np.uint8)
    points = points_of(logit_C, label_C)
    line = platt(points)
    least = MIN_SLOPE / logit_C.std()
    search = minimize(
        lambda parameters: platt_loss(points, *parameters),
        x0=[1.0, 0.0],
        bounds=[(least, None), (None, None)],
        tol=1e-14,
    )
    assert (line.slope, line.values[0]) == pytest.approx(search.x, abs=1e-5)
    assert line.slope == pytest.approx(least)


def test_equal_logits_get_the_share_of_positives() -> None:
    points = points_of(np.full(1000, 2.0), (np.arange(1000) < 100).astype(np.uint8))
    for kind, fit in KINDS.items():
        calibrated = calibrated_logits(fit(points), np.array([2.0]))
        assert expit(calibrated[0]) == pytest.approx(0.1, abs=0.002), kind


def test_knots_are_the_blocks_of_sklearn_with_a_row_more_and_a_hundredth_of_the_line() -> None:
    points, rows = sorted_points(3, 3000)
    logit_C, label_C = rows.logits_RT[:, 0].astype(np.float64), rows.labels_RT[:, 0]
    line = platt(points)
    share_C = IsotonicRegression().fit_transform(logit_C, label_C)
    blocks = [np.flatnonzero(share_C == share) for share in np.unique(share_C)]
    centres = np.array([logit_C[block].mean() for block in blocks])
    sizes = np.array([len(block) + 1 for block in blocks])
    prior = expit(line.slope * centres + line.values[0])
    counts = np.array([label_C[block].sum() for block in blocks]) + prior
    again = isotonic_regression(counts / sizes, sample_weight=sizes)
    expected_x, expected_y = [], []
    for share in np.unique(again):
        members = again == share
        x = np.average(centres[members], weights=sizes[members])
        expected_x.append(x)
        straight = line.slope * x + line.values[0]
        expected_y.append((1 - LINE_SHARE) * logit(share) + LINE_SHARE * straight)
    fit = isotonic(points)
    assert len(fit.knots) > 10
    assert fit.knots == pytest.approx(expected_x, abs=1e-6)
    assert fit.values == pytest.approx(expected_y, abs=1e-6)


@given(
    rows=st.lists(st.tuples(st.integers(-40, 40), st.booleans()), min_size=1, max_size=60),
    scale=st.sampled_from([0.001, 0.1, 1.0, 50.0]),
    kind=st.sampled_from(list(KINDS)),
)
def test_every_calibrator_increases_strictly(
    rows: list[tuple[int, bool]], scale: float, kind: str
) -> None:
    logit_C, label_C = (np.array(column) for column in zip(*sorted(rows), strict=True))
    calibrator = KINDS[kind](points_of(scale * logit_C, label_C.astype(np.uint8)))
    calibrated = calibrated_logits(calibrator, scale * np.linspace(-60, 60, 2401))
    assert np.isfinite(calibrated).all()
    assert (np.diff(calibrated) > 0).all()


@pytest.mark.parametrize(
    ("warp", "kind"), [(doubled, "platt"), (cubic, "isotonic")], ids=["doubled", "cubic"]
)
def test_a_planted_error_is_mended_on_rows_of_other_users(
    warp: Callable[[NDArray[np.float64]], NDArray[np.float64]], kind: str
) -> None:
    calibration = fitted(drawn(6, warp, num_rows=8000))
    fresh = drawn(7, warp, num_rows=8000)
    after_RT = applied(calibration, fresh.logits_RT, fresh.scenario_R)
    for number, cell in enumerate(calibration.cells):
        assert cell.calibrator.kind == kind
        assert cell.reason == ""
        assert cell.logloss_after < cell.logloss_before - 0.01
        assert cell.ece_after < cell.ece_before / 2
        scenario, task = divmod(number, len(TASKS))
        mask = fresh.scenario_R == scenario
        label, true = fresh.labels_RT[mask, task], expit(fresh.true_RT[mask, task])
        best = log_loss(label, true)
        assert log_loss(label, expit(after_RT[mask, task].astype(float))) < best + 0.005
        assert cell.logloss_after == pytest.approx(best, abs=0.05)  # other rows of one population


def test_a_cell_left_alone_keeps_its_logits_and_says_why() -> None:
    rows = drawn(0, unchanged, num_rows=600)
    calibration = fitted(rows)
    assert (applied(calibration, rows.logits_RT, rows.scenario_R) == rows.logits_RT).all()
    for cell in calibration.cells:
        assert cell.calibrator == Calibrator()
        assert cell.reason.startswith("no gain shown: log loss 0.")
        assert (cell.logloss_after, cell.ece_after) == (cell.logloss_before, cell.ece_before)


def test_a_shift_of_a_few_users_is_no_gain_for_others() -> None:
    """Rows show that these eight users click more or less; they do not show that others do."""
    draw = np.random.default_rng(8)
    num_cells, num_users, num_rows = 30, 8, 3000
    scenario = np.repeat(np.arange(num_cells, dtype=np.int16), num_rows)
    user = draw.integers(num_users, size=len(scenario)).astype(np.int32)
    true = draw.normal(size=len(scenario)) - 1
    habit = draw.choice([0.4, 1.6], size=(num_cells, num_users))[scenario, user]
    label = (draw.random(len(scenario)) < 0.6 * expit(true) * habit).astype(np.uint8)
    rows = LabelledRows(
        logit(0.6 * expit(true))[:, np.newaxis].astype(np.float32),
        label[:, np.newaxis],
        scenario,
        user,
    )
    alone = replace(rows, user_R=np.full_like(user, -1))
    cells = make_cells([str(number) for number in range(num_cells)], ["click"])
    left_alone = [
        sum(
            cell.calibrator.kind == "none"
            for cell in calibrate(*split.arguments, cells, seed=0).cells
        )
        for split in (rows, alone)
    ]
    assert left_alone[0] >= 27
    assert left_alone[1] <= 15


def by_heart(points: LogitPoints) -> Calibrator:
    """A fit that knows the labels of the logits that it saw, and of no other."""
    seen_K = 8 * (points.total_K / points.rows_K - 0.5)
    return Calibrator("by heart", 1.0, tuple(points.logit_K), tuple(seen_K))


def test_a_fit_that_knows_users_by_heart_is_not_taken_as_rows_are_scored_by_fits_on_other_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All rows of a user have a logit and a label of their own: to have seen one is to know all."""
    monkeypatch.setattr(calibrators, "KINDS", {"by heart": by_heart})
    num_users = 300
    user_R = np.arange(10 * num_users, dtype=np.int32) % num_users
    label_R = np.random.default_rng(0).permutation(num_users) < num_users // 2
    cell = calibrate(
        (user_R / num_users)[:, np.newaxis].astype(np.float32),
        label_R[user_R][:, np.newaxis].astype(np.uint8),
        np.zeros(len(user_R), np.int16),
        user_R,
        make_cells(["Home"], ["click"]),
        seed=0,
    ).cells[0]
    assert cell.reason.startswith("no gain shown")
    assert cell.calibrator == Calibrator()


def test_cells_are_those_of_a_run_and_each_has_its_own_calibrator() -> None:
    rows = drawn(11, unchanged, num_rows=3000)
    push = rows.scenario_R == 1
    rows.logits_RT[push, 0] = 2 * rows.logits_RT[push, 0] + 1
    calibration = fitted(rows)
    assert [(cell.scenario, cell.task) for cell in calibration.cells] == [
        ("s0", "click"),
        ("s0", "order"),
        ("s1", "click"),
        ("s1", "order"),
    ]
    kinds = [cell.calibrator.kind for cell in calibration.cells]
    assert kinds == ["none", "none", "platt", "none"]
    changed_RT = applied(calibration, rows.logits_RT, rows.scenario_R) != rows.logits_RT
    assert changed_RT[push, 0].any()
    changed_RT[push, 0] = False
    assert not changed_RT.any()


@pytest.mark.parametrize("size", [1e4, 1e30, 3.4e38])
def test_extreme_logits_stay_finite(size: float) -> None:
    rows = drawn(12, doubled, num_rows=1000)
    rows.logits_RT[:20] = size
    rows.logits_RT[-20:] = -size
    calibration = fitted(rows)
    for cell in calibration.cells:
        assert np.isfinite([cell.logloss_before, cell.logloss_after, cell.ece_after]).all()
    for fit in KINDS.values():
        order = np.argsort(rows.logits_RT[:, 0])
        sorted_C = rows.logits_RT[order, 0].astype(np.float64)
        calibrator = fit(points_of(sorted_C, rows.labels_RT[order, 0]))
        cell = CellCalibration("s0", "click", calibrator, None, None, None, None)
        whole = Calibration((cell, replace(cell, task="order")))
        assert np.isfinite(applied(whole, rows.logits_RT, np.zeros_like(rows.scenario_R))).all()


def test_a_slope_above_1_does_not_overflow_float32() -> None:
    cell = CellCalibration("s0", "click", Calibrator("platt", 2.0), None, None, None, None)
    logits_RT = np.array([[-3.4e38], [1.0], [3.4e38]], np.float32)
    after_RT = applied(Calibration((cell,)), logits_RT, np.zeros(3, np.int16))
    assert after_RT[:, 0].tolist() == [-np.finfo(np.float32).max, 2.0, np.finfo(np.float32).max]


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


def test_a_fold_without_positives_is_calibrated_too() -> None:
    """All positives are of one user, so one of the fits sees a single class."""
    cell = calibrate_one_cell(
        np.arange(1000) < 60, np.where(np.arange(1000) < 200, 0, 1 + np.arange(1000))
    )
    assert np.isfinite([cell.logloss_after, cell.ece_after]).all()


def test_apply_leaves_its_argument_and_other_scenarios_unchanged() -> None:
    cell = CellCalibration("s0", "click", Calibrator("platt", 2.0), None, None, None, None)
    logits_RT = np.array([[1.0], [3.0]], np.float32)
    after_RT = applied(Calibration((cell,)), logits_RT, np.array([0, -1], np.int16))
    assert after_RT[:, 0].tolist() == [2.0, 3.0]
    assert logits_RT[:, 0].tolist() == [1.0, 3.0]
