"""Budget curves: the best value of every arm after which training time, and how the plot shows it."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.report.figures import Axis, axis_near_the_best, path, spread_apart, time_axis_over
from hinet_search.report.sections import budget_curves
from hinet_search.report.sections.budget_curves import (
    ArmCurve,
    Changes,
    budget_curve,
    common_time,
)
from hinet_search.results.contrasts import same_size
from hinet_search.results.records import ArmRecord, Cost, EvaluationRecord, TrialRecord
from hinet_search.results.study_record import StudyRecord
from tests.duels import arm_named, chosen_of, with_chosen
from tests.report.arms import Shape
from tests.report.studies import study

EARLY = ArmCurve("Early", is_focus=False, changes=((1.0, 0.70), (4.0, 0.71)), seconds=40.0)
LATE = ArmCurve("Late", is_focus=True, changes=((8.0, 0.60), (30.0, 0.75)), seconds=100.0)


def test_the_common_time_is_that_of_the_arm_that_trained_least() -> None:
    assert common_time([EARLY, LATE]) == 40.0


def test_arms_beyond_sixteen_stand_in_the_table_only_and_it_is_said() -> None:
    names = [f"part_{k:02}" for k in range(17)]
    body = budget_curves.build(study(Shape(arms=("hinet", *names), trials=4))).body
    assert (body.count('class="end'), len(re.findall(r'<th scope="row">', body))) == (16, 18)
    assert "2 more arms: in the table only." in body


@given(st.lists(st.floats(0, 100), min_size=1, max_size=18))
def test_names_are_apart_inside_the_picture_and_in_the_order_of_their_lines(
    places: list[float],
) -> None:
    moved = spread_apart(places, 5.5)
    pairs = sorted(zip(places, moved, strict=True))
    assert all(-1e-9 <= place <= 100 + 1e-9 for place in moved)
    assert all(b - a >= 5.5 - 1e-9 for a, b in pairwise(sorted(moved)))
    assert all(a[1] <= b[1] for a, b in pairwise(pairs) if a[0] < b[0])


def test_names_that_are_apart_stay_where_they_are() -> None:
    assert spread_apart([90.0, 10.0, 50.0], 5.5) == [90.0, 10.0, 50.0]


def test_names_that_do_not_fit_share_the_height() -> None:
    assert sorted(spread_apart([3.0] * 5, 30.0)) == pytest.approx([0, 25, 50, 75, 100])


def test_times_that_crowd_at_the_start_are_on_a_logarithmic_axis() -> None:
    clock = time_axis_over([1.0, 2.0, 3.0, 900.0], 1_000.0)
    assert (clock.log, clock.words) == (True, "training time of the arm, log scale")
    assert clock.axis.place(clock.along(1.0)) == 0
    assert clock.axis.place(clock.along(1_000.0)) == 100


def test_times_spread_over_the_whole_are_on_a_linear_axis_from_zero() -> None:
    clock = time_axis_over([100.0, 500.0, 900.0], 1_000.0)
    assert (clock.log, clock.axis) == (False, Axis(0.0, 1_000.0))


@pytest.mark.parametrize(
    ("times", "longest", "labels"),
    [
        ([100.0, 500.0, 900.0], 1_500.0, ["0", "5 m", "10 m", "15 m", "20 m", "25 m"]),
        ([10.0, 20.0], 30.0, ["0", "5 s", "10 s", "15 s", "20 s", "25 s", "30 s"]),
        ([5.0, 20.0, 30.0], 7_200.0, ["5 s", "30 s", "2 m", "10 m", "1 h"]),
    ],
)
def test_labels_of_times_are_round_in_their_unit(
    times: list[float], longest: float, labels: list[str]
) -> None:
    written = [
        re.sub("<[^>]+>", "", str(label)) for label in time_axis_over(times, longest).labels()
    ]
    assert written == labels


def test_values_far_below_the_best_do_not_flatten_the_picture() -> None:
    axis = axis_near_the_best([0.1, 0.70, 0.71, 0.72, 0.73, 0.74, 0.75], [0.75], maximize=True)
    assert 0.6 < axis.low < 0.71
    assert axis.high > 0.75


def test_a_staircase_takes_one_number_a_stroke() -> None:
    steps = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (1.0, 1.0)]
    assert path(steps, Axis(0, 1), Axis(0, 1)) == "M0 100H50V0H100"


COST = Cost(10, 5, 10, 1.0, 0.0, 0, "cpu")


def trial(
    number: int, values: list[float], *, seconds: float, state: str = "complete", finished: str = ""
) -> TrialRecord:
    """Evaluations every 10 seconds."""
    evaluations = tuple(
        EvaluationRecord(step, step / 4, value, 0.4, 10.0 * step, ())
        for step, value in enumerate(values, start=1)
    )
    value = max(values, default=None)
    return TrialRecord(
        number,
        state,
        value,
        {},
        number == 0,
        "",
        evaluations,
        replace(COST, seconds=seconds),
        finished=finished,
    )


def curve(*trials: TrialRecord, objective: str = "mean_auc") -> tuple[Changes, float]:
    record = study(Shape(arms=("ple", "hinet"), objective=objective))
    return budget_curve(record, replace(record.arms[0], trials=trials))


def test_every_improvement_is_a_point_within_a_trial_too() -> None:
    assert curve(trial(0, [0.5, 0.7, 0.6], seconds=35)) == (((10, 0.5), (20, 0.7)), 35)


def test_trials_follow_one_another_in_the_order_in_which_they_finished() -> None:
    points = curve(
        trial(0, [0.7], seconds=20, finished="2026-01-01T00:09:00Z"),
        trial(1, [0.6], seconds=10, finished="2026-01-01T00:05:00Z"),
    )
    assert points == (((10, 0.6), (20, 0.7)), 30)


def test_a_failed_trial_spends_its_seconds_and_improves_nothing() -> None:
    points = curve(trial(0, [0.9], seconds=15, state="failed"), trial(1, [0.6], seconds=10))
    assert points == (((25, 0.6),), 25)


def test_a_pruned_trial_improves_what_it_improved() -> None:
    assert curve(trial(0, [0.6], seconds=10, state="pruned")) == (((10, 0.6),), 10)


def test_of_a_loss_the_lowest_is_the_best() -> None:
    changes, _ = curve(trial(0, [0.5, 0.4, 0.45], seconds=30), objective="logloss")
    assert [best for _, best in changes] == [0.5, 0.4]


def test_a_running_trial_and_a_duplicate_are_not_laid() -> None:
    duplicate = replace(trial(1, [0.9], seconds=10), cause="duplicate of 0")
    assert curve(trial(0, [0.9], seconds=10, state="running"), duplicate) == ((), 0)


def test_a_trial_without_evaluations_has_its_value_at_its_end() -> None:
    assert curve(replace(trial(0, [], seconds=40), value=0.7)) == (((40, 0.7),), 40)


def sized(record: StudyRecord, **dense: int) -> StudyRecord:
    """The record with the dense parameters of these arms' finalists."""
    for name, size in dense.items():
        runs = chosen_of(record, name).runs
        changed = tuple(replace(run, cost=replace(run.cost, dense_parameters=size)) for run in runs)
        record = with_chosen(record, name, runs=changed)
    return record


def names(arms: tuple[ArmRecord, ...]) -> list[str]:
    return [arm.name for arm in arms]


def test_arms_within_a_tenth_of_the_dense_parameters_are_of_one_size() -> None:
    record = sized(
        study(Shape(arms=("star", "ple", "mmoe", "hinet"))),
        hinet=1000,
        ple=1100,
        mmoe=1101,
        star=900,
    )
    assert names(same_size(record, arm_named(record, "hinet"))) == ["star", "ple"]


def test_an_arm_built_to_the_size_comes_first_whatever_it_counts() -> None:
    record = sized(
        study(Shape(arms=("ple", "flat_moe", "hinet"))), hinet=1000, ple=1000, flat_moe=5000
    )
    built = replace(arm_named(record, "flat_moe"), size_of="hinet")
    record = replace(
        record, arms=tuple(built if arm.name == "flat_moe" else arm for arm in record.arms)
    )
    assert names(same_size(record, arm_named(record, "hinet"))) == ["flat_moe", "ple"]


def test_an_arm_without_a_finalist_has_no_size() -> None:
    record = study(Shape(arms=("ple", "hinet"), finalists=False))
    assert same_size(record, arm_named(record, "hinet")) == ()
