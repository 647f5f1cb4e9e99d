"""Greedy selection, against a search that evaluates every run exactly at every step."""

from collections.abc import Sequence

import numpy as np
import pytest

from hinet_search.results.objectives import names, objective_named
from hinet_search.results.statistics import greedy
from hinet_search.results.statistics.ensemble import Scale, combined
from hinet_search.results.statistics.ensemble_selection import runs_of_cells
from hinet_search.results.statistics.greedy import Pool, Search, make_pool, walk
from hinet_search.results.statistics.resampling import ScoredRows, units_of_rows
from tests.results.scored_runs import draw_runs, exact_value

# Few users of these runs have no positive row among 10.
NAMES = [name.replace("hit@10", "hit@1") for name in names()]
OBJECTIVES = (*NAMES, "auc[Push/order]", "logloss[Home/click]")


def pool_of(runs: ScoredRows, objective: str, scale: Scale) -> Pool:
    unit_R, num_units = units_of_rows(runs.user_R)
    cells = runs_of_cells(runs, unit_R, objective_named(objective))
    return make_pool(cells, np.ones(num_units, bool), objective_named(objective), scale)


def free(num_runs: int, *, with_replacement: bool = True) -> Search:
    return Search(np.ones(num_runs, bool), np.zeros(num_runs), with_replacement)


def walked(pool: Pool, search: Search, most: int) -> Search:
    walk(pool, [search], most)
    return search


def value_with(runs: ScoredRows, picks: Sequence[int], objective: str, scale: Scale) -> float:
    weight_M = np.bincount(picks, minlength=len(runs.logits_SRT)).astype(float)
    return exact_value(runs, combined(runs.logits_SRT, weight_M, scale), objective)


@pytest.mark.parametrize(
    ("scale", "with_replacement"), [("logits", True), ("probabilities", False)]
)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_step_adds_the_run_that_is_exactly_best(
    objective: str, scale: Scale, with_replacement: bool
) -> None:
    runs = draw_runs([0.5, 0.8, 1.0, 1.2, 2.0], rows=200, users=30)
    sign = 1 if objective_named(objective).maximize else -1
    search = free(5, with_replacement=with_replacement)
    path = walked(pool_of(runs, objective, scale), search, most=5)
    for length, score in enumerate(path.scores, start=1):
        before = path.picks[: length - 1]
        open_runs = [run for run in range(5) if with_replacement or run not in before]
        values = [sign * value_with(runs, (*before, run), objective, scale) for run in open_runs]
        assert score == pytest.approx(max(values), abs=2e-6)
        assert score == pytest.approx(values[open_runs.index(path.picks[length - 1])], abs=2e-6)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("scale", ["logits"])
def test_a_shortlist_reaches_most_of_the_gain_of_all_candidates(
    objective: str, scale: Scale, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise_M = np.random.default_rng(1).uniform(0.6, 1.5, size=40)
    noise_M[:10] = 4.0  # their slopes are steep and promise more than they keep
    pool = pool_of(draw_runs(noise_M.tolist(), rows=2000, users=100), objective, scale)
    short = walked(pool, free(40), most=12)
    monkeypatch.setattr(greedy, "SHORTLIST", 40)
    whole = walked(pool, free(40), most=12)
    gain_of_short, gain_of_whole = (max(path.scores) - path.scores[0] for path in (short, whole))
    rough = ("ece", "ndcg@10", "mrr", "hit@1")  # whose slope is a rough guide
    least = 0.7 if objective in rough else 0.95
    assert gain_of_short > least * gain_of_whole > 0  # by chance it may gain more


def test_ties_go_to_the_run_that_comes_first() -> None:
    runs = draw_runs([1.0, 0.5, 0.5])
    runs.logits_SRT[2] = runs.logits_SRT[1]
    path = walked(pool_of(runs, "macro_auc", "logits"), free(3), most=1)
    assert path.picks == [1]


def test_a_search_adds_only_runs_that_are_offered() -> None:
    is_offered_M = np.array([False, True, False, True])
    pool = pool_of(draw_runs([0.1, 1, 0.1, 1]), "macro_auc", "logits")
    path = walked(pool, Search(is_offered_M, np.zeros(4)), most=6)
    assert set(path.picks) <= {1, 3}


def test_a_run_that_is_in_costs_nothing_more() -> None:
    search = Search(np.ones(3, bool), np.array([2 / 3, 2 / 3, 1 / 3]))
    assert search.may_add().tolist() == [0, 1, 2]
    search.picks.append(0)
    assert search.may_add().tolist() == [0, 2]
    search.picks.append(2)
    assert search.may_add().tolist() == [0, 2]


def test_without_replacement_a_path_ends_when_no_run_is_left() -> None:
    pool = pool_of(draw_runs([1, 1, 1]), "macro_auc", "logits")
    path = walked(pool, free(3, with_replacement=False), most=9)
    assert sorted(path.picks) == [0, 1, 2]


def test_searches_that_walk_together_walk_as_they_would_alone() -> None:
    pool = pool_of(draw_runs([1.0] * 12), "macro_auc", "probabilities")
    together = [free(12), free(12, with_replacement=False)]
    walk(pool, together, most=6)
    for search in together:
        alone = walked(pool, free(12, with_replacement=search.with_replacement), most=6)
        assert (search.picks, search.scores) == (alone.picks, alone.scores)


def test_weights_are_those_of_the_best_mean_on_the_path() -> None:
    search = Search(np.ones(4, bool), np.zeros(4), picks=[2, 0, 2, 1], scores=[0.6, 0.7, 0.8, 0.8])
    assert search.best_weights().tolist() == pytest.approx([1 / 3, 0, 2 / 3, 0])
