"""Fast metrics of amounts, against the exact metrics; slopes, against small steps."""

import numpy as np
import pytest
from numpy.typing import NDArray

from hinet_search.results.ensemble_records import Scale
from hinet_search.results.families import POISSON
from hinet_search.results.statistics import fast_metrics
from hinet_search.results.statistics.cell_rows import CellRows
from hinet_search.results.statistics.fast_metrics import FAST_METRICS, FastMetric
from hinet_search.results.statistics.weighted_metrics import METRICS, CellScores
from tests.results.amount_cases import drawn_amounts

NUM_ROWS, NUM_UNITS = 2000, 10
UNIT = 2.5  # what a label of 1 stands for
SCALES: tuple[Scale, ...] = ("logits", "probabilities")
LOG_MEAN_N = np.random.default_rng(0).normal(0, 0.7, NUM_ROWS)
AMOUNT_N = drawn_amounts(LOG_MEAN_N, 1)
ORDER_N = np.argsort(-AMOUNT_N, kind="stable")


def rows() -> CellRows:
    unit_N = np.random.default_rng(1).integers(NUM_UNITS, size=NUM_ROWS)
    return CellRows(AMOUNT_N[ORDER_N], unit_N, POISSON, UNIT)


def means(scale: Scale, decimals: int = 9) -> NDArray[np.float32]:
    """Twelve means; few decimals give many ties."""
    noise_XN = np.random.default_rng(2).normal(0, 0.5, size=(12, NUM_ROWS))
    rounded_XN = (LOG_MEAN_N[ORDER_N] + noise_XN).round(decimals)
    return (rounded_XN if scale == "logits" else np.exp(rounded_XN)).astype(np.float32)


def fast(metric: str, scale: Scale) -> FastMetric:
    made = FAST_METRICS[metric](rows(), scale)
    assert made is not None
    return made


def exact(metric: str, scale: Scale, mean_XN: NDArray[np.float32]) -> list[float]:
    wide_XN = mean_XN.astype(np.float64)
    log_XN = wide_XN if scale == "logits" else np.log(wide_XN)
    cells = [
        CellScores(log_N, rows().label_N, rows().unit_N, NUM_UNITS, POISSON, UNIT)
        for log_N in log_XN
    ]
    return [METRICS[metric](cell)(np.ones((NUM_UNITS, 1))).item() for cell in cells]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("metric", METRICS)
def test_values_are_those_of_the_exact_metric(metric: str, scale: Scale) -> None:
    mean_XN = means(scale)
    expected_X = exact(metric, scale, mean_XN)
    assert fast(metric, scale).values(mean_XN) == pytest.approx(expected_X, abs=1e-6)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("metric", ["auc", "gauc"])
def test_tied_scores_count_half(metric: str, scale: Scale) -> None:
    mean_XN = means(scale, decimals=0)
    expected_X = exact(metric, scale, mean_XN)
    assert fast(metric, scale).values(mean_XN) == pytest.approx(expected_X, abs=1e-9)


def test_zeros_of_either_sign_are_a_tie() -> None:
    cell = CellRows(np.array([2.0, 1.0, -0.0, 0.0], np.float32), np.zeros(4, np.int64), POISSON)
    measured = FAST_METRICS["auc"](cell, "logits")
    assert measured is not None
    assert measured.values(np.array([[0.0, -0.0, 0.0, -0.0]], np.float32)).tolist() == [0.5]
    assert measured.values(np.array([[0.5, 0.0, -2.0, -1.0]], np.float32)).tolist() == [1.0]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("metric", ["auc", "gauc", "logloss"])
def test_slopes_rank_small_steps_by_what_they_gain(metric: str, scale: Scale) -> None:
    mean_XN = means(scale)
    base_N, others_XN = mean_XN[0], mean_XN[1:]
    measured = fast(metric, scale)
    stepped_XN = (0.9 * base_N + 0.1 * others_XN).astype(np.float32)
    gain_X = measured.values(stepped_XN) - measured.values(base_N[None])
    predicted_X = 0.1 * ((others_XN - base_N) @ measured.slope(base_N))
    assert np.corrcoef(gain_X, predicted_X)[0, 1] > 0.8


@pytest.mark.parametrize("scale", SCALES)
def test_slopes_of_the_ece_sum_to_its_change_when_all_rows_rise(scale: Scale) -> None:
    measured, mean_N = fast("ece", scale), means(scale)[0]
    low, high = measured.values(np.stack([mean_N - 0.001, mean_N + 0.001]).astype(np.float32))
    assert measured.slope(mean_N).sum() == pytest.approx((high - low) / 0.002, rel=0.05)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("metric", ["logloss", "rmse", "mae"])
def test_the_slope_of_a_loss_is_its_derivative(metric: str, scale: Scale) -> None:
    measured, mean_N = fast(metric, scale), means(scale)[0]
    for row in (3, NUM_ROWS - 3):
        step_XN = np.stack([mean_N, mean_N])
        step_XN[:, row] += np.array([-0.01, 0.01], np.float32)
        low, high = measured.values(step_XN)
        assert measured.slope(mean_N)[row] == pytest.approx((high - low) / 0.02, rel=0.02)


def test_a_sample_of_many_pairs_is_near_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    mean_XN = means("logits")
    whole_X = fast("gauc", "logits").values(mean_XN)
    monkeypatch.setattr(fast_metrics, "MOST_PAIRS", 20_000)
    sample_X = fast("gauc", "logits").values(mean_XN)
    assert 0 < np.abs(sample_X - whole_X).max() < 0.03


def test_expected_amounts_that_round_to_0_have_a_finite_loss() -> None:
    measured = fast("logloss", "probabilities")
    mean_N = np.zeros(NUM_ROWS, np.float32)
    assert np.isfinite(measured.values(mean_N[None])).all()
    assert np.isfinite(measured.slope(mean_N)).all()


@pytest.mark.parametrize("metric", ["auc", "gauc"])
@pytest.mark.parametrize("amount", [0.0, 0.1])
def test_a_cell_of_equal_amounts_has_no_auc(metric: str, amount: float) -> None:
    alike = CellRows(np.full(5, amount, np.float32), np.zeros(5, np.int64), POISSON)
    assert FAST_METRICS[metric](alike, "logits") is None


@pytest.mark.parametrize("metric", METRICS)
def test_a_cell_of_amounts_without_rows_has_no_value(metric: str) -> None:
    empty = CellRows(np.zeros(0, np.float32), np.zeros(0, np.int64), POISSON)
    assert FAST_METRICS[metric](empty, "logits") is None
