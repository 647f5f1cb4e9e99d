"""The order of rows in a pass depends only on the seed and the pass, and has each row once."""

from itertools import groupby

import numpy as np
import pytest
import torch

from hinet_search.training.row_order import ROWS_TOGETHER, batches_of_pass
from hinet_search.training.seeding import Purpose, derived_seed


@pytest.mark.parametrize("num_rows", [1, 1000, 2**21 + 1])
def test_an_order_of_rows_is_torchs_permutation_under_the_seed_of_its_pass(num_rows: int) -> None:
    generator = torch.Generator().manual_seed(derived_seed(3, Purpose.DATA_ORDER, 1))
    rows = torch.cat(list(batches_of_pass(num_rows, 2**17, "rows", seed=3, pass_number=1)))
    assert rows.equal(torch.randperm(num_rows, generator=generator, dtype=torch.int32))


@pytest.mark.parametrize("shuffle", ["rows", "blocks"])
def test_a_pass_has_each_row_once_in_whole_batches(shuffle: str) -> None:
    batches = list(batches_of_pass(300_001, 2**16, shuffle, seed=3, pass_number=0))
    assert [len(batch) for batch in batches] == [2**16] * 4 + [300_001 - 4 * 2**16]
    assert torch.cat(batches).sort().values.equal(torch.arange(300_001, dtype=torch.int32))


@pytest.mark.parametrize("shuffle", ["rows", "blocks"])
def test_every_pass_has_an_order_of_its_own(shuffle: str) -> None:
    first, second = (
        torch.cat(list(batches_of_pass(1000, 100, shuffle, seed=3, pass_number=number)))
        for number in (0, 1)
    )
    assert not first.equal(second)


def users_in_order(pass_number: int, batch_size: int = 100) -> tuple[list[int], torch.Tensor]:
    """The users of a pass over 1,000 rows of 40 users, a tenth without one, and its rows."""
    user_R = np.random.default_rng(0).integers(-4, 40, 1000).clip(-1).astype(np.int32)
    batches = batches_of_pass(
        1000, batch_size, "users", seed=3, pass_number=pass_number, user_R=user_R
    )
    rows_R = torch.cat(list(batches))
    return user_R[rows_R.numpy()].tolist(), rows_R


def runs_of_users(pass_number: int) -> list[tuple[int, int]]:
    """Users in the order of a pass, with the number of rows that stand side by side."""
    users, _ = users_in_order(pass_number)
    return [(user, len(list(run))) for user, run in groupby(users) if user >= 0]


def test_up_to_eight_rows_of_a_user_stand_side_by_side_in_another_order_each_pass() -> None:
    user_R = np.random.default_rng(0).integers(-4, 40, 1000).clip(-1)
    sizes = dict(enumerate(np.bincount(user_R[user_R >= 0]).tolist()))
    for pass_number in (0, 1):
        _, rows_R = users_in_order(pass_number)
        assert rows_R.sort().values.equal(torch.arange(1000, dtype=torch.int32))
        runs = runs_of_users(pass_number)
        for user, num_rows in sizes.items():
            of_user = [length for each, length in runs if each == user]
            # two groups of a user may meet by chance
            assert len(of_user) <= -(-num_rows // ROWS_TOGETHER)
            assert max(of_user) >= min(ROWS_TOGETHER, num_rows)
    assert np.mean([length for _, length in runs_of_users(0)]) > ROWS_TOGETHER / 2
    assert max(length for _, length in runs_of_users(0)) <= 2 * ROWS_TOGETHER
    assert runs_of_users(0) != runs_of_users(1)


def test_rows_of_a_user_come_in_random_order() -> None:
    orders = []
    for pass_number in (0, 1):
        users, rows_R = users_in_order(pass_number)
        orders.append([row for row, user in zip(rows_R.tolist(), users, strict=True) if user == 7])
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1] != sorted(orders[1])


def test_rows_without_a_user_are_drawn_one_by_one() -> None:
    users, _ = users_in_order(0)
    places = np.flatnonzero(np.array(users) < 0)
    assert len(places) > 50
    assert (np.diff(places) > 1).mean() > 0.2
    assert places.max() - places.min() > 500


def test_a_pass_depends_on_the_users_only_by_who_shares_rows() -> None:
    """Numbers of users may have gaps, as some users are in other splits alone."""
    user_R = np.random.default_rng(1).integers(0, 30, 200).astype(np.int32)
    orders = [
        torch.cat(list(batches_of_pass(200, 32, "users", seed=1, pass_number=0, user_R=users_R)))
        for users_R in (user_R, 1_000_000 * user_R)
    ]
    assert orders[0].equal(orders[1])
