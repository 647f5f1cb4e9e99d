"""Ensembles of mixed tasks average probabilities of clicks and expected amounts, each in its task."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from hinet_search.results.ensemble_records import Scale
from hinet_search.results.families import MAX_LOG
from hinet_search.results.objectives import objective_named
from hinet_search.results.statistics.ensemble import RunningMean, combined, ensemble_logits
from hinet_search.results.statistics.ensemble_selection import Settings, runs_of_cells, select
from hinet_search.results.statistics.greedy import Search, make_pool, walk
from hinet_search.results.statistics.resampling import ScoredRows, units_of_rows
from tests.results.amount_cases import mixed_runs
from tests.results.scored_runs import exact_value

SCALES: tuple[Scale, ...] = ("logits", "probabilities")
IS_AMOUNT_T = np.array([False, True])
WEIGHTS = np.array([0.5, 0.0, 3.0])
OBJECTIVES = ("macro_auc", "worst_auc", "gauc", "logloss", "ece", "auc[Push/watch]")


def logits() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 3, size=(3, 20, 2)).astype(np.float32)


def test_amounts_are_averaged_as_amounts_and_clicks_as_probabilities() -> None:
    mean_RT = combined(logits(), WEIGHTS, "probabilities", IS_AMOUNT_T)
    wide_MRT, shares = logits().astype(float), WEIGHTS / WEIGHTS.sum()
    clicks_R = logit(shares @ expit(wide_MRT[:, :, 0]))
    amounts_R = np.log(shares @ np.exp(wide_MRT[:, :, 1]))
    assert mean_RT[:, 0] == pytest.approx(clicks_R, abs=1e-5)
    assert mean_RT[:, 1] == pytest.approx(amounts_R, abs=1e-5)


def test_seeds_of_a_finalist_are_averaged_as_amounts() -> None:
    equal = combined(logits(), np.ones(3), "probabilities", IS_AMOUNT_T)
    assert np.array_equal(ensemble_logits(logits(), IS_AMOUNT_T), equal)


def test_logs_of_amounts_are_averaged_on_the_scale_of_logits() -> None:
    mean_RT = combined(logits(), WEIGHTS, "logits", IS_AMOUNT_T)
    assert np.array_equal(mean_RT, combined(logits(), WEIGHTS, "logits"))


def test_tasks_of_0_and_1_have_the_mean_that_they_have_without_amounts() -> None:
    mixed_RT = combined(logits(), WEIGHTS, "probabilities", IS_AMOUNT_T)
    plain_RT = combined(logits(), WEIGHTS, "probabilities")
    assert np.array_equal(mixed_RT[:, 0], plain_RT[:, 0])
    assert not np.allclose(mixed_RT[:, 1], plain_RT[:, 1])


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_a_mean_of_finite_logs_is_finite_and_between_them(logs: list[float]) -> None:
    mean = RunningMean("probabilities", np.array([True]))
    for log in logs:
        mean.add(np.array([[log]], np.float32))
    clipped = [max(min(log, MAX_LOG), -700.0) for log in logs]
    assert min(clipped) - 1e-3 <= mean.result().item() <= max(clipped) + 1e-3


def value_with(runs: ScoredRows, picks: Sequence[int], objective: str, scale: Scale) -> float:
    weight_M = np.bincount(picks, minlength=len(runs.logits_SRT)).astype(float)
    mean_RT = combined(runs.logits_SRT, weight_M, scale, runs.is_amount)
    return exact_value(runs, mean_RT, objective)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_greedy_step_adds_the_run_that_is_exactly_best(objective: str, scale: Scale) -> None:
    runs = mixed_runs([0.5, 0.8, 1.0, 1.2, 2.0], rows=300, users=30)
    sign = 1 if objective_named(objective).maximize else -1
    unit_R, num_units = units_of_rows(runs.user_R)
    cells = runs_of_cells(runs, unit_R, objective_named(objective))
    pool = make_pool(cells, np.ones(num_units, bool), objective_named(objective), scale)
    path = Search(np.ones(5, bool), np.zeros(5))
    walk(pool, [path], most=4)
    for length, score in enumerate(path.scores, start=1):
        before = path.picks[: length - 1]
        values = [sign * value_with(runs, (*before, run), objective, scale) for run in range(5)]
        assert score == pytest.approx(max(values), abs=1e-5)
        assert score == pytest.approx(values[path.picks[length - 1]], abs=1e-5)


@pytest.mark.parametrize("objective", ["macro_auc", "logloss"])
def test_a_selection_of_mixed_tasks_leaves_out_runs_of_noise(objective: str) -> None:
    runs = mixed_runs([0.3, 0.3, 0.3, 2.0, 2.0, 2.0], rows=3000, users=300)
    selection = select(runs, Settings(objective_named(objective), 0, most=8, bags=3))
    assert selection.method == "selected"
    assert selection.weight_M[3:] == (0.0, 0.0, 0.0)
    weight_M = np.array(selection.weight_M)
    mean_RT = combined(runs.logits_SRT, weight_M, selection.scale, runs.is_amount)
    gain = exact_value(runs, mean_RT, objective) - value_with(
        runs, tuple(range(6)), objective, "probabilities"
    )
    assert gain * (1 if objective == "macro_auc" else -1) > 0.02
