"""The shipped and the newer model are compared over users, and one is called better only if that is shown."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from hinet_search.data.columns import Columns
from hinet_search.results.cells import make_cells
from hinet_search.results.objectives import objective_named
from hinet_search.results.statistics.welch import USERS_FOR_A_CLAIM
from hinet_search.serving.newer.card import verdict_of
from hinet_search.serving.newer.comparison import Comparison, compare, measure

CELLS = make_cells(("Home", "Push"), ("click",))
TRUE_R = np.random.default_rng(0).normal(size=2000)


def rows_of(num_users: int) -> Columns:
    """2,000 rows, those of a user one after another; without users if there are none."""
    draw = np.random.default_rng(1)
    user_R = np.full(2000, -1) if num_users == 0 else np.arange(2000) * num_users // 2000
    return Columns(
        ids_RF=np.zeros((2000, 0), np.int32),
        numeric_RN=np.zeros((2000, 0), np.float32),
        scenario_R=draw.integers(2, size=2000).astype(np.int16),
        labels_RT=(draw.random(2000) < expit(TRUE_R)).astype(np.uint8)[:, np.newaxis],
        user_R=user_R.astype(np.int32),
        lists_RS=np.zeros((2000, 0), np.int32),
    )


def scores(error: float, seed: int = 2) -> NDArray[np.float32]:
    """The true logits with a normal error (R, 1)."""
    drawn_R = TRUE_R + error * np.random.default_rng(seed).normal(size=2000)
    return drawn_R[:, np.newaxis].astype(np.float32)


def compared(
    before_RT: NDArray[np.float32],
    after_RT: NDArray[np.float32],
    rows: Columns,
    objective: str = "mean_auc",
    **level: float,
) -> Comparison:
    named = objective_named(objective)
    before, after = (
        measure(named, each_RT, rows, CELLS, "rows") for each_RT in (before_RT, after_RT)
    )
    return compare(named, rows, CELLS, before, after, **level)


@pytest.mark.parametrize("objective", ["mean_auc", "logloss"])
def test_a_model_that_is_better_or_worse_on_many_users_is_told(objective: str) -> None:
    good_RT, bad_RT, rows = scores(0.1), scores(3.0), rows_of(200)
    better, worse = (
        compared(*pair, rows, objective) for pair in ((bad_RT, good_RT), (good_RT, bad_RT))
    )
    assert (better.gain.direction, worse.gain.direction) == ("better", "worse")
    assert better.gain.mean == pytest.approx(abs(better.after - better.before))
    assert better.gain.mean == pytest.approx(-worse.gain.mean)
    assert verdict_of(better).startswith(f"better than before: {objective} from ")
    assert verdict_of(worse).startswith(f"worse than before: {objective} from ")


def test_a_model_of_the_same_error_is_not_told_apart() -> None:
    comparison = compared(scores(1.0), scores(1.0, seed=3), rows_of(200))
    assert comparison.after != comparison.before
    assert comparison.gain.direction == "unclear"
    assert verdict_of(comparison).startswith("no difference shown: mean_auc from ")
    assert verdict_of(comparison).endswith("over 200 users)")


def test_the_same_scores_have_a_gain_of_0() -> None:
    comparison = compared(scores(1.0), scores(1.0), rows_of(200))
    assert (comparison.gain.low, comparison.gain.mean, comparison.gain.high) == (0, 0, 0)
    assert comparison.gain.direction == "unclear"


def test_what_few_users_show_is_no_claim() -> None:
    few = compared(scores(3.0), scores(0.1), rows_of(USERS_FOR_A_CLAIM - 1))
    enough = compared(scores(3.0), scores(0.1), rows_of(USERS_FOR_A_CLAIM))
    assert few.gain.mean > 0.1
    assert few.gain.direction == "unclear"
    assert verdict_of(few).endswith("no interval over 19 users, too few)")
    assert enough.gain.direction == "better"


def test_without_users_the_interval_is_over_rows() -> None:
    comparison = compared(scores(3.0), scores(0.1), rows_of(0))
    assert comparison.units == "2,000 rows"
    assert comparison.gain.direction == "better"


def test_the_interval_is_wider_if_rows_are_of_few_users() -> None:
    """Errors are of users, so twenty users tell less than as many rows would."""
    of_user_R = np.random.default_rng(4).normal(size=20)[np.arange(2000) * 20 // 2000]
    after_RT = (TRUE_R + 2 * of_user_R)[:, np.newaxis].astype(np.float32)
    rows = rows_of(20)
    alone = replace(rows, user_R=np.full(2000, -1, dtype=np.int32))
    of_users, of_rows = (compared(scores(0.5), after_RT, each, "logloss") for each in (rows, alone))
    widths = [each.gain.high - each.gain.low for each in (of_users, of_rows)]
    assert widths[0] > 1.5 * widths[1]


def test_the_interval_is_wider_if_a_claim_must_be_false_more_seldom() -> None:
    once, of_nights = (
        compared(scores(0.5), scores(0.6), rows_of(200), **level).gain
        for level in ({}, {"level": 0.05 / 28})
    )
    assert once.low is not None
    assert of_nights.low is not None
    assert of_nights.mean == once.mean
    half = (once.mean - once.low, of_nights.mean - of_nights.low)
    assert half[1] / half[0] == pytest.approx(3.16 / 1.97, rel=0.02)  # quantiles of t, 199 degrees
