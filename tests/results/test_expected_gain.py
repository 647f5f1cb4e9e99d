"""The expected gain is what the last trials brought on average over all orders of them."""

from itertools import combinations
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.results.statistics.expected_gain import expected_gain

VALUES = st.lists(st.floats(-1, 1), min_size=2, max_size=8)


@given(VALUES, st.integers(1, 8))
def test_it_is_the_mean_over_all_parts_that_leave_so_many_out(
    values: list[float], more: int
) -> None:
    left_out = min(more, len(values) // 2)
    kept = list(combinations(values, len(values) - left_out))
    by_force = max(values) - mean(max(part) for part in kept)
    assert expected_gain(values, more) == pytest.approx(by_force, abs=1e-9)


@given(VALUES, st.integers(1, 8))
def test_it_is_never_below_zero_and_grows_with_the_trials(values: list[float], more: int) -> None:
    gain = expected_gain(values, more)
    assert -1e-12 <= gain <= expected_gain(values, more + 1) + 1e-12


def test_equal_values_promise_nothing() -> None:
    assert expected_gain([0.7] * 9, 4) == pytest.approx(0.0)


def test_one_value_promises_nothing() -> None:
    assert expected_gain([0.7], 4) == 0.0
