"""Calibrators of amounts, against scipy's minimiser, plain loops and planted errors."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import rankdata
from sklearn.metrics import mean_poisson_deviance

from hinet_search.data.cell_counts import auc
from hinet_search.results.calibration_records import CellCalibration
from hinet_search.results.cells import make_cells
from hinet_search.results.families import POISSON
from hinet_search.results.statistics.calibrators import (
    KINDS,
    LogitPoints,
    calibrate,
    calibrated_logits,
    platt,
    points_of,
)
from tests.results.amount_cases import CELLS, drawn_amounts, mixed_runs

Floats = NDArray[np.float64]
CELL = make_cells(("Home",), ("watch",), units={"watch": 3.0})


def stretched(log_mean: Floats) -> Floats:
    """Scores whose right line is 0.5 z + 0.4."""
    return 2 * log_mean - 0.8


def flattened(log_mean: Floats) -> Floats:
    return np.tanh(log_mean)


def drawn(
    seed: int, warp: Callable[[Floats], Floats], num_rows: int = 8000
) -> tuple[Floats, NDArray[np.float32], Floats]:
    """Scores, amounts, and true logs of their means."""
    log_mean_R = np.random.default_rng(seed).normal(0, 0.8, num_rows)
    return warp(log_mean_R), drawn_amounts(log_mean_R, seed), log_mean_R


def fitted(
    score_R: Floats, amount_R: NDArray[np.float32], user_R: NDArray[np.int64] | None = None
) -> CellCalibration:
    """The calibration of one cell; five rows of a user."""
    num_rows = len(score_R)
    users = np.arange(num_rows) // 5 if user_R is None else user_R
    fit = calibrate(
        score_R[:, np.newaxis].astype(np.float32),
        amount_R[:, np.newaxis],
        np.zeros(num_rows, np.int16),
        users.astype(np.int32),
        CELL,
        seed=0,
    )
    return fit.cells[0]


def half_deviance(score_R: Floats, amount_R: NDArray[np.float32]) -> float:
    return float(mean_poisson_deviance(amount_R.astype(float), np.exp(score_R))) / 2


def sorted_points(score_R: Floats, amount_R: NDArray[np.float32]) -> LogitPoints:
    order_R = np.argsort(score_R)
    return points_of(score_R[order_R], amount_R[order_R], POISSON)


@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0])
def test_a_line_is_the_minimum_of_the_deviance_that_scipy_finds(scale: float) -> None:
    score_R, amount_R, _ = drawn(2, stretched, num_rows=400)
    target_R = (400 * amount_R.astype(float) + amount_R.mean()) / 401

    def loss(parameters: Floats) -> float:
        total = 0.0
        for score, target in zip(score_R, target_R, strict=True):
            z = parameters[0] * score + parameters[1]
            total += np.exp(z) - target * z
        return total / len(score_R)

    line = platt(sorted_points(scale * score_R, amount_R))
    search = minimize(loss, x0=[0.0, 0.0], tol=1e-10)
    assert (line.slope * scale, line.values[0]) == pytest.approx(search.x, abs=1e-5)


def test_amounts_at_the_highest_score_alone_get_a_finite_line() -> None:
    score_R = np.array([-1.0, 0.0, 0.5, 3.0])
    line = platt(sorted_points(score_R, np.array([0, 0, 0, 1e6], np.float32)))
    assert np.isfinite(calibrated_logits(line, score_R)).all()
    assert np.exp(calibrated_logits(line, np.array([3.0]))) == pytest.approx(1e6, rel=0.3)


@given(
    rows=st.lists(
        st.tuples(st.integers(-40, 40), st.sampled_from([0.0, 0.0, 1e-6, 1.0, 7.5, 1e7])),
        min_size=1,
        max_size=60,
    ),
    scale=st.sampled_from([0.001, 0.1, 1.0, 50.0]),
    kind=st.sampled_from(list(KINDS)),
)
def test_every_calibrator_of_amounts_increases_strictly(
    rows: list[tuple[int, float]], scale: float, kind: str
) -> None:
    score_R, amount_R = (np.array(column) for column in zip(*rows, strict=True))
    calibrator = KINDS[kind](sorted_points(scale * score_R, amount_R.astype(np.float32)))
    calibrated = calibrated_logits(calibrator, scale * np.linspace(-60, 60, 2401))
    assert np.isfinite(calibrated).all()
    assert (np.diff(calibrated) > 0).all()


@pytest.mark.parametrize(("warp", "kind"), [(stretched, "platt"), (flattened, "isotonic")])
def test_a_planted_error_is_mended_on_rows_of_other_users(
    warp: Callable[[Floats], Floats], kind: str
) -> None:
    score_R, amount_R, _ = drawn(6, warp)
    cell = fitted(score_R, amount_R)
    assert (cell.calibrator.kind, cell.reason) == (kind, "")
    assert cell.logloss_before == pytest.approx(half_deviance(score_R, amount_R), rel=1e-5)
    assert cell.logloss_after < cell.logloss_before - 0.01
    assert cell.ece_after < cell.ece_before / 2
    fresh_R, fresh_amount_R, fresh_log_mean_R = drawn(7, warp)
    best = half_deviance(fresh_log_mean_R, fresh_amount_R)
    after_R = calibrated_logits(cell.calibrator, fresh_R)
    assert half_deviance(after_R, fresh_amount_R) < best + 0.01
    assert (rankdata(after_R) == rankdata(fresh_R)).all()
    before = auc(fresh_R, fresh_amount_R)
    assert auc(after_R, fresh_amount_R) == before


def test_calibrated_scores_are_left_alone_and_the_reason_names_the_deviance() -> None:
    cells = [
        fitted(*drawn(seed, lambda log_mean: log_mean, num_rows=600)[:2]) for seed in range(40)
    ]
    alone = [cell for cell in cells if cell.calibrator.kind == "none"]
    assert len(alone) >= 38
    assert alone[0].reason.startswith("no gain shown: half the deviance ")
    assert (alone[0].logloss_after, alone[0].ece_after) == (
        alone[0].logloss_before,
        alone[0].ece_before,
    )


def test_a_cell_with_too_few_amounts_above_0_is_left_alone() -> None:
    amount_R = np.where(np.arange(400) < 49, 2, 0).astype(np.float32)
    cell = fitted(np.zeros(400), amount_R)
    assert (cell.calibrator.kind, cell.reason) == ("none", "49 amounts above 0: 50 are needed")


def test_clicks_beside_amounts_are_calibrated_as_clicks_alone() -> None:
    runs = mixed_runs([1.0], rows=3000, users=600)
    rows = runs.logits_SRT[0], runs.labels_RT, runs.scenario_R, runs.user_R
    mixed = calibrate(*rows, CELLS, seed=0)
    clicks = calibrate(rows[0], runs.labels_RT.astype(np.uint8), *rows[2:], CELLS[::2], seed=0)
    assert mixed.cells[::2] == clicks.cells
    assert all(cell.calibrator.kind != "none" for cell in mixed.cells)
