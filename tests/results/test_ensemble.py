"""Ensembles of runs: means of logits and of probabilities; copies of runs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hinet_search.results.statistics import ensemble
from hinet_search.results.statistics.ensemble import (
    RunningMean,
    Scale,
    combined,
    copies,
    ensemble_logits,
)

SCALES: tuple[Scale, ...] = ("logits", "probabilities")
WEIGHTS = np.array([0.5, 0.0, 3.0, 1.25])


def runs() -> NDArray[np.float32]:
    """Four runs of 30 rows and two tasks."""
    return np.random.default_rng(0).normal(0, 3, size=(4, 30, 2)).astype(np.float32)


def by_plain_loops(logits_MRT: NDArray[np.float32], scale: Scale) -> NDArray[np.float64]:
    """The weighted mean, number by number."""
    num_runs, num_rows, num_tasks = logits_MRT.shape
    mean_RT = np.zeros((num_rows, num_tasks))
    for row in range(num_rows):
        for task in range(num_tasks):
            total = 0.0
            for run in range(num_runs):
                logit = float(logits_MRT[run, row, task])
                value = logit if scale == "logits" else 1 / (1 + np.exp(-logit))
                total += WEIGHTS[run] * value
            mean = total / sum(WEIGHTS)
            mean_RT[row, task] = mean if scale == "logits" else np.log(mean / (1 - mean))
    return mean_RT


@pytest.mark.parametrize("scale", SCALES)
def test_a_mean_is_that_of_plain_loops(scale: Scale) -> None:
    mean_RT = combined(runs(), WEIGHTS, scale)
    assert mean_RT == pytest.approx(by_plain_loops(runs(), scale), abs=1e-5)
    assert mean_RT.dtype == np.float32


@pytest.mark.parametrize("scale", SCALES)
def test_chunks_of_rows_equal_the_whole(scale: Scale, monkeypatch: pytest.MonkeyPatch) -> None:
    whole_RT = combined(runs(), WEIGHTS, scale)
    monkeypatch.setattr(ensemble, "CHUNK_NUMBERS", 14)  # seven rows
    assert np.array_equal(combined(runs(), WEIGHTS, scale), whole_RT)


@pytest.mark.parametrize("scale", SCALES)
def test_runs_added_one_by_one_have_the_mean_of_all(scale: Scale) -> None:
    mean = RunningMean(scale)
    for logits_RT, weight in zip(runs(), WEIGHTS, strict=True):
        mean.add(logits_RT, weight)
    assert np.array_equal(mean.result(), combined(runs(), WEIGHTS, scale))


@pytest.mark.parametrize("scale", SCALES)
def test_weights_need_not_sum_to_1(scale: Scale) -> None:
    doubled_RT = combined(runs(), WEIGHTS * 2, scale)
    assert doubled_RT == pytest.approx(combined(runs(), WEIGHTS, scale), abs=1e-6)


@pytest.mark.parametrize("scale", SCALES)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_a_mean_of_finite_logits_is_finite(scale: Scale, logits: list[float]) -> None:
    logits_MRT = np.array(logits, np.float32)[:, None, None]
    mean = combined(logits_MRT, np.ones(len(logits)), scale).item()
    assert np.isfinite(mean)
    clipped = [max(min(logit, 700.0), -700.0) for logit in logits]
    if scale == "probabilities":
        assert min(clipped) - 1e-3 <= mean <= max(clipped) + 1e-3


def test_pairs_of_copies_are_listed_in_order() -> None:
    logits_MRT = runs()[[0, 1, 0, 2, 0]]
    logits_MRT[4] += 4e-6
    assert copies(logits_MRT) == [(0, 2), (0, 4), (2, 4)]


def test_runs_that_differ_in_a_row_are_not_copies() -> None:
    logits_MRT = runs()[[0, 0]]
    logits_MRT[1, 7, 1] += 0.001
    assert copies(logits_MRT) == []


def test_runs_of_equal_mean_are_not_copies() -> None:
    logits_MRT = runs()[[0, 0]]
    logits_MRT[1] = logits_MRT[1, ::-1]
    assert copies(logits_MRT) == []


def test_an_ensemble_of_certain_seeds_is_finite_and_in_order() -> None:
    logits_SRT = np.array([[[90.0], [95.0], [-90.0]], [[80.0], [85.0], [-95.0]]], dtype=np.float32)
    mean_logit_R = ensemble_logits(logits_SRT)[:, 0]
    assert mean_logit_R == pytest.approx(
        [80 + np.log(2), 85 + np.log(2), -90 - np.log(2)], abs=0.01
    )  # the less certain seed decides, as half of its doubt is left
