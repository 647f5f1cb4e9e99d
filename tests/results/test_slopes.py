"""Slopes of metrics, against what small steps towards other means gain."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from hinet_search.results.ensemble_records import Scale
from hinet_search.results.families import BERNOULLI, POISSON
from hinet_search.results.metrics import metric_named
from hinet_search.results.statistics import many_scores
from hinet_search.results.statistics.cell_rows import CellRows, slope_of
from tests.results.amount_cases import drawn_amounts

NUM_ROWS, NUM_POSITIVES, NUM_UNITS = 2000, 500, 10
SCALES: tuple[Scale, ...] = ("logits", "probabilities")


@dataclass(frozen=True)
class Case:
    """A cell, and the logits without noise of twelve means of its rows."""

    rows: CellRows
    signal_N: NDArray[np.float64]
    noise: float

    def means(self, scale: Scale) -> NDArray[np.float32]:
        noise_XN = np.random.default_rng(2).normal(0, self.noise, size=(12, NUM_ROWS))
        mean_XN = self.signal_N + noise_XN
        return (mean_XN if scale == "logits" else self.rows.family.mean(mean_XN)).astype(np.float32)


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
both = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ["auc", "gauc", "logloss"])
@both
def test_slopes_rank_small_steps_by_what_they_gain(case: Case, name: str, scale: Scale) -> None:
    metric, mean_XN, rows = metric_named(name), case.means(scale), case.rows
    base_N, others_XN = mean_XN[0], mean_XN[1:]
    stepped_XN = (0.9 * base_N + 0.1 * others_XN).astype(np.float32)
    before = rows.valued(metric, scale)(base_N[None])
    gain_X = rows.valued(metric, scale)(stepped_XN) - before
    predicted_X = 0.1 * ((others_XN - base_N) @ slope_of(metric, rows, scale)(base_N))
    assert np.corrcoef(gain_X, predicted_X)[0, 1] > 0.8


@pytest.mark.parametrize("scale", SCALES)
@both
def test_the_slope_of_the_log_loss_is_its_derivative(case: Case, scale: Scale) -> None:
    metric, mean_N = metric_named("logloss"), case.means(scale)[0]
    slope_N = slope_of(metric, case.rows, scale)(mean_N)
    for row in (3, NUM_POSITIVES + 3, NUM_ROWS - 3):
        step_XN = np.stack([mean_N, mean_N])
        step_XN[:, row] += np.array([-0.01, 0.01], np.float32)
        low, high = case.rows.valued(metric, scale)(step_XN)
        assert slope_N[row] == pytest.approx((high - low) / 0.02, rel=0.02)


@both
def test_a_sample_of_many_pairs_gives_nearly_the_slope_of_all(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric, mean_N = metric_named("gauc"), case.means("logits")[0]
    whole_N = slope_of(metric, case.rows, "logits")(mean_N)
    monkeypatch.setattr(many_scores, "MOST_PAIRS", 20_000)
    sample_N = slope_of(metric, case.rows, "logits")(mean_N)
    assert 0.8 < np.corrcoef(whole_N, sample_N)[0, 1] < 1
