"""Gains of one arm over another: paired differences, their intervals, and how many seeds would show more."""

import numpy as np
import pytest
from hypothesis import strategies as st

from hinet_search.results.statistics.paired_difference import gain, seeds_to_show, summary
from hinet_search.results.statistics.welch import ArmValues, StandardErrors, estimate

VALUES = st.lists(st.floats(0.4, 0.99), min_size=2, max_size=8)


def seeded(values: list[float]) -> dict[int, float]:
    return dict(enumerate(values))


def test_a_gain_is_the_mean_of_paired_differences() -> None:
    assert gain(seeded([0.7, 0.9]), seeded([0.6, 0.7]), maximize=True).mean == pytest.approx(0.15)


def test_a_lower_loss_is_a_positive_gain() -> None:
    assert gain(seeded([0.3, 0.3]), seeded([0.4, 0.5]), maximize=False).mean == pytest.approx(0.15)


def test_only_seeds_that_both_arms_ran_are_paired() -> None:
    difference = gain({1: 0.7, 2: 0.8, 9: 0.1}, {1: 0.6, 2: 0.7, 8: 0.9}, maximize=True)
    assert (difference.pairs, difference.mean) == (2, pytest.approx(0.1))


def test_without_a_common_seed_there_is_no_gain() -> None:
    with pytest.raises(ValueError, match=r"common seed, got \[1\] and \[2\]"):
        gain({1: 0.7}, {2: 0.7}, maximize=True)


def test_one_pair_has_no_interval_and_is_unclear() -> None:
    difference = gain({1: 0.9}, {1: 0.1}, maximize=True)
    assert (difference.low, difference.high, difference.mark) == (None, None, "unclear")


def test_the_interval_of_five_known_differences_is_the_one_of_the_t_table() -> None:
    difference = gain(seeded([0.01, 0.02, 0.03, 0.04, 0.05]), seeded([0.0] * 5), maximize=True)
    half = 2.7764451 * 0.0158113883 / 5**0.5  # t table at .975 with 4 degrees of freedom
    assert (difference.low, difference.high) == (
        pytest.approx(0.03 - half),
        pytest.approx(0.03 + half),
    )


def test_a_summary_divides_by_n_minus_1() -> None:
    spread = summary([1.0, 3.0])
    assert spread is not None
    assert (spread.mean, spread.deviation, spread.seeds) == (2.0, pytest.approx(2**0.5), 2)


def test_a_summary_of_nothing_is_none() -> None:
    assert summary([]) is None


def needed(effect: float, deviation: float, user_error: float = 0.0, level: float = 0.05) -> int:
    seeds = seeds_to_show(effect, deviation, user_error, level)
    assert seeds is not None
    return seeds


def test_users_that_hide_part_of_an_effect_need_more_seeds() -> None:
    assert needed(0.001, 0.01, 0.0003) > needed(0.001, 0.01)


def test_users_that_hide_an_effect_cannot_be_made_up_for_by_seeds() -> None:
    assert seeds_to_show(0.001, 0.01, user_error=0.0004) is None


@pytest.mark.parametrize(
    ("spread", "level"), [(0.0003, 0.05), (0.0004, 0.05 / 8), (0.001, 0.05), (0.002, 0.05 / 8)]
)
def test_that_many_seeds_find_the_effect_in_80_of_100_studies(spread: float, level: float) -> None:
    count, draw = needed(0.001, 2**0.5 * spread, level=level), np.random.default_rng(5)

    def is_shown() -> bool:
        ours, theirs = draw.normal(0.701, spread, count), draw.normal(0.7, spread, count)
        judged = estimate(ArmValues(tuple(ours)), ArmValues(tuple(theirs)))
        return judged is not None and judged.p < level and judged.mean > 0

    share = np.mean([is_shown() for _ in range(1500)])
    assert 0.78 < share < 0.97  # few seeds are many at once: one fewer would not do


def test_one_seed_fewer_than_needed_is_not_enough() -> None:
    def is_enough(spread: float, count: int) -> bool:
        errors = StandardErrors(spread / count**0.5, count - 1.0)
        return errors.reach(0.05) + errors.reach(0.4) <= 0.001

    for spread in (0.0003, 0.001, 0.003):
        count = needed(0.001, spread)
        assert is_enough(spread, count)
        assert count == 2 or not is_enough(spread, count - 1)


def test_without_any_spread_two_seeds_are_enough() -> None:
    assert needed(0.001, 0.0) == 2
