"""Ensemble selection: it replaces the plain mean where that pays on new users, and not on noise."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from hinet_search.common import heartbeat
from hinet_search.common.errors import ConfigurationError
from hinet_search.results.objectives import names, objective_named
from hinet_search.results.statistics.ensemble import combined
from hinet_search.results.statistics.ensemble_selection import Selection, Settings, select
from hinet_search.results.statistics.resampling import ScoredRows
from tests.results.scored_runs import draw_runs, exact_value

ALIKE = [1.0] * 6
MIXED = [0.6] * 6 + [1.0, 1.3]
SPOILED = [0.6, 0.6, 4.0, 0.6, 0.6, 4.0, 4.0]
BAD = {2, 5, 6}


def quick(runs: ScoredRows, objective: str = "macro_auc", **settings: object) -> Selection:
    """A selection with short searches."""
    given = {"seed": 3, "most": 6, "bags": 3, **settings}
    return select(runs, Settings(objective_named(objective), **given))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def spoiled() -> Selection:
    return quick(draw_runs(SPOILED, rows=3000, users=300))


def test_a_mean_that_bad_runs_spoil_is_replaced(spoiled: Selection) -> None:
    assert spoiled.method == "selected"
    assert spoiled.gain.low > 0
    assert sum(spoiled.weight_M[run] for run in BAD) < 0.1


@pytest.mark.parametrize(
    "objective",
    [
        *(name for name in names() if name != "hit@10"),
        "hit@1",
        "auc[Home/click]",
        "logloss[Home/click]",
    ],
)
def test_bad_runs_weigh_nothing_under_any_objective(objective: str) -> None:
    chosen = quick(draw_runs([0.6, 0.6, 4.0, 4.0, 4.0, 4.0], rows=4000, users=150), objective)
    assert chosen.method == "selected"
    assert chosen.gain.estimate > 0
    assert sum(chosen.weight_M[2:]) < 0.25


@pytest.mark.parametrize("objective", ["macro_auc", "logloss"])
def test_the_gain_is_in_the_direction_of_the_objective(objective: str) -> None:
    gain = quick(draw_runs(SPOILED), objective).gain
    difference = gain.selected_value - gain.mean_value
    assert gain.estimate == pytest.approx(-difference if objective == "logloss" else difference)


def test_the_value_on_the_rows_that_chose_exceeds_the_cross_fitted_one() -> None:
    best_single = [quick(draw_runs(ALIKE, seed=seed, rows=300)).sizes[0] for seed in range(8)]
    assert np.mean([size.value - size.crossfitted for size in best_single]) > 0.005


def test_a_gain_whose_interval_reaches_below_0_does_not_replace_the_mean() -> None:
    chosen = quick(draw_runs(MIXED, seed=5))
    assert chosen.gain.low < 0 < chosen.gain.estimate
    assert (chosen.method, chosen.scale) == ("mean", "probabilities")
    assert chosen.weight_M == pytest.approx([1 / 8] * 8)


@pytest.mark.parametrize("noise_M", [ALIKE, SPOILED, [1.0], [1.0, 4.0]])
def test_weights_sum_to_1(noise_M: list[float]) -> None:
    weight_M = quick(draw_runs(noise_M)).weight_M
    assert len(weight_M) == len(noise_M)
    assert sum(weight_M) == pytest.approx(1)
    assert min(weight_M) >= 0


def test_a_single_run_gains_nothing() -> None:
    chosen = quick(draw_runs([1.0]))
    assert chosen.weight_M == (1.0,)
    assert chosen.method == "mean"
    assert chosen.gain.estimate == pytest.approx(0, abs=1e-9)
    assert [size.members for size in chosen.sizes] == [(0,)]


def test_sizes_add_a_run_each_and_have_the_exact_value() -> None:
    runs = draw_runs(SPOILED)
    chosen = quick(runs, "mean_auc")
    sizes = chosen.sizes
    assert [len(size.members) for size in sizes] == [1, 2, 3, 4, 5, 6]  # up to `most`
    for smaller, larger in pairwise(sizes):
        assert larger.members[:-1] == smaller.members
    for size in sizes:
        members_MRT = runs.logits_SRT[list(size.members)]
        mean_RT = combined(members_MRT, np.ones(len(members_MRT)), chosen.scale)
        assert size.value == pytest.approx(exact_value(runs, mean_RT, "mean_auc"), abs=1e-9)


def test_the_order_of_runs_does_not_matter(spoiled: Selection) -> None:
    runs = draw_runs(SPOILED, rows=3000, users=300)
    order_M = [4, 2, 0, 6, 5, 3, 1]
    shuffled = quick(replace(runs, logits_SRT=runs.logits_SRT[order_M]))
    assert shuffled.gain == spoiled.gain
    assert shuffled.weight_M == tuple(spoiled.weight_M[run] for run in order_M)
    assert [tuple(order_M[run] for run in size.members) for size in shuffled.sizes] == [
        size.members for size in spoiled.sizes
    ]


@pytest.mark.parametrize("limit", [3.0, 6.0, 11.0])
def test_distinct_members_stay_within_a_limit_on_their_cost(limit: float) -> None:
    cost_M = [3.0, 5.0, 1.0, 2.0, 6.0, 3.0, 1.0]
    runs = draw_runs(SPOILED, rows=2000, users=200)
    for objective in ("macro_auc", "ece"):
        chosen = quick(runs, objective, shares=[cost / limit for cost in cost_M])
        members = [run for run, weight in enumerate(chosen.weight_M) if weight]
        assert sum(cost_M[run] for run in members) <= limit
        assert all(sum(cost_M[run] for run in size.members) <= limit for size in chosen.sizes)


def test_under_a_limit_the_mean_is_of_the_best_runs_that_fit() -> None:
    runs = draw_runs([0.2, 0.5, 0.8, 3.0], rows=3000, users=300)
    chosen = quick(runs, shares=[2.25, 0.5, 0.5, 0.5])
    assert chosen.gain.mean_value == pytest.approx(
        exact_value(runs, combined(runs.logits_SRT[1:3], np.ones(2), "probabilities"), "macro_auc"),
        abs=0.01,
    )


def test_costs_that_sum_to_the_limit_fit() -> None:
    chosen = quick(draw_runs([1.0] * 3), shares=[0.1, 0.2, 0.7000000001])
    assert len(chosen.sizes) == 3


def test_a_limit_that_no_run_fits_is_an_error_that_names_the_cheapest() -> None:
    with pytest.raises(ConfigurationError, match="the cheapest takes 2 times what it allows"):
        quick(draw_runs([1.0, 1.0]), shares=[3.0, 2.0])


def test_a_cell_with_one_class_is_left_out() -> None:
    runs = draw_runs(SPOILED)
    runs.labels_RT[runs.scenario_R == 1, 1] = 0
    chosen = quick(runs)
    assert chosen.sizes[0].value == pytest.approx(
        max(exact_value(runs, logits_RT, "macro_auc") for logits_RT in runs.logits_SRT), abs=1e-6
    )


def test_a_scenario_without_rows_is_left_out() -> None:
    runs = draw_runs(SPOILED)
    assert quick(replace(runs, scenario_R=np.zeros(600, np.int16))).method == "selected"


@pytest.mark.parametrize("objective", ["macro_auc", "worst_auc", "logloss"])
def test_a_cell_with_a_single_positive_lacks_a_class_in_most_folds(objective: str) -> None:
    runs = draw_runs(SPOILED)
    in_cell = np.flatnonzero(runs.scenario_R == 1)
    runs.labels_RT[in_cell, 1] = 0
    runs.labels_RT[in_cell[0], 1] = 1
    gain = quick(runs, objective).gain
    assert np.isfinite([gain.low, gain.high]).all()


def test_an_objective_without_a_value_is_an_error() -> None:
    runs = draw_runs(ALIKE)
    runs.labels_RT[runs.scenario_R == 1, 1] = 0
    with pytest.raises(ConfigurationError, match="has no value"):
        quick(runs, "auc[Push/order]")


def test_classes_that_no_fold_can_spare_are_an_error() -> None:
    runs = draw_runs(ALIKE, users=2)
    runs.labels_RT[:] = runs.user_R[:, None] == 1
    with pytest.raises(ConfigurationError, match="without any one of 2 folds"):
        quick(runs, folds=2)


def test_without_users_rows_are_divided_into_folds_and_their_gain_selects_nothing() -> None:
    runs = draw_runs(SPOILED, rows=2000)
    chosen = quick(replace(runs, user_R=np.full(2000, -1, np.int32)))
    assert chosen.gain.low > 0
    assert chosen.method == "mean"


def test_grouped_auc_without_users_is_an_error() -> None:
    runs = draw_runs(ALIKE)
    with pytest.raises(ConfigurationError, match="gauc has no value"):
        quick(replace(runs, user_R=np.full(600, -1, np.int32)), "gauc")


def test_fewer_users_than_folds_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="got 5 folds and 3 users"):
        quick(draw_runs(ALIKE, users=3))


def test_a_selection_sends_heartbeats_at_every_step() -> None:
    beats: list[None] = []
    with heartbeat.receive_heartbeats(lambda: beats.append(None)):
        quick(draw_runs(ALIKE))
    assert len(beats) > 11 * 5  # training sets, and steps after the first
