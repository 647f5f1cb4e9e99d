"""Fast metrics of many means, against the exact metrics; slopes, against small steps."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit

from hinet_search.results.objectives import OF_AMOUNTS
from hinet_search.results.statistics import fast_metrics
from hinet_search.results.statistics.cell_rows import CellRows
from hinet_search.results.statistics.ensemble import Scale
from hinet_search.results.statistics.fast_metrics import FAST_METRICS, FastMetric
from hinet_search.results.statistics.weighted_metrics import METRICS, CellScores

NUM_POSITIVES, NUM_ROWS, NUM_UNITS = 500, 2000, 10
SCALES: tuple[Scale, ...] = ("logits", "probabilities")


def rows() -> CellRows:
    label_N = (np.arange(NUM_ROWS) < NUM_POSITIVES).astype(np.uint8)
    return CellRows(label_N, np.random.default_rng(1).integers(NUM_UNITS, size=NUM_ROWS))


def means(scale: Scale, decimals: int = 9) -> NDArray[np.float32]:
    """Twelve means; few decimals give many ties."""
    draw = np.random.default_rng(2)
    logits_XN = draw.normal(-1, 1, size=(12, NUM_ROWS)) + 0.8 * rows().label_N
    rounded_XN = logits_XN.round(decimals)
    return (rounded_XN if scale == "logits" else expit(rounded_XN)).astype(np.float32)


def fast(metric: str, scale: Scale) -> FastMetric:
    made = FAST_METRICS[metric](rows(), scale)
    assert made is not None
    return made


def exact(metric: str, scale: Scale, mean_XN: NDArray[np.float32]) -> list[float]:
    wide_XN = mean_XN.astype(np.float64)
    logit_XN = wide_XN if scale == "logits" else logit(wide_XN)
    cells = [CellScores(logit_N, rows().label_N, rows().unit_N, NUM_UNITS) for logit_N in logit_XN]
    return [METRICS[metric](cell)(np.ones((NUM_UNITS, 1))).item() for cell in cells]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("metric", [name for name in METRICS if name not in OF_AMOUNTS])
def test_values_are_those_of_the_exact_metric(metric: str, scale: Scale) -> None:
    mean_XN = means(scale)
    assert fast(metric, scale).values(mean_XN) == pytest.approx(
        exact(metric, scale, mean_XN), abs=1e-6
    )


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("metric", ["auc", "gauc"])
def test_ties_count_half(metric: str, scale: Scale) -> None:
    mean_XN = means(scale, decimals=0)
    assert fast(metric, scale).values(mean_XN) == pytest.approx(
        exact(metric, scale, mean_XN), abs=1e-9
    )


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
def test_the_slope_of_the_log_loss_is_its_derivative(scale: Scale) -> None:
    measured, mean_N = fast("logloss", scale), means(scale)[0]
    for row in (3, NUM_POSITIVES + 3):
        step_XN = np.stack([mean_N, mean_N])
        step_XN[:, row] += np.array([-0.01, 0.01], np.float32)
        low, high = measured.values(step_XN)
        assert measured.slope(mean_N)[row] == pytest.approx((high - low) / 0.02, rel=0.02)


def test_a_sample_of_many_pairs_is_near_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    mean_XN = means("logits")
    whole_X = fast("gauc", "logits").values(mean_XN)
    monkeypatch.setattr(fast_metrics, "MOST_PAIRS", 5000)
    sample_X = fast("gauc", "logits").values(mean_XN)
    assert 0 < np.abs(sample_X - whole_X).max() < 0.05


@pytest.mark.parametrize("metric", ["auc", "gauc"])
@pytest.mark.parametrize("label", [0, 1])
def test_a_cell_of_one_class_has_no_auc(metric: str, label: int) -> None:
    alike = CellRows(np.full(5, label, np.uint8), np.zeros(5, np.int64))
    assert FAST_METRICS[metric](alike, "logits") is None


@pytest.mark.parametrize("metric", METRICS)
def test_a_cell_without_rows_has_no_value(metric: str) -> None:
    empty = CellRows(np.zeros(0, np.uint8), np.zeros(0, np.int64))
    assert FAST_METRICS[metric](empty, "logits") is None


@pytest.mark.parametrize("metric", OF_AMOUNTS)
def test_labels_of_0_and_1_have_no_error_of_amounts(metric: str) -> None:
    assert FAST_METRICS[metric](rows(), "logits") is None
    cell = CellScores(np.zeros(NUM_ROWS), rows().label_N, rows().unit_N, NUM_UNITS)
    assert np.isnan(METRICS[metric](cell)(np.ones((NUM_UNITS, 3)))).all()
