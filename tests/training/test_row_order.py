"""The order of rows in an epoch depends only on the seed and the epoch; mapped rows are read ahead."""

import mmap
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hinet_search.data.columns import Columns
from hinet_search.training.row_order import (
    BLOCK_ROWS,
    BLOCKS_AT_ONCE,
    ROWS_OF_GROUP,
    ROWS_TOGETHER,
    batches_of_epoch,
    read_ahead,
    reader_ahead,
)
from hinet_search.training.seeding import Purpose, derived_seed


@pytest.mark.parametrize("num_rows", [1, 1000, 2**21 + 1])
def test_an_order_of_rows_is_torchs_permutation_under_the_seed_of_its_epoch(num_rows: int) -> None:
    generator = torch.Generator().manual_seed(derived_seed(3, Purpose.DATA_ORDER, 1))
    rows = torch.cat(list(batches_of_epoch(num_rows, 2**17, "rows", seed=3, epoch_number=1)))
    assert rows.equal(torch.randperm(num_rows, generator=generator, dtype=torch.int32))


def users_in_order(epoch_number: int, batch_size: int = 100) -> tuple[list[int], torch.Tensor]:
    """The users of an epoch over 1,000 rows of 40 users, a tenth without one, and its rows."""
    user_R = np.random.default_rng(0).integers(-4, 40, 1000).clip(-1).astype(np.int32)
    batches = batches_of_epoch(
        1000, batch_size, "users", seed=3, epoch_number=epoch_number, user_R=user_R
    )
    rows_R = torch.cat(list(batches))
    return user_R[rows_R.numpy()].tolist(), rows_R


def runs_of_users(epoch_number: int) -> list[tuple[int, int]]:
    """Users in the order of an epoch, with the number of rows that stand side by side."""
    users, _ = users_in_order(epoch_number)
    return [(user, len(list(run))) for user, run in groupby(users) if user >= 0]


def test_up_to_eight_rows_of_a_user_stand_side_by_side_in_another_order_each_epoch() -> None:
    user_R = np.random.default_rng(0).integers(-4, 40, 1000).clip(-1)
    sizes = dict(enumerate(np.bincount(user_R[user_R >= 0]).tolist()))
    for epoch_number in (0, 1):
        _, rows_R = users_in_order(epoch_number)
        assert rows_R.sort().values.equal(torch.arange(1000, dtype=torch.int32))
        runs = runs_of_users(epoch_number)
        for user, num_rows in sizes.items():
            of_user = [length for each, length in runs if each == user]
            # two groups of a user may meet by chance
            assert len(of_user) <= -(-num_rows // ROWS_TOGETHER)
            assert max(of_user) >= min(ROWS_TOGETHER, num_rows)
    assert np.mean([length for _, length in runs_of_users(0)]) > ROWS_TOGETHER / 2
    assert max(length for _, length in runs_of_users(0)) <= 2 * ROWS_TOGETHER
    assert runs_of_users(0) != runs_of_users(1)


def test_more_rows_stand_together_where_that_is_asked() -> None:
    group_R = np.repeat(np.arange(20), 50).astype(np.int32)
    batches = batches_of_epoch(
        1000, 100, "users", seed=3, epoch_number=0, user_R=group_R, together=ROWS_OF_GROUP
    )
    groups = group_R[torch.cat(list(batches)).numpy()].tolist()
    assert [len(list(run)) for _, run in groupby(groups)] == [50] * 20


def test_rows_of_a_user_come_in_random_order() -> None:
    orders = []
    for epoch_number in (0, 1):
        users, rows_R = users_in_order(epoch_number)
        orders.append([row for row, user in zip(rows_R.tolist(), users, strict=True) if user == 7])
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1] != sorted(orders[1])


def test_rows_without_a_user_are_drawn_one_by_one() -> None:
    users, _ = users_in_order(0)
    places = np.flatnonzero(np.array(users) < 0)
    assert len(places) > 50
    assert (np.diff(places) > 1).mean() > 0.2
    assert places.max() - places.min() > 500


def test_an_epoch_depends_on_the_users_only_by_who_shares_rows() -> None:
    """Numbers of users may have gaps, as some users are in other splits alone."""
    user_R = np.random.default_rng(1).integers(0, 30, 200).astype(np.int32)
    orders = [
        torch.cat(list(batches_of_epoch(200, 32, "users", seed=1, epoch_number=0, user_R=users_R)))
        for users_R in (user_R, 1_000_000 * user_R)
    ]
    assert orders[0].equal(orders[1])


NUM_ROWS = 2 * BLOCKS_AT_ONCE * BLOCK_ROWS + 10


class Watched(mmap.mmap):
    """A mapped file that notes for which of its bytes it is asked."""

    asked: list[range]

    def madvise(self, option: int, start: int = 0, length: int = 0) -> None:
        assert option == mmap.MADV_WILLNEED
        self.asked.append(range(start, start + length))
        super().madvise(option, start, length)


def watched_columns(folder: Path, num_rows: int) -> tuple[Columns, Watched]:
    """Columns whose ids are mapped, and the file of these."""
    file = folder / "ids.npy"
    np.save(file, np.arange(num_rows * 3, dtype=np.int32).reshape(num_rows, 3))
    with file.open("rb") as stream:
        mapped = Watched(stream.fileno(), 0, access=mmap.ACCESS_READ)
    mapped.asked = []
    of_file = np.load(file, mmap_mode="r")
    ids_RF: NDArray[np.int32] = np.ndarray((num_rows, 3), np.int32, mapped, of_file.offset)
    columns = Columns(
        ids_RF=ids_RF,
        numeric_RN=np.zeros((num_rows, 1), np.float32),
        scenario_R=np.zeros(num_rows, np.int16),
        labels_RT=np.zeros((num_rows, 1), np.uint8),
        user_R=np.zeros(num_rows, np.int32),
        lists_RS=np.zeros((num_rows, 0), np.int32),
    )
    return columns, mapped


@pytest.mark.parametrize("rows", [range(1), range(4096, 8192), range(9_000, 10_000)])
def test_what_is_asked_for_are_the_pages_of_the_rows(tmp_path: Path, rows: range) -> None:
    columns, file = watched_columns(tmp_path, 10_000)
    read_ahead(columns, rows)
    (asked,) = file.asked
    of_rows = columns.ids_RF[rows.start : rows.stop].tobytes()
    assert of_rows in file[asked.start : asked.stop]
    assert len(asked) < len(of_rows) + mmap.PAGESIZE


def test_views_of_mapped_columns_are_asked_for_too(tmp_path: Path) -> None:
    columns, file = watched_columns(tmp_path, 10_000)
    read_ahead(columns.spaced(2), range(10))
    (asked,) = file.asked
    assert columns.ids_RF[18].tobytes() in file[asked.start : asked.stop]


def test_a_training_that_resumes_does_not_ask_for_rows_behind_it(tmp_path: Path) -> None:
    columns, file = watched_columns(tmp_path, 10_000)
    coming = reader_ahead(columns, 4096)
    coming(4095, range(4096))
    assert not file.asked
    coming(4096, range(4096))
    assert len(file.asked) == 1


def test_every_block_is_announced_once_a_window_before_its_rows() -> None:
    announced: list[tuple[int, range]] = []
    order = batches_of_epoch(
        NUM_ROWS,
        1000,
        "blocks",
        seed=3,
        epoch_number=0,
        coming=lambda num_before, rows: announced.append((num_before, rows)),
    )
    first = next(order)
    assert len(announced) == BLOCKS_AT_ONCE  # the second window, before the first is used up
    rows_of_epoch = torch.cat([first, *order]).tolist()
    for num_before, group in groupby(announced, key=lambda pair: pair[0]):
        rows = {row for _, block in group for row in block}
        assert rows == set(rows_of_epoch[num_before : num_before + len(rows)])
    num_announced = sum(len(rows) for _, rows in announced)
    assert announced[0][0] + num_announced == NUM_ROWS
