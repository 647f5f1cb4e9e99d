"""Differences of two arms: errors of seeds and users, degrees of freedom, and how often a claim is false."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from hinet_search.results.finalist_values import largest_selection_bias
from hinet_search.results.statistics.welch import (
    ArmValues,
    Estimate,
    StandardErrors,
    estimate,
    lacking,
)

VALUES = st.lists(st.floats(0.4, 0.99), min_size=2, max_size=8)
ERRORS = st.floats(1e-6, 0.1) | st.just(0.0)
OURS, THEIRS = ArmValues((0.71, 0.72, 0.705, 0.715, 0.72)), ArmValues((0.70, 0.69, 0.71))


def known(left: ArmValues, right: ArmValues) -> Estimate:
    difference = estimate(left, right)
    assert difference is not None
    return difference


def test_with_equal_spreads_and_no_resamplings_it_is_students_test() -> None:
    other = ArmValues(tuple(value + 0.01 for value in OURS.values))
    expected = stats.ttest_ind(OURS.values, other.values)
    difference = known(OURS, other)
    interval = expected.confidence_interval(0.95)
    assert (difference.p, difference.degrees) == (
        pytest.approx(expected.pvalue),
        pytest.approx(expected.df),
    )
    assert difference.interval(0.05) == pytest.approx((interval.low, interval.high))


def test_an_arm_that_has_all_the_spread_gives_students_t_of_its_seeds() -> None:
    difference = known(OURS, ArmValues((0.7, 0.7, 0.7)))
    assert difference.p == pytest.approx(stats.ttest_1samp(OURS.values, 0.7).pvalue)


@given(VALUES, VALUES)
def test_degrees_are_never_more_than_those_of_welch(ours: list[float], theirs: list[float]) -> None:
    assume(np.ptp(ours) > 1e-6 and np.ptp(theirs) > 1e-6)
    difference = known(ArmValues(tuple(ours)), ArmValues(tuple(theirs)))
    fewest = min(len(ours), len(theirs)) - 1
    assert fewest * (1 - 1e-9) <= difference.degrees
    assert difference.degrees <= stats.ttest_ind(ours, theirs, equal_var=False).df * (1 + 1e-9)


def test_users_add_the_spread_of_the_difference_under_the_same_users() -> None:
    left, right = (
        ArmValues(OURS.values, (0.70, 0.72, 0.74), 100),
        ArmValues(THEIRS.values, (0.70, 0.71, 0.72), 100),
    )
    # of 0, 0.01, 0.02, and a hundredth more variance, as 100 users drew them
    assert known(left, right).user_error == pytest.approx(0.01 * (100 / 99) ** 0.5)


def test_users_of_root_mean_squares_are_counted_on_the_mean_squares() -> None:
    left = ArmValues((-3.0, -3.0), (-1.0, -3.0, -5.0), 100, is_root=True)
    right = ArmValues((-1.0, -1.0), (-1.0, -1.0, -1.0), 100, is_root=True)
    expected = np.std([0.0, 8.0, 24.0], ddof=1) / 4 * (100 / 99) ** 0.5
    assert known(left, right).user_error == pytest.approx(expected)


def test_fewer_than_20_users_are_lacking() -> None:
    drawn = (0.7, 0.71, 0.69)
    few, enough = (
        [ArmValues(OURS.values, drawn, count), ArmValues(OURS.values, drawn, count)]
        for count in (19, 20)
    )
    assert (lacking(*few), lacking(*enough)) == ("19 of 20 users", "")


def test_the_selection_bias_of_a_choice_cancels_between_arms_that_vary_alike() -> None:
    left, right = replace(OURS, selection_bias=1.03), replace(OURS, selection_bias=1.03)
    assert known(left, right).seed_error == pytest.approx(known(OURS, OURS).seed_error)


def test_what_one_arm_may_owe_to_selection_bias_more_than_the_other_widens_the_interval() -> None:
    calm = ArmValues((0.7,) * 5)
    error = np.std(OURS.values, ddof=1) / 5**0.5
    widened = known(replace(OURS, selection_bias=1.03), replace(calm, selection_bias=1.03))
    assert widened.seed_error == pytest.approx(error * np.hypot(1, 1.03))
    assert widened.degrees == known(OURS, calm).degrees


def test_the_selection_bias_is_the_mean_of_the_largest_of_normal_numbers() -> None:
    assert largest_selection_bias(1) == pytest.approx(0, abs=1e-12)
    assert largest_selection_bias(2) == pytest.approx(np.pi**-0.5, abs=1e-4)
    assert largest_selection_bias(8) == pytest.approx(1.4236, abs=1e-3)


def test_degrees_of_seeds_are_their_variance_over_the_largest_of_an_arm_per_degree() -> None:
    left = ArmValues((0.0, 2.0))  # variance 2 of two seeds: part 1 with 1 degree
    right = ArmValues((0.0, 3.0, 6.0))  # variance 9 of three seeds: part 3 with 2 degrees
    assert known(left, right).degrees == pytest.approx((1 + 3) / (3 / 2))


def test_users_count_at_most_as_many_degrees_as_there_are_resamplings() -> None:
    drawn = tuple(float(value) for value in range(5))
    pairs = [
        (ArmValues((0.0, 0.0), drawn, units), ArmValues((0.0, 0.0), (0.0,) * 5, units))
        for units in (3, 10_000)
    ]
    assert [known(*pair).user_degrees for pair in pairs] == [2, 4]


def test_without_a_spread_over_seeds_it_is_students_t_of_the_resamplings() -> None:
    drawn = tuple(np.random.default_rng(2).normal(0.7, 0.01, 30).tolist())
    difference = known(ArmValues((0.7, 0.7), drawn, 100), ArmValues((0.68, 0.68), (0.0,) * 30, 100))
    error = np.std(drawn, ddof=1) * (100 / 99) ** 0.5
    assert difference.p == pytest.approx(2 * stats.t.sf(0.02 / error, 29), rel=1e-4)


@given(st.floats(1, 300), st.floats(2, 300), st.floats(0, 1))
def test_p_is_the_tail_of_the_sum_of_a_t_of_seeds_and_one_of_users(
    degrees: float, more: float, share: float
) -> None:
    spread = StandardErrors(share**0.5, degrees, (1 - share) ** 0.5, more)
    draw = np.random.default_rng(4)
    drawn = spread.seed_error * draw.standard_t(
        degrees, 20_000
    ) + spread.user_error * draw.standard_t(more, 20_000)
    assert spread.tail(2.0) == pytest.approx(
        np.mean(np.abs(drawn) > 2), abs=0.012
    )  # four standard errors and more


@given(ERRORS, st.floats(1, 300), ERRORS, st.floats(1, 300), st.floats(1e-4, 0.4))
def test_an_interval_ends_where_the_tail_is_its_level(
    seeds: float, degrees: float, users: float, more: float, level: float
) -> None:
    assume(seeds + users > 0)
    spread = StandardErrors(seeds, degrees, users, more)
    assert spread.tail(spread.reach(level)) == pytest.approx(level, rel=1e-6)


SPREADS = [(0.0015, 0.0015), (0.0012, 0.0026), (0.0005, 0.0029)]


@pytest.mark.parametrize("level", [0.05, 0.05 / 8])
@pytest.mark.parametrize("users", [0.0003, 0.001, 0.0017])
@pytest.mark.parametrize("spreads", SPREADS)
def test_equal_arms_are_called_different_in_no_more_studies_than_the_level_says(
    spreads: tuple[float, float], users: float, level: float
) -> None:
    """Given the errors that a study estimates, the chance of a claim is that of a normal, so few studies do."""
    draw = np.random.default_rng(6)
    part_N2 = np.square(spreads) / 5 * draw.chisquare(4, (200, 2)) / 4
    user_N = users * np.sqrt(draw.chisquare(199, 200) / 199)
    true_error = np.sqrt(np.square(spreads).sum() / 5 + users**2)
    reach_N = [
        StandardErrors(
            float(part.sum()) ** 0.5, float(4 * part.sum() / part.max()), float(user), 199.0
        ).reach(level)
        for part, user in zip(part_N2, user_N, strict=True)
    ]
    chance_N = 2 * stats.norm.sf(np.array(reach_N) / true_error)
    assert chance_N.mean() <= level + 2 * chance_N.std() / 200**0.5


@pytest.mark.parametrize("num_finalists", [4, 8])
@pytest.mark.parametrize("likeness", [0.54, 0.95])
def test_equal_arms_whose_finalists_were_chosen_by_their_seeds_are_rarely_called_different(
    num_finalists: int, likeness: float
) -> None:
    """Of a loud and a calm arm, 0.06 to 0.09 would be, without the allowance."""
    draw, num_studies = np.random.default_rng(7), 3000
    bias = largest_selection_bias(num_finalists)
    claims = 0
    for _ in range(num_studies):
        sides = []
        for spread in (0.0005, 0.005):
            valid_KS = draw.normal(size=(num_finalists, 5))
            best_S = valid_KS[valid_KS.mean(axis=1).argmax()]
            test_S = likeness * best_S + (1 - likeness**2) ** 0.5 * draw.normal(size=5)
            sides.append(ArmValues(tuple((spread * test_S).tolist()), selection_bias=bias))
        claims += known(*sides).p < 0.05
    assert claims / num_studies <= 0.05 + 2 * (0.05 * 0.95 / num_studies) ** 0.5


@pytest.mark.parametrize("sides", [(ArmValues((0.7,)), OURS), (OURS, ArmValues((0.7,)))])
def test_with_one_seed_of_a_side_there_is_no_estimate(sides: tuple[ArmValues, ArmValues]) -> None:
    assert estimate(*sides) is None


def test_equal_values_without_spread_do_not_differ() -> None:
    assert known(ArmValues((0.5, 0.5)), ArmValues((0.5, 0.5))).p == 1


def test_unequal_values_without_spread_differ_for_certain() -> None:
    difference = known(ArmValues((0.75, 0.75)), ArmValues((0.5, 0.5)))
    assert (difference.p, difference.interval(0.05)) == (0, (0.25, 0.25))
