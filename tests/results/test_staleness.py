"""Staleness: what older inputs cost, with errors of paired seeds and of the same users."""

from dataclasses import replace

import numpy as np
import pytest

from hinet_search.results.data_record import FROZEN, LATER
from hinet_search.results.staleness import lost_by, stale_costs
from hinet_search.results.statistics.welch import ArmValues, estimate_of_same_weights
from tests.report.refreshed import LOST, LOST_LATER, refreshed
from tests.report.studies import small


def sides(seed: int, num_seeds: int = 5, num_users: int = 400) -> tuple[ArmValues, ArmValues]:
    """Values of the same models, whose seeds differ far more than their inputs do."""
    draw = np.random.default_rng(seed)
    of_seed, drawn = draw.normal(0.75, 0.02, num_seeds), draw.normal(0.75, 0.01, 200)
    return (
        ArmValues(tuple(of_seed), tuple(drawn), num_users),
        ArmValues(
            tuple(of_seed - 0.004 + draw.normal(0, 0.0005, num_seeds)),
            tuple(drawn - 0.004 + draw.normal(0, 0.0008, 200)),
            num_users,
        ),
    )


def test_seeds_are_paired_and_users_are_the_same() -> None:
    for seed in range(20):
        fresh, stale = sides(seed)
        found = estimate_of_same_weights(fresh, stale)
        assert found is not None
        differences = np.subtract(fresh.values, stale.values)
        drawn = np.subtract(fresh.resampled, stale.resampled)
        assert found.mean == pytest.approx(differences.mean())
        assert found.seed_error == pytest.approx(differences.std(ddof=1) / 5**0.5)
        assert found.user_error == pytest.approx((drawn.var(ddof=1) * 400 / 399) ** 0.5)
        assert (found.degrees, found.user_degrees) == (4, 199)


def test_a_loss_that_all_seeds_and_users_share_is_shown_though_seeds_differ_more() -> None:
    lost = lost_by(*sides(3))
    assert lost.low is not None
    assert 0.002 < lost.low < 0.004
    assert lost.lacks == ""


def test_few_seeds_or_users_make_an_observation() -> None:
    assert "4 of 5 seeds" in lost_by(*sides(3, num_seeds=4)).lacks
    assert "12 of 20 users" in lost_by(*sides(3, num_users=12)).lacks
    one = lost_by(*sides(3, num_seeds=1))
    assert one.low is None
    assert one.lacks
    not_counted = lost_by(*(replace(side, resampled=()) for side in sides(3)))
    assert not_counted.low is None
    assert not_counted.lacks


def test_every_arm_that_was_opened_has_its_costs_and_no_other_access_has_any() -> None:
    record = refreshed()
    for access, lost in ((FROZEN, LOST), (LATER, LOST_LATER)):
        costs = stale_costs(record, access)
        assert [cost.arm for cost in costs] == [arm.name for arm in record.arms]
        for cost in costs:
            assert cost.fresh - cost.stale == pytest.approx(lost)
            assert cost.lost.mean == pytest.approx(lost)
    assert stale_costs(record, "another") == ()
    assert stale_costs(small(), FROZEN) == ()


def test_users_are_those_of_both_resamplings() -> None:
    record = refreshed()
    (arm, *others) = record.arms
    finalist = next(each for each in arm.finalists if each.summary is not None)
    assert finalist.summary is not None
    stale = finalist.summary.stale[FROZEN]
    noise_D = np.random.default_rng(0).normal(0, 0.003, len(stale.resampled.headline))
    headline = tuple(np.add(stale.resampled.headline, noise_D).tolist())
    noisy = replace(stale, resampled=replace(stale.resampled, headline=headline))
    changed = replace(finalist, summary=replace(finalist.summary, stale={FROZEN: noisy}))
    record = replace(record, arms=(replace(arm, finalists=(changed,)), *others))
    cost = stale_costs(record, FROZEN)[0]
    assert cost.lost.low is not None
    assert cost.lost.high is not None
    assert 0.005 < cost.lost.high - cost.lost.low < 0.02


def test_of_a_measure_that_is_minimised_more_is_a_loss() -> None:
    record = refreshed()
    turned = replace(record, maximize=False)
    (cost, *_), (other, *_) = stale_costs(record, FROZEN), stale_costs(turned, FROZEN)
    assert (other.fresh, other.stale) == (pytest.approx(cost.fresh), pytest.approx(cost.stale))
    assert other.lost.mean == pytest.approx(-cost.lost.mean)
