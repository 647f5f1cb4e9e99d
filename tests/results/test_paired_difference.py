"""Gains of one arm over another: paired differences, their intervals, and the smallest that is shown."""

import numpy as np
import pytest
from hypothesis import strategies as st

from hinet_search.results.statistics.paired_difference import (
    expected_smallest,
    gain,
    smallest_shown,
    summary,
)
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
    half = 2.7764451 * 0.0158113883 / 5**0.5  # t table at 0.975 with 4 degrees of freedom
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


@pytest.mark.parametrize(
    ("spread", "count", "level"),
    [(0.0003, 5, 0.05), (0.001, 5, 0.05 / 8), (0.002, 20, 0.05), (0.002, 40, 0.05 / 8)],
)
def test_the_smallest_difference_is_found_in_80_of_100_studies(
    spread: float, count: int, level: float
) -> None:
    draw = np.random.default_rng(5)
    errors = StandardErrors((2 / count) ** 0.5 * spread, count - 1.0)
    effect = smallest_shown(errors, level)

    def is_shown() -> bool:
        ours, theirs = draw.normal(0.7 + effect, spread, count), draw.normal(0.7, spread, count)
        judged = estimate(ArmValues(tuple(ours)), ArmValues(tuple(theirs)))
        return judged is not None and judged.p < level and judged.mean > 0

    assert 0.78 < np.mean([is_shown() for _ in range(1500)]) < 0.97


def test_the_users_error_hides_a_difference_whatever_the_seeds() -> None:
    of_users = smallest_shown(StandardErrors(0.0, 1.0, 0.0004, 199.0))
    assert of_users > 0.001
    assert smallest_shown(StandardErrors(0.0001, 8.0, 0.0004, 199.0)) > of_users


# Ones and rows of every cell on test.
CELLS = {
    "rivals-kuairand-standard": (
        (348, 152, 16479, 11508, 747, 566, 1476, 1155, 149, 89),
        (3809, 3809, 34507, 34507, 1477, 1477, 2549, 2549, 943, 943),
    ),
    "rivals-movielens-standard": (
        (23261, 9527, 44508, 17269, 47255, 18580),
        (42146, 42146, 79247, 79247, 78655, 78655),
    ),
    "public-epinions-categories_5-standard": (
        (3478, 507, 4192, 373, 2192, 218, 2393, 345, 947, 171),
        (13719, 13719, 10557, 10557, 5617, 5617, 6354, 6354, 2697, 2697),
    ),
}


# Errors of seeds and of users of the differences of these studies, the first arms (docs/results/rivals.md and public.md at f38e2928).
ERRORS = {
    "rivals-kuairand-standard": (
        (0.00052, 0.00176),
        (0.00085, 0.00154),
        (0.00069, 0.00181),
        (0.00202, 0.00152),
    ),
    "rivals-movielens-standard": (
        (0.00067, 0.00017),
        (0.00069, 0.00024),
        (0.00086, 0.00013),
        (0.00069, 0.00023),
    ),
    "public-epinions-categories_5-standard": (
        (0.00047, 0.00097),
        (0.00047, 0.00104),
        (0.00043, 0.00072),
        (0.0013, 0.00263),
    ),
}


def test_what_is_expected_before_a_study_is_what_studies_of_real_data_measured() -> None:
    ratios = []
    for name, (ones, rows) in CELLS.items():
        cells = [(one, row - one) for one, row in zip(ones, rows, strict=True)]
        for seed_error, user_error in ERRORS[name]:
            measured = (
                smallest_shown(StandardErrors(seed_error, 8.0, user_error, 199.0)),
                smallest_shown(StandardErrors(0, 1, user_error, 199)),
            )
            ratios.append(np.divide(expected_smallest(cells, 5), measured))
    assert len(ratios) == 12
    within = [((ratio > 1 / 2) & (ratio < 2)).all() for ratio in ratios]
    assert np.mean(within) > 0.9


def test_more_seeds_and_more_rows_show_less() -> None:
    five, any_number = expected_smallest([(1000, 9000)], 5)
    assert any_number < expected_smallest([(1000, 9000)], 20)[0] < five
    assert expected_smallest([(4000, 36000)], 5)[1] == pytest.approx(any_number / 2, rel=0.01)


def test_without_both_classes_nothing_can_be_shown() -> None:
    assert expected_smallest([(0, 9)], 5) == (1.0, 1.0)
