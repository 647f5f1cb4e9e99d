"""Score bins, against every order that rows of equal score can have."""

from collections.abc import Sequence
from itertools import permutations
from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.results.calibration_records import ScoreBins
from hinet_search.results.families import BERNOULLI, POISSON
from hinet_search.results.statistics import score_bins as module
from hinet_search.results.statistics.score_bins import NUM_BINS, score_bins

ROWS = st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 1)), min_size=1, max_size=6)


def binned(rows: Sequence[tuple[float, float]], calibrated: Sequence[float] = ()) -> ScoreBins:
    """Bin rows of (score, label)."""
    score_C = np.array([score for score, _ in rows], np.float32)
    label_C = np.array([label for _, label in rows], np.uint8)
    calibrated_C = np.array(calibrated or score_C, np.float32)
    return score_bins("click", score_C, calibrated_C, label_C, BERNOULLI)


@given(rows=ROWS, num_bins=st.integers(1, 4))
def test_bins_are_a_mean_over_all_orders_of_rows_of_equal_score(
    rows: list[tuple[int, int]], num_bins: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "NUM_BINS", num_bins)
        bins = binned(rows)
    sizes = bins.sizes
    assert sum(sizes) == len(rows)
    assert max(sizes) - min(sizes) <= 1
    orders = [sorted(order, key=lambda row: row[0]) for order in permutations(rows)]
    first = 0
    for place, size in enumerate(sizes):
        taken = [row for order in orders for row in order[first : first + size]]
        mean = np.mean([label for _, label in taken])
        assert bins.labels[place] == pytest.approx(mean, rel=1e-5)
        expected = np.mean([1 / (1 + exp(-score)) for score, _ in taken])
        assert bins.expected[place] == pytest.approx(expected, rel=1e-5)
        assert bins.lowest[place] == orders[0][first][0]
        first += size
    assert bins.highest == max(score for score, _ in rows)


def test_calibrated_scores_are_averaged_in_the_bins_of_the_scores() -> None:
    bins = binned([(1.0, 1), (0.0, 0)], calibrated=[0.0, 40.0])
    assert bins.calibrated == (1.0, 0.5)


def test_many_rows_have_fifty_bins() -> None:
    bins = binned([(number, number % 2) for number in range(1234)])
    assert len(bins.lowest) == NUM_BINS == 50
    assert {*bins.sizes} == {24, 25}


def test_amounts_are_expected_as_exponentials_of_scores() -> None:
    score_C = np.log(np.array([2.0, 4.0], np.float32))
    bins = score_bins("spent", score_C, score_C, np.array([3.0, 5.0], np.float32), POISSON)
    assert (bins.expected, bins.labels) == (pytest.approx((2.0, 4.0)), (3.0, 5.0))
