"""The AUC of amounts is the share of pairs in the right order, by the difference of their amounts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from hinet_search.results.families import BERNOULLI, POISSON, Family
from hinet_search.results.statistics.amount_auc import amount_auc, grouped_amount_auc

VALUES = st.sampled_from([-1.0, -0.0, 0.0, 0.5, 2.0])
AMOUNTS = st.sampled_from([0.0, 0.0, 0.25, 1.0, 30.0])
ROWS = st.lists(st.tuples(VALUES, AMOUNTS, st.integers(0, 2)), min_size=1, max_size=12)


def by_pairs(scores: list[float], amounts: list[float]) -> float | None:
    won = possible = 0.0
    for score, amount in zip(scores, amounts, strict=True):
        for other_score, other_amount in zip(scores, amounts, strict=True):
            difference = max(amount - other_amount, 0.0)
            won += difference * ((score > other_score) + (score == other_score) / 2)
            possible += difference
    return won / possible if possible else None


@given(ROWS)
def test_it_is_that_of_all_pairs(rows: list[tuple[float, float, int]]) -> None:
    scores, amounts, _ = map(list, zip(*rows, strict=True))
    expected, got = by_pairs(scores, amounts), amount_auc(np.array(scores), np.array(amounts))
    assert got == (None if expected is None else pytest.approx(expected, rel=1e-12, abs=1e-12))


@given(ROWS)
def test_every_group_has_its_own(rows: list[tuple[float, float, int]]) -> None:
    scores, amounts, groups = (np.array(column) for column in zip(*rows, strict=True))
    expected = []
    for group in np.unique(groups):
        is_in = groups == group
        auc = by_pairs(scores[is_in].tolist(), amounts[is_in].tolist())
        expected += [] if auc is None else [(auc, is_in.sum(), group)]
    got = grouped_amount_auc(scores, amounts, groups)
    assert got.auc_G.tolist() == pytest.approx([auc for auc, _, _ in expected], abs=1e-12)
    assert got.rows_G.tolist() == [rows for _, rows, _ in expected]
    assert got.group_G.tolist() == [group for _, _, group in expected]


def test_of_0_and_1_it_is_the_auc() -> None:
    generator = np.random.default_rng(0)
    label_R = generator.integers(0, 2, 500)
    score_R = np.round(label_R + generator.normal(size=500), 1)  # with ties
    assert amount_auc(score_R, label_R) == pytest.approx(roc_auc_score(label_R, score_R))


@pytest.mark.parametrize("family", [BERNOULLI, POISSON], ids=lambda family: family.name)
def test_the_slope_of_the_loss_is_the_error_of_the_mean(family: Family) -> None:
    score_R, step = np.linspace(-4, 4, 9), 1e-6
    for label in (0.0, 1.0):
        label_R = np.full_like(score_R, label)
        rise_R = family.loss(score_R + step, label_R) - family.loss(score_R - step, label_R)
        np.testing.assert_allclose(rise_R / (2 * step), family.mean(score_R) - label, atol=1e-8)


@pytest.mark.parametrize("family", [BERNOULLI, POISSON], ids=lambda family: family.name)
def test_a_score_is_that_of_its_mean_and_the_variance_is_the_slope_of_the_mean(
    family: Family,
) -> None:
    score_R, step = np.linspace(-4, 4, 9), 1e-6
    np.testing.assert_allclose(family.score(family.mean(score_R)), score_R, atol=1e-12)
    slope_R = (family.mean(score_R + step) - family.mean(score_R - step)) / (2 * step)
    np.testing.assert_allclose(family.variance(family.mean(score_R)), slope_R, rtol=1e-8)


def test_the_loss_of_an_amount_is_0_at_the_amount_and_finite_for_any_score() -> None:
    amount_R: NDArray[np.float64] = np.array([0.5, 1.0, 40.0])
    np.testing.assert_allclose(POISSON.loss(np.log(amount_R), amount_R), 0.0, atol=1e-12)
    assert np.isfinite(POISSON.loss(np.array([-1e30, 1e30]), np.array([0.0, 3.0]))).all()
