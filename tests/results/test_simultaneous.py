"""Several statements at once: Holm's procedure over baselines, and one level for all cells of a pair."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hinet_search.results.statistics.simultaneous import holm, joint_level, level_at

P_VALUES = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=6)
NO_RESAMPLINGS = np.empty((0, 4))


@given(P_VALUES)
def test_an_adjusted_p_value_is_the_largest_that_bonferroni_gives_any_set_with_it(
    p_values: list[float],
) -> None:
    numbers = range(len(p_values))
    sets = [
        chosen for size in range(1, len(p_values) + 1) for chosen in combinations(numbers, size)
    ]
    of_set = {
        chosen: min(1.0, len(chosen) * min(p_values[index] for index in chosen)) for chosen in sets
    }
    expected = [max(p for chosen, p in of_set.items() if index in chosen) for index in numbers]
    assert [step.p_holm for step in holm(p_values)] == pytest.approx(expected)


@given(P_VALUES)
def test_a_p_value_is_below_its_level_where_holm_rejects(p_values: list[float]) -> None:
    for p, step in zip(p_values, holm(p_values), strict=True):
        if abs(step.p_holm - 0.05) > 1e-9:
            assert (p < step.level) == (step.p_holm < 0.05)


def test_levels_step_up_until_one_is_not_rejected() -> None:
    levels = [step.level for step in holm([0.04, 0.001, 0.03, 0.012])]
    assert levels == pytest.approx(
        [0.05 / 2, 0.05 / 4, 0.05 / 2, 0.05 / 3]
    )  # 0.03 > 0.05 / 2: 0.04 stays at its level


def test_one_comparison_is_not_adjusted() -> None:
    (step,) = holm([0.03])
    assert (step.p_holm, step.level) == (0.03, 0.05)


def test_a_later_look_has_a_stricter_level_and_larger_adjusted_p_values() -> None:
    first, third = holm([0.004, 0.02]), holm([0.004, 0.02], level_at(3))
    assert [step.level for step in third] == pytest.approx([0.05 / 9 / 2] * 2)
    assert [step.p_holm for step in third] == pytest.approx([9 * first[0].p_holm, 9 * 0.02])
    assert joint_level(NO_RESAMPLINGS, np.ones(4), level_at(3)) == pytest.approx(0.05 / 9 / 4)


def test_nothing_compared_is_nothing() -> None:
    assert holm([]) == []


def normal(
    correlation: float, num_cells: int, num_draws: int, seed: int = 1
) -> NDArray[np.float64]:
    """Return draws (D, C) of variance 1 with that correlation."""
    draw = np.random.default_rng(seed)
    common_D1, own_DC = (
        draw.standard_normal((num_draws, 1)),
        draw.standard_normal((num_draws, num_cells)),
    )
    return correlation**0.5 * common_D1 + (1 - correlation) ** 0.5 * own_DC


def test_without_resamplings_the_level_is_bonferronis() -> None:
    assert joint_level(NO_RESAMPLINGS, np.ones(4)) == 0.05 / 4


def test_cells_that_are_one_share_the_whole_level() -> None:
    resampled_DC = np.repeat(normal(0, 1, 200), 4, axis=1)
    assert joint_level(resampled_DC, np.zeros(4)) == pytest.approx(0.05, rel=0.05)


def test_cells_that_have_nothing_in_common_get_sidaks_level() -> None:
    assert joint_level(normal(0, 4, 5000), np.zeros(4)) == pytest.approx(1 - 0.95**0.25, rel=0.05)


def test_correlated_users_give_a_level_between_the_two() -> None:
    assert 0.05 / 4 * 1.3 < joint_level(normal(0.8, 4, 5000), np.zeros(4)) < 0.05 * 0.9


def test_seeds_are_taken_as_independent_between_cells() -> None:
    same = np.repeat(normal(0, 1, 200), 4, axis=1)
    assert joint_level(same, np.full(4, 1e6)) == pytest.approx(1 - 0.95**0.25, rel=0.05)


@given(st.integers(0, 10_000), st.integers(2, 12), st.floats(0, 1))
def test_a_joint_level_is_never_below_bonferronis_nor_above_5_percent(
    seed: int, num_cells: int, share: float
) -> None:
    level = joint_level(normal(share, num_cells, 60, seed), np.full(num_cells, 0.1))
    assert 0.05 / num_cells <= level <= 0.05


def test_one_cell_has_the_whole_level() -> None:
    assert joint_level(normal(0, 1, 200), np.ones(1)) == 0.05
