"""Budget curves: which arm leads after which training time, and how the plot shows it."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.report.figures import Axis, axis_near_the_best, path, spread_apart, time_axis_over
from hinet_search.report.sections import budget_curves
from hinet_search.report.sections.budget_curves import ArmCurve, Leader, common_time, leaders
from tests.report.arms import Shape
from tests.report.studies import study

EARLY = ArmCurve("Early", is_focus=False, changes=((1.0, 0.70), (4.0, 0.71)), seconds=40.0)
LATE = ArmCurve("Late", is_focus=True, changes=((8.0, 0.60), (30.0, 0.75)), seconds=100.0)


def test_the_common_time_is_that_of_the_arm_that_trained_least() -> None:
    assert common_time([EARLY, LATE]) == 40.0


def test_the_lead_changes_when_a_later_value_is_better() -> None:
    assert list(leaders([EARLY, LATE], maximize=True)) == [
        Leader(0.25, "Early", 0.71),
        Leader(0.5, "Early", 0.71),
        Leader(1.0, "Late", 0.75),
    ]


def test_the_lowest_value_leads_where_lower_is_better() -> None:
    assert [lead.name for lead in leaders([EARLY, LATE], maximize=False)] == [
        "Late",
        "Late",
        "Early",
    ]


def test_an_arm_without_a_value_by_then_does_not_lead() -> None:
    slow = replace(LATE, changes=((39.0, 0.9),))
    assert [lead.name for lead in leaders([EARLY, slow], maximize=True)] == [
        "Early",
        "Early",
        "Late",
    ]


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
