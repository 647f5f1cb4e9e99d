"""Feeds, and the order of rows."""

import gc
import weakref
from itertools import product
from typing import get_args

import numpy as np
import pytest
import torch
from datasets import columns

from hinet_search.models.layers.batch import rows_by_scenario
from hinet_search.training import row_order
from hinet_search.training.feed import forget_copies, make_feed
from hinet_search.training.row_order import BLOCK_ROWS, BLOCKS_AT_ONCE, batches_of_epoch
from hinet_search.training.seeding import seeded_model
from hinet_search.training.train_config import Shuffle

CPU = torch.device("cpu")


def order(
    seed: int, epoch_number: int, *, num_rows: int = 100, shuffle: Shuffle = "rows"
) -> list[int]:
    batches = batches_of_epoch(
        num_rows,
        30,
        shuffle,
        seed=seed,
        epoch_number=epoch_number,
        user_R=np.arange(num_rows, dtype=np.int32) % 9 - 1,
    )
    return torch.cat(list(batches)).tolist()


def test_selected_rows_come_in_the_order_asked_for():
    split = columns(20, 1)
    batch, labels_BT = make_feed(split, CPU).select(torch.tensor([7, 3]))
    assert np.array_equal(batch.numeric_BN.numpy(), split.numeric_RN[[7, 3]])
    assert batch.scenario_B.tolist() == split.scenario_R[[7, 3]].tolist()
    assert np.array_equal(labels_BT.numpy(), split.labels_RT[[7, 3]])


def test_a_model_takes_the_order_by_scenario_that_a_feed_found():
    batch, _ = make_feed(columns(20, 1), CPU).select(torch.tensor([7, 4, 3, 2]))
    rows = rows_by_scenario(batch, 3)
    assert rows.order_B is batch.order_B
    assert (rows.sizes, rows.order_B.tolist()) == ((2, 2, 0), [1, 3, 0, 2])
    assert rows.sort(batch).scenario_B.tolist() == [0, 0, 1, 1]


def test_rows_that_are_in_order_by_scenario_are_left_so():
    feed = make_feed(columns(20, 1), CPU)
    rows_B = feed.by_scenario(torch.tensor([7, 4, 3, 2]))
    assert rows_B.tolist() == [4, 2, 7, 3], "even rows are of scenario 0, others of scenario 1"
    batch, _ = feed.select(rows_B)
    rows = rows_by_scenario(batch, 3)
    assert (rows.order_B, rows.sizes) == (None, (2, 2, 0))
    assert rows.sort(batch) is batch


def test_a_batch_counts_the_rows_of_each_scenario():
    feed = make_feed(columns(20, 1), CPU)
    batches = [feed.select(torch.tensor([0, 2, 4, 1]))[0]]
    batches += [batch for _, batch in feed.all_rows(16)]
    assert [batch.sizes for batch in batches] == [(3, 1), (10, 6), (0, 4)]
    assert feed.select(torch.tensor([0, 2]))[0].sizes == (2,), (
        "scenarios after the last one present are left out"
    )


def test_all_rows_come_once_and_those_of_a_window_by_scenario(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hinet_search.training.feed.WINDOW_ROWS", 12)
    split = columns(23, 1)
    numbered = list(make_feed(split, CPU).all_rows(5))
    assert [len(batch) for _, batch in numbered] == [5, 5, 2, 5, 5, 1]
    rows_R = torch.cat([rows_B for rows_B, _ in numbered]).numpy()
    assert rows_R.tolist() == [
        *range(0, 12, 2),
        *range(1, 12, 2),
        *range(12, 23, 2),
        *range(13, 23, 2),
    ]
    inputs_RN = torch.cat([batch.numeric_BN for _, batch in numbered]).numpy()
    assert np.array_equal(inputs_RN, split.numeric_RN[rows_R])


@pytest.mark.parametrize("shuffle", get_args(Shuffle))
@pytest.mark.parametrize("num_rows", [1, 30, 100, 3 * BLOCK_ROWS + 5])
def test_the_order_of_an_epoch_holds_every_row_once(shuffle, num_rows):
    assert sorted(order(1, 0, num_rows=num_rows, shuffle=shuffle)) == list(range(num_rows))


@pytest.mark.parametrize("shuffle", get_args(Shuffle))
def test_the_order_depends_on_the_seed_and_the_epoch_and_nothing_else(shuffle):
    first = order(1, 0, shuffle=shuffle)
    torch.manual_seed(99)
    assert order(1, 0, shuffle=shuffle) == first
    seeds_and_epochs = product(range(3), repeat=2)
    orders = {tuple(order(seed, number, shuffle=shuffle)) for seed, number in seeds_and_epochs}
    assert len(orders) == 9


@pytest.mark.parametrize("shuffle", get_args(Shuffle))
def test_row_numbers_beyond_32_bits_are_wide_and_give_the_same_order(shuffle, monkeypatch):
    narrow = order(1, 0, num_rows=10_000, shuffle=shuffle)
    assert [row_order.number_type(size) for size in (2**31 - 1, 2**31)] == [
        torch.int32,
        torch.int64,
    ]
    monkeypatch.setattr(row_order, "number_type", lambda _: torch.int64)
    assert order(1, 0, num_rows=10_000, shuffle=shuffle) == narrow


@pytest.mark.parametrize("shuffle", get_args(Shuffle))
def test_every_step_has_a_whole_batch_and_the_last_what_is_left(shuffle):
    num_rows = (BLOCKS_AT_ONCE + 2) * BLOCK_ROWS + 7
    user_R = np.zeros(num_rows, np.int32)
    batches = batches_of_epoch(num_rows, 1000, shuffle, seed=1, epoch_number=0, user_R=user_R)
    sizes = [len(rows_B) for rows_B in batches]
    assert set(sizes[:-1]) == {1000}
    assert (len(sizes), sizes[-1]) == (-(-num_rows // 1000), num_rows % 1000)


def test_rows_of_a_window_come_from_few_blocks_and_are_shuffled_among_themselves():
    window = BLOCKS_AT_ONCE * BLOCK_ROWS
    rows = np.array(order(1, 0, num_rows=10 * window, shuffle="blocks"))[:window]
    assert len(set(rows // BLOCK_ROWS)) == BLOCKS_AT_ONCE
    assert len(set(rows[:1000] // BLOCK_ROWS)) == BLOCKS_AT_ONCE, (
        "a batch mixes the blocks of its window"
    )
    assert rows.max() > 5 * window, "blocks come from everywhere"


def test_on_the_cpu_a_feed_is_a_view_of_the_columns():
    split = columns(20, 1)
    feed = make_feed(split, CPU)
    assert feed.ids_RF.data_ptr() == split.ids_RF.ctypes.data
    assert feed.labels_RT.data_ptr() == split.labels_RT.ctypes.data


ELSEWHERE = torch.device("meta")  # a device that every machine has


def test_the_copy_on_a_device_is_made_once_for_all_trials_of_a_slot():
    split = columns(20, 1)
    first = make_feed(split, ELSEWHERE)
    assert make_feed(split, ELSEWHERE) is first
    forget_copies()
    assert make_feed(split, ELSEWHERE) is not first


def test_the_copy_on_a_device_goes_with_its_columns():
    copy = weakref.ref(make_feed(columns(20, 1), ELSEWHERE).labels_RT)
    gc.collect()
    assert copy() is None


def test_a_seeded_model_is_reproducible_and_leaves_the_callers_generator_alone():
    torch.manual_seed(5)
    untouched = torch.rand(3)
    torch.manual_seed(5)
    first = seeded_model(lambda: torch.nn.Linear(3, 3), 1).weight
    assert torch.equal(torch.rand(3), untouched)
    assert torch.equal(seeded_model(lambda: torch.nn.Linear(3, 3), 1).weight, first)
    assert not torch.equal(seeded_model(lambda: torch.nn.Linear(3, 3), 2).weight, first)
