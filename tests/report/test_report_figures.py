"""Figures: positions in per cent, ticks, whiskers."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.report.figures import Axis, ForestRow, axis_over, forest, path
from hinet_search.report.html import tag
from hinet_search.report.record_facts import as_steps
from hinet_search.report.sections.curves import MOST_POINTS, thinned
from hinet_search.results.statistics.paired_difference import Difference


@given(st.floats(-1, 1), st.floats(0.001, 2))
def test_ticks_are_inside_the_axis_and_equally_apart(low: float, length: float) -> None:
    axis = Axis(low, low + length)
    ticks = axis.ticks()
    gaps = [b - a for a, b in pairwise(ticks)]
    assert all(axis.low - 1e-9 <= tick <= axis.high + 1e-9 for tick in ticks)
    assert gaps == pytest.approx([gaps[0]] * len(gaps)) if gaps else ticks


def test_a_value_outside_the_axis_is_drawn_at_its_end() -> None:
    assert (Axis(0, 1).place(-3), Axis(0, 1).place(0.25), Axis(0, 1).place(7)) == (0, 25, 100)


def test_an_axis_of_one_value_has_room_on_both_sides() -> None:
    axis = axis_over([0.7])
    assert axis.low < 0.7 < axis.high


def test_y_grows_upwards() -> None:
    assert path([(0, 0), (1, 1)], Axis(0, 1), Axis(0, 1)) == "M0 100L100 0"


def test_a_whisker_that_leaves_the_picture_has_an_arrow() -> None:
    html = forest(
        [ForestRow("PLE", "", Difference(0.001, -0.9, 0.9, 0.1, 2))], "Compared with", "Gain"
    )
    assert "cut-left cut-right" in html


def test_a_dot_stands_where_its_mean_is() -> None:
    rows = [ForestRow("a", "", Difference(mean, mean, mean, 0.0, 5)) for mean in (-0.01, 0.01)]
    html = forest(rows, "Compared with", "Gain")
    zero = float(re.findall(r'class="z" style="left:([\d.]+)%', html)[0])
    dots = [float(place) for place in re.findall(r'class="d" style="left:([\d.]+)%', html)]
    assert (dots[0] + dots[1]) / 2 == pytest.approx(zero, abs=0.1)
    assert dots[0] < zero < dots[1]


def test_steps_hold_a_value_until_it_changes() -> None:
    assert as_steps([(0, 1.0), (4, 2.0)], 9) == [(0, 1.0), (4, 1.0), (4, 2.0), (9, 2.0)]


def test_thinning_keeps_the_first_and_the_last_point() -> None:
    points = [(float(x), 0.0, 0.0, 0.0) for x in range(1000)]
    remaining = thinned(points)
    assert (remaining[0], remaining[-1]) == (points[0], points[-1])
    assert len(remaining) <= MOST_POINTS + 1


@given(st.text())
def test_plain_text_is_escaped_in_elements_and_attributes(text: str) -> None:
    html = tag("p", text, title=text or "-")
    assert html.count("<") == html.count(">") == 2
    assert html.count('"') == 2
