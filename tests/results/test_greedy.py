"""Greedy selection, against a search that evaluates every run exactly at every step."""

import numpy as np
import pytest
from scipy.special import expit

from hinet_search.results.objectives import names, objective_named
from hinet_search.results.statistics import greedy
from hinet_search.results.statistics.ensemble import Scale, combined
from hinet_search.results.statistics.ensemble_selection import ScoredRuns, runs_of_cells
from hinet_search.results.statistics.greedy import Path, Pool, Track, make_pool, walk
from hinet_search.results.statistics.resampling import units_of_rows
from tests.results.scored_runs import draw_runs, exact_value

OBJECTIVES = (*names(), "auc[Push/order]", "logloss[Home/click]")
SCALES: tuple[Scale, ...] = ("logits", "probabilities")


def pool_of(runs: ScoredRuns, objective: str, scale: Scale) -> Pool:
    unit_R, num_units = units_of_rows(runs.user_R)
    cells = runs_of_cells(runs, unit_R, objective_named(objective))
    return make_pool(cells, np.ones(num_units, bool), objective_named(objective), scale)


def free_track(num_runs: int, *, with_replacement: bool = True) -> Track:
    return Track(np.ones(num_runs, bool), np.zeros(num_runs), np.inf, with_replacement)


def value_with(runs: ScoredRuns, picks: tuple[int, ...], objective: str, scale: Scale) -> float:
    weight_M = np.bincount(picks, minlength=len(runs.logits_MRT)).astype(float)
    return exact_value(runs, combined(runs.logits_MRT, weight_M, scale), objective)


@pytest.mark.parametrize("with_replacement", [True, False])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_step_adds_the_run_that_is_exactly_best(
    objective: str, scale: Scale, with_replacement: bool
) -> None:
    runs = draw_runs([0.5, 0.8, 1.0, 1.2, 2.0], rows=200, users=30)
    sign = 1 if objective_named(objective).maximize else -1
    track = free_track(5, with_replacement=with_replacement)
    [path] = walk(pool_of(runs, objective, scale), [track], most=5)
    for length, score in enumerate(path.scores, start=1):
        before = path.picks[: length - 1]
        open_runs = [run for run in range(5) if with_replacement or run not in before]
        values = [sign * value_with(runs, (*before, run), objective, scale) for run in open_runs]
        assert score == pytest.approx(max(values), abs=2e-6)
        assert score == pytest.approx(values[open_runs.index(path.picks[length - 1])], abs=2e-6)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("scale", SCALES)
def test_a_shortlist_reaches_most_of_the_gain_of_all_candidates(
    objective: str, scale: Scale, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise_M = np.random.default_rng(1).uniform(0.6, 1.5, size=40)
    noise_M[:10] = 4.0  # their slopes are steep and promise more than they keep
    pool = pool_of(draw_runs(noise_M.tolist(), rows=2000, users=100), objective, scale)
    [short] = walk(pool, [free_track(40)], most=12)
    monkeypatch.setattr(greedy, "SHORTLIST", 40)
    [whole] = walk(pool, [free_track(40)], most=12)
    gain_of_short, gain_of_whole = (max(path.scores) - path.scores[0] for path in (short, whole))
    least = 0.8 if objective in ("ece", "ndcg@10") else 0.95  # whose slope is a rough guide
    assert gain_of_short > least * gain_of_whole > 0  # it may be luckier


def test_ties_go_to_the_run_that_comes_first() -> None:
    runs = draw_runs([1.0, 0.5, 0.5])
    runs.logits_MRT[2] = runs.logits_MRT[1]
    [path] = walk(pool_of(runs, "macro_auc", "logits"), [free_track(3)], most=1)
    assert path.picks == (1,)


def test_a_track_adds_only_runs_that_are_offered() -> None:
    is_offered_M = np.array([False, True, False, True])
    track = Track(is_offered_M, np.zeros(4), np.inf)
    [path] = walk(pool_of(draw_runs([0.1, 1, 0.1, 1]), "macro_auc", "logits"), [track], most=6)
    assert set(path.picks) <= {1, 3}


def test_a_run_that_is_in_costs_nothing_more() -> None:
    track = Track(np.ones(3, bool), np.array([2.0, 2.0, 1.0]), 3.0)
    assert track.may_add(()).tolist() == [0, 1, 2]
    assert track.may_add((0,)).tolist() == [0, 2]
    assert track.may_add((0, 2)).tolist() == [0, 2]


def test_without_replacement_a_path_ends_when_no_run_is_left() -> None:
    pool = pool_of(draw_runs([1, 1, 1]), "macro_auc", "logits")
    [path] = walk(pool, [free_track(3, with_replacement=False)], most=9)
    assert sorted(path.picks) == [0, 1, 2]


def test_tracks_that_walk_together_walk_as_they_would_alone() -> None:
    pool = pool_of(draw_runs([1.0] * 12), "macro_auc", "probabilities")
    tracks = [free_track(12), free_track(12, with_replacement=False)]
    together = walk(pool, tracks, most=6)
    assert together == [walk(pool, [track], most=6)[0] for track in tracks]


def test_weights_are_those_of_the_best_mean_on_the_path() -> None:
    path = Path((2, 0, 2, 1), (0.6, 0.7, 0.8, 0.8))
    assert path.best_weights(4).tolist() == pytest.approx([1 / 3, 0, 2 / 3, 0])


def test_probabilities_of_a_pool_are_those_of_its_logits() -> None:
    runs = draw_runs([1.0, 1.0])
    pool = pool_of(runs, "auc[Push/order]", "probabilities")
    assert len(pool.score_CMN) == 1
    expected_MN = expit(runs.logits_MRT[:, runs.scenario_R == 1, 1])
    assert np.sort(pool.score_CMN[0]) == pytest.approx(np.sort(expected_MN))
