"""A planted order: pairs within users learn what differs between a user's rows, not between users.

Users who click often have low numbers, but every user clicks the rows with their highest numbers.
"""

from dataclasses import replace

import numpy as np
import pytest
from fake_models import DATA, fit_on, linear

from hinet_search.data.columns import Columns

NUM_USERS, ROWS_A_USER = 60, 12


def rows(seed: int) -> Columns:
    """Rows of users with very different rates, whom no input names."""
    draw = np.random.default_rng(seed)
    user_R = np.repeat(np.arange(NUM_USERS), ROWS_A_USER)
    rate_R = draw.normal(0, 2, NUM_USERS)[user_R]
    own_R = draw.normal(size=len(user_R))
    chance_R = 1 / (1 + np.exp(-rate_R - 2 * own_R))
    labels_RT = draw.random((len(user_R), 2)) < chance_R[:, None]
    order_R = draw.permutation(len(user_R))
    return Columns(
        ids_RF=np.zeros((len(user_R), 1), np.int32),
        numeric_RN=np.stack([own_R - 2 * rate_R, np.zeros_like(own_R)], 1).astype(np.float32),
        scenario_R=draw.integers(2, size=len(user_R)).astype(np.int16),
        labels_RT=labels_RT.astype(np.uint8),
        user_R=user_R.astype(np.int32),
        lists_RS=np.zeros((len(user_R), 0), np.int32),
    ).where(order_R)


PLANTED = replace(DATA, train=rows(1), valid=rows(2))


def gauc(**train: object) -> float:
    """The value after the last step: random weights before the first can be right by chance."""
    result = fit_on(
        PLANTED, linear(PLANTED), objective="gauc", epochs=8, learning_rate=0.03, **train
    )
    return result.evaluations[-1].objective


@pytest.mark.parametrize("shuffle", ["rows", "users"])
def test_cross_entropy_orders_the_rows_of_a_user_the_wrong_way_round(shuffle: str) -> None:
    assert gauc(shuffle=shuffle) < 0.5


def test_pairs_within_users_order_them_right() -> None:
    right = gauc(loss="pairs_within_users", ranking_weight=10.0, shuffle="users")
    assert right > 0.75
