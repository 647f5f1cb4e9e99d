"""Several objectives: who beats whom, the front, and which points to go on with."""

import math
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.common.errors import ConfigurationError
from hinet_search.results.objectives import Objective
from hinet_search.results.records import CellValue, Cost, FinalistRecord
from hinet_search.results.trade_offs import (
    COSTS,
    Objectives,
    beats,
    finalists_of,
    is_maximized,
    is_on_front,
    needs_cells,
    objectives_of,
    refuse_unknown,
    spread,
    volume,
)
from tests.report.traded import traded

CELLS = (
    CellValue("home", "click", rows=900, positives=90, auc=0.8, logloss=0.3),
    CellValue("push", "click", rows=100, positives=10, auc=0.6, logloss=0.5),
)
COST = Cost(1000, 200, 4000, 1e4, 1.0, 1, "cpu", milliseconds_per_100=2.5)
whole = st.integers(0, 4).map(float)
points = st.lists(st.tuples(whole, whole, whole), min_size=1, max_size=6)


def test_values_are_metrics_of_the_cells_and_costs_of_the_model() -> None:
    others = ("worst_auc", "logloss", *COSTS)
    objectives = Objectives(Objective("mean_auc"), others)
    assert objectives.values(0.7, CELLS, COST) == (0.7, 0.6, 0.32, 2.5, 4000, 1000, 200)
    assert objectives.directions == (True, True, False, False, False, False, False)
    assert objectives.point(0.7, CELLS, COST) == (0.7, 0.6, -0.32, -2.5, -4000, -1000, -200)


def test_a_cost_that_is_not_known_is_not_a_number_and_neither_beats_nor_is_beaten() -> None:
    objectives = Objectives(Objective("mean_auc"), ("latency_ms", "flops_per_row"))
    trees = Cost(1000, 200, 0, 1e4, 1.0, 1, "cpu")
    unknown = objectives.point(0.7, (), None)
    assert all(map(math.isnan, (*unknown[1:], *objectives.point(0.7, (), trees)[1:])))
    known = objectives.point(0.9, (), COST)
    assert not beats(known, unknown)
    assert not beats(unknown, known)


def test_an_unknown_name_is_refused_with_metrics_and_costs() -> None:
    for name in ("worst_auc", "auc[home/click]", *COSTS):
        refuse_unknown(name)
    with pytest.raises(
        ConfigurationError, match=r"ece, .*auc.*parameters; did you mean 'latency_ms'"
    ):
        refuse_unknown("latency")


def test_cells_are_needed_for_metrics_alone() -> None:
    assert needs_cells(("latency_ms", "ece"))
    assert not needs_cells(tuple(COSTS))
    assert [is_maximized(name) for name in ("worst_auc", "ece", "parameters")] == [
        True,
        False,
        False,
    ]


@given(points)
def test_the_front_is_what_no_other_point_beats(several: list[tuple[float, ...]]) -> None:
    for point, on_front in zip(several, is_on_front(several), strict=True):
        beaten = any(
            other != point and all(o >= p for o, p in zip(other, point, strict=True))
            for other in several
        )
        assert on_front is not beaten


@given(points)
def test_a_volume_is_the_number_of_unit_cubes_in_any_box(boxes: list[tuple[float, ...]]) -> None:
    cubes = sum(
        any(all(corner < side for corner, side in zip(cube, box, strict=True)) for box in boxes)
        for cube in product(range(5), repeat=3)
    )
    assert volume(boxes) == cubes


@given(st.lists(st.tuples(whole), min_size=1, max_size=8), st.integers(1, 9))
def test_with_one_objective_the_best_are_taken_and_the_earlier_of_equal_ones(
    values: list[tuple[float]], count: int
) -> None:
    by_value = sorted(range(len(values)), key=lambda index: (-values[index][0], index))
    assert spread(values, count) == by_value[:count]


@given(points, st.integers(1, 4))
def test_the_first_is_the_best_and_none_is_taken_twice(
    several: list[tuple[float, ...]], count: int
) -> None:
    taken = spread(several, count)
    assert several[taken[0]][0] == max(point[0] for point in several)
    assert len(set(taken)) == len(taken) == min(count, len(several))


def test_the_next_point_is_the_one_that_covers_most_beyond_the_first() -> None:
    #        best   like it   knee    cheap and useless   in the middle
    trials = [(9.0, 1.0), (8.9, 1.1), (8.0, 6.0), (1.0, 9.0), (5.0, 3.0), (4.0, 4.0), (3.0, 2.0)]
    assert spread(trials, 2) == [0, 2]
    assert 3 not in spread(trials, 3)


def test_what_half_of_all_points_beat_in_some_objective_adds_nothing() -> None:
    #        best         too slow    knee        beyond it   useless      more useless
    trials = [(10.0, 1.0), (9.5, 0.5), (8.0, 6.0), (7.0, 6.5), (2.0, 99.0), (1.0, 50.0)]
    trials += [(5.0, 4.0), (5.5, 4.1), (6.0, 3.9)]
    assert spread(trials, 3) == [0, 2, 3]
    assert spread(trials, 4) == [0, 2, 3, 1]  # nothing adds any more: the best that is left


def test_of_no_points_none_is_taken() -> None:
    assert spread([], 3) == []
    assert volume([]) == 0.0


def test_a_finalist_stands_on_the_front_by_the_mean_over_its_seeds_not_by_its_best_seed() -> None:
    record = traded()
    arm = next(each for each in record.arms if each.name == "hinet")
    cost = arm.finalists[0].runs[0].cost

    def of_seeds(finalist: FinalistRecord, *values: float) -> FinalistRecord:
        runs = [
            replace(run, valid_objective=value, cost=cost)
            for run, value in zip(finalist.runs, values, strict=True)
        ]
        return replace(finalist, runs=tuple(runs))

    steady, lucky = arm.finalists
    finalists = of_seeds(steady, 0.70, 0.70, 0.70), of_seeds(lucky, 0.78, 0.60, 0.69)
    alone = replace(record, arms=(replace(arm, finalists=finalists),))
    best, beaten = finalists_of(alone, objectives_of(alone))
    assert (best.trial_number, best.is_on_front) == (steady.trial_number, True)
    assert (beaten.trial_number, beaten.is_on_front) == (lucky.trial_number, False)
    assert beaten.values[0] == pytest.approx(0.69)
