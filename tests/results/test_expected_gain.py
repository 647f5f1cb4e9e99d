"""The expected gain is what the last trials brought on average over all orders of them."""

from itertools import combinations, pairwise
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.search.time_budget import expected_gain

VALUES = st.lists(st.floats(-1, 1), min_size=2, max_size=8)


@given(VALUES, st.integers(1, 4))
def test_it_is_the_mean_over_all_parts_that_leave_so_many_out(
    values: list[float], more: int
) -> None:
    left_out = min(more, len(values) // 2)
    kept = list(combinations(values, len(values) - left_out))
    by_force = max(values) - mean(max(part) for part in kept)
    assert expected_gain(values, left_out) == pytest.approx(by_force, abs=1e-9)


@given(VALUES)
def test_it_grows_with_the_trials_and_each_brings_less_for_the_next(values: list[float]) -> None:
    gains = [0.0, *(expected_gain(values, more) for more in range(1, len(values) // 2 + 1))]
    steps = [later - earlier for earlier, later in pairwise(gains)]
    assert all(step >= -1e-12 for step in steps)
    assert all(later >= earlier - 1e-12 for earlier, later in pairwise(steps))


@given(st.floats(-1, 1), st.integers(2, 40))
def test_equal_values_promise_nothing(value: float, number: int) -> None:
    assert 0.0 <= expected_gain([value] * number, number // 2) <= 1e-12
