"""Fast metrics of many means, against the exact metrics; slopes, against small steps; of 0 and 1, and of amounts."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from hinet_search.results.ensemble_records import Scale
from hinet_search.results.families import BERNOULLI, POISSON
from hinet_search.results.objectives import OF_AMOUNTS
from hinet_search.results.statistics import fast_metrics
from hinet_search.results.statistics.cell_rows import CellRows
from hinet_search.results.statistics.fast_metrics import FAST_METRICS, FastMetric
from hinet_search.results.statistics.weighted_metrics import METRICS, CellScores
from tests.results.amount_cases import drawn_amounts

NUM_ROWS, NUM_POSITIVES, NUM_UNITS = 2000, 500, 10
SCALES: tuple[Scale, ...] = ("logits", "probabilities")


@dataclass(frozen=True)
class Case:
    """A cell, and the logits without noise of twelve means of its rows."""

    rows: CellRows
    signal_N: NDArray[np.float64]
    noise: float

    def means(self, scale: Scale, decimals: int = 9) -> NDArray[np.float32]:
        """Twelve means; few decimals give many ties."""
        noise_XN = np.random.default_rng(2).normal(0, self.noise, size=(12, NUM_ROWS))
        rounded_XN = (self.signal_N + noise_XN).round(decimals)
        mean_XN = rounded_XN if scale == "logits" else self.rows.family.mean(rounded_XN)
        return mean_XN.astype(np.float32)

    def fast(self, metric: str, scale: Scale) -> FastMetric:
        made = FAST_METRICS[metric](self.rows, scale)
        assert made is not None
        return made

    def exact(self, metric: str, scale: Scale, mean_XN: NDArray[np.float32]) -> list[float]:
        rows, wide_XN = self.rows, mean_XN.astype(np.float64)
        logit_XN = wide_XN if scale == "logits" else rows.family.score(wide_XN)
        cells = [
            CellScores(logit_N, rows.label_N, rows.unit_N, NUM_UNITS, rows.family, rows.amount)
            for logit_N in logit_XN
        ]
        return [METRICS[metric](cell)(np.ones((NUM_UNITS, 1))).item() for cell in cells]


def classes() -> Case:
    label_N = (np.arange(NUM_ROWS) < NUM_POSITIVES).astype(np.uint8)
    unit_N = np.random.default_rng(1).integers(NUM_UNITS, size=NUM_ROWS)
    return Case(CellRows(label_N, unit_N, BERNOULLI), 0.8 * label_N - 1, noise=1.0)


def amounts() -> Case:
    log_mean_N = np.random.default_rng(0).normal(0, 0.7, NUM_ROWS)
    amount_N = drawn_amounts(log_mean_N, 1)
    order_N = np.argsort(-amount_N, kind="stable")
    unit_N = np.random.default_rng(1).integers(NUM_UNITS, size=NUM_ROWS)
    return Case(CellRows(amount_N[order_N], unit_N, POISSON, 2.5), log_mean_N[order_N], noise=0.5)


CASES = {"classes": classes(), "amounts": amounts()}
OF_BOTH = [name for name in METRICS if name not in OF_AMOUNTS]
EVERY = [("classes", name) for name in OF_BOTH] + [("amounts", name) for name in METRICS]
LOSSES = [("classes", "logloss"), *(("amounts", name) for name in ("logloss", *OF_AMOUNTS))]
both = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("name", "metric"), EVERY)
def test_values_are_those_of_the_exact_metric(name: str, metric: str, scale: Scale) -> None:
    case = CASES[name]
    mean_XN = case.means(scale)
    expected_X = case.exact(metric, scale, mean_XN)
    assert case.fast(metric, scale).values(mean_XN) == pytest.approx(expected_X, abs=1e-6)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("metric", ["auc", "gauc"])
@both
def test_ties_count_half(case: Case, metric: str, scale: Scale) -> None:
    mean_XN = case.means(scale, decimals=0)
    expected_X = case.exact(metric, scale, mean_XN)
    assert case.fast(metric, scale).values(mean_XN) == pytest.approx(expected_X, abs=1e-9)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("metric", ["auc", "gauc", "logloss"])
@both
def test_slopes_rank_small_steps_by_what_they_gain(case: Case, metric: str, scale: Scale) -> None:
    mean_XN = case.means(scale)
    base_N, others_XN = mean_XN[0], mean_XN[1:]
    measured = case.fast(metric, scale)
    stepped_XN = (0.9 * base_N + 0.1 * others_XN).astype(np.float32)
    gain_X = measured.values(stepped_XN) - measured.values(base_N[None])
    predicted_X = 0.1 * ((others_XN - base_N) @ measured.slope(base_N))
    assert np.corrcoef(gain_X, predicted_X)[0, 1] > 0.8


@pytest.mark.parametrize("scale", SCALES)
@both
def test_slopes_of_the_ece_sum_to_its_change_when_all_rows_rise(case: Case, scale: Scale) -> None:
    measured, mean_N = case.fast("ece", scale), case.means(scale)[0]
    low, high = measured.values(np.stack([mean_N - 0.001, mean_N + 0.001]).astype(np.float32))
    assert measured.slope(mean_N).sum() == pytest.approx((high - low) / 0.002, rel=0.05)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("name", "metric"), LOSSES)
def test_the_slope_of_a_loss_is_its_derivative(name: str, metric: str, scale: Scale) -> None:
    case = CASES[name]
    measured, mean_N = case.fast(metric, scale), case.means(scale)[0]
    for row in (3, NUM_POSITIVES + 3, NUM_ROWS - 3):
        step_XN = np.stack([mean_N, mean_N])
        step_XN[:, row] += np.array([-0.01, 0.01], np.float32)
        low, high = measured.values(step_XN)
        assert measured.slope(mean_N)[row] == pytest.approx((high - low) / 0.02, rel=0.02)


@both
def test_a_sample_of_many_pairs_is_near_all_pairs(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    mean_XN = case.means("logits")
    whole_X = case.fast("gauc", "logits").values(mean_XN)
    monkeypatch.setattr(fast_metrics, "MOST_PAIRS", 20_000)
    sample_X = case.fast("gauc", "logits").values(mean_XN)
    assert 0 < np.abs(sample_X - whole_X).max() < 0.03


@pytest.mark.parametrize("metric", ["auc", "gauc"])
@pytest.mark.parametrize(
    "rows",
    [
        CellRows(np.full(5, 0, np.uint8), np.zeros(5, np.int64)),
        CellRows(np.full(5, 1, np.uint8), np.zeros(5, np.int64)),
        CellRows(np.full(5, 0.0, np.float32), np.zeros(5, np.int64), POISSON),
        CellRows(np.full(5, 0.1, np.float32), np.zeros(5, np.int64), POISSON),
    ],
    ids=["no positive", "no negative", "nothing", "equal amounts"],
)
def test_a_cell_whose_labels_do_not_differ_has_no_auc(rows: CellRows, metric: str) -> None:
    assert FAST_METRICS[metric](rows, "logits") is None


@pytest.mark.parametrize("metric", METRICS)
@both
def test_a_cell_without_rows_has_no_value(case: Case, metric: str) -> None:
    rows = case.rows
    empty = CellRows(rows.label_N[:0], rows.unit_N[:0], rows.family)
    assert FAST_METRICS[metric](empty, "logits") is None


@pytest.mark.parametrize("metric", OF_AMOUNTS)
def test_a_cell_of_0_and_1_has_no_error_of_amounts(metric: str) -> None:
    assert FAST_METRICS[metric](CASES["classes"].rows, "logits") is None


def test_zeros_of_either_sign_are_a_tie_of_amounts() -> None:
    cell = CellRows(np.array([2.0, 1.0, -0.0, 0.0], np.float32), np.zeros(4, np.int64), POISSON)
    measured = FAST_METRICS["auc"](cell, "logits")
    assert measured is not None
    assert measured.values(np.array([[0.0, -0.0, 0.0, -0.0]], np.float32)).tolist() == [0.5]
    assert measured.values(np.array([[0.5, 0.0, -2.0, -1.0]], np.float32)).tolist() == [1.0]


def test_expected_amounts_that_round_to_0_have_a_finite_loss() -> None:
    measured = CASES["amounts"].fast("logloss", "probabilities")
    mean_N = np.zeros(NUM_ROWS, np.float32)
    assert np.isfinite(measured.values(mean_N[None])).all()
    assert np.isfinite(measured.slope(mean_N)).all()
