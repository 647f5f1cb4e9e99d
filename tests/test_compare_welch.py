"""Differences of two arms: errors of seeds and users, degrees of freedom, and how often a claim is false."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hinet_search.compare import Estimate, Side, estimate

VALUES = st.lists(st.floats(0.4, 0.99), min_size=2, max_size=8)
OURS, THEIRS = Side((0.71, 0.72, 0.705, 0.715, 0.72)), Side((0.70, 0.69, 0.71))


def known(left: Side, right: Side) -> Estimate:
    found = estimate(left, right)
    assert found is not None
    return found


def test_without_resamplings_it_is_welchs_test() -> None:
    expected = stats.ttest_ind(OURS.values, THEIRS.values, equal_var=False)
    found = known(OURS, THEIRS)
    assert (found.p, found.degrees) == (pytest.approx(expected.pvalue), pytest.approx(expected.df))


def test_without_resamplings_the_interval_is_welchs() -> None:
    expected = stats.ttest_ind(OURS.values, THEIRS.values, equal_var=False).confidence_interval(0.95)
    assert known(OURS, THEIRS).interval(0.05) == pytest.approx((expected.low, expected.high))


def test_without_resamplings_the_error_of_users_is_not_known() -> None:
    assert known(OURS, THEIRS).user_error is None


def test_users_add_the_spread_of_the_difference_under_the_same_users() -> None:
    left, right = Side(OURS.values, (0.70, 0.72, 0.74), 100), Side(THEIRS.values, (0.70, 0.71, 0.72), 100)
    assert known(left, right).user_error == pytest.approx(0.01)  # of 0, .01, .02


def test_what_users_do_to_both_arms_alike_is_no_error() -> None:
    drawn = (0.60, 0.72, 0.81)
    left, right = Side(OURS.values, drawn, 100), Side(THEIRS.values, tuple(value - 0.05 for value in drawn), 100)
    assert known(left, right).user_error == pytest.approx(0, abs=1e-12)


def test_errors_of_seeds_and_users_add_as_squares() -> None:
    found = replace(known(OURS, THEIRS), seed_error=0.003, user_error=0.004)
    assert found.error == pytest.approx(0.005)


def test_degrees_are_those_of_welch_and_satterthwaite_over_three_parts() -> None:
    left = Side((0.0, 2.0), (0.0, 1.0, 2.0), 3)  # variance 2 of two seeds: part 1 with 1 degree; users: 1 with 2
    right = Side((0.0, 3.0, 6.0), (0.0, 0.0, 0.0), 3)  # variance 9 of three seeds: part 3 with 2 degrees
    assert known(left, right).degrees == pytest.approx((1 + 3 + 1) ** 2 / (1 / 1 + 9 / 2 + 1 / 2))


def test_users_count_at_most_as_many_degrees_as_there_are_resamplings() -> None:
    drawn = tuple(float(value) for value in range(5))
    few, many = (
        known(Side((0.0, 0.0), drawn, units), Side((0.0, 0.0), (0.0,) * 5, units)).degrees for units in (3, 10_000)
    )
    assert (few, many) == (pytest.approx(2), pytest.approx(4))


@pytest.mark.parametrize("sides", [(Side((0.7,)), OURS), (OURS, Side((0.7,)))])
def test_one_seed_of_a_side_tells_nothing_of_its_spread(sides: tuple[Side, Side]) -> None:
    assert estimate(*sides) is None


def test_equal_values_without_spread_do_not_differ() -> None:
    assert known(Side((0.5, 0.5)), Side((0.5, 0.5))).p == 1


def test_unequal_values_without_spread_differ_for_certain() -> None:
    found = known(Side((0.75, 0.75)), Side((0.5, 0.5)))
    assert (found.p, found.interval(0.05)) == (0, (0.25, 0.25))


@given(VALUES, VALUES, st.floats(0.001, 0.2))
def test_an_interval_excludes_0_where_p_is_below_its_level(
    ours: list[float], theirs: list[float], level: float
) -> None:
    found = known(Side(tuple(ours)), Side(tuple(theirs)))
    low, high = found.interval(level)
    if abs(found.p - level) > 1e-9:
        assert (low > 0 or high < 0) == (found.p < level)


def simulated(gain: float, num_studies: int, *, counted: bool) -> list[float]:
    """p-values of studies with 5 seeds (sd .0015) and users who favour one arm by chance (sd .002)."""
    draw = np.random.default_rng(8)
    found = []
    for _ in range(num_studies):
        ours, theirs = draw.normal(0.72, 0.0015, (2, 5))
        favour = float(draw.normal(0, 0.002))
        drawn = draw.normal(gain + favour, 0.002, 200)
        left = Side(tuple((ours + gain + favour).tolist()), tuple(drawn.tolist()), 15_000)
        right = Side(tuple(theirs.tolist()), (0.0,) * 200, 15_000)
        if not counted:
            left, right = Side(left.values), Side(right.values)
        found.append(known(left, right).p)
    return found


def share_claimed(p_values: list[float]) -> float:
    return sum(p < 0.05 for p in p_values) / len(p_values)


def test_equal_arms_are_called_different_in_at_most_5_of_100_studies() -> None:
    assert 0.03 < share_claimed(simulated(0.0, 2000, counted=True)) < 0.05 + 2 * 0.005


def test_without_the_users_equal_arms_are_called_different_far_too_often() -> None:
    assert share_claimed(simulated(0.0, 500, counted=False)) > 0.3


def found_with_5_seeds(gain: float) -> float:
    """Share of studies that find a gain; seeds have sd .0015, users .0005 as they favour like arms little."""
    draw = np.random.default_rng(9)
    claims = 0
    for _ in range(500):
        ours, theirs = draw.normal(0.72, 0.0015, (2, 5))
        shift = gain + float(draw.normal(0, 0.0005))
        left = Side(tuple((ours + shift).tolist()), tuple(draw.normal(shift, 0.0005, 200).tolist()), 15_000)
        claims += known(left, Side(tuple(theirs.tolist()), (0.0,) * 200, 15_000)).interval(0.05)[0] > 0
    return claims / 500


def test_a_true_gain_of_4_thousandths_is_found_with_5_seeds() -> None:
    assert found_with_5_seeds(0.004) > 0.9


def test_a_true_gain_of_a_tenth_of_a_thousandth_is_not() -> None:
    assert found_with_5_seeds(0.0001) < 0.06
