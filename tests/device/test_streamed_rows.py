"""Rows that a GPU has no room for: batches are sent one by one, and every step is the same."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from hinet_search.training import feed as module
from hinet_search.training.feed import (
    BATCHES_AHEAD,
    Feed,
    StreamedFeed,
    forget_copies,
    made_ahead,
    make_feed,
    predict,
)
from hinet_search.training.row_order import batches_of_epoch
from hinet_search.training.trial_config import build_config
from tests.device.simulated import simulated_device
from tests.device.simulated_tensor import DEVICE
from tests.device.test_steps_on_a_device import DATA, conditions, count, every_model, step
from tests.device.test_training_on_a_device import trained
from tests.models.cases import Case
from tests.training.fake_models import CPU, Watch

HOST = make_feed(DATA.train, CPU)


@pytest.fixture(autouse=True)
def _full_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    forget_copies()
    with simulated_device():
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (0, 80 * 10**9))
        yield
    forget_copies()


def feed_of_training() -> StreamedFeed:
    feed = make_feed(DATA.train, DEVICE)
    assert isinstance(feed, StreamedFeed)
    return feed


def assert_selects(feed: Feed, rows_B: torch.Tensor) -> None:
    """Inputs and labels are on the device, and those of the rows."""
    batch, labels_BT = feed.select(rows_B)
    expected, expected_labels_BT = HOST.select(rows_B)
    assert labels_BT.device == DEVICE
    assert torch.equal(labels_BT.cpu(), expected_labels_BT)
    assert batch.sizes == expected.sizes
    for name in ("ids_BF", "numeric_BN", "scenario_B", "lists_BS"):
        there, here = getattr(batch, name), getattr(expected, name)
        assert there.device == DEVICE
        assert (there.dtype, there.shape) == (here.dtype, here.shape)
        assert torch.equal(there.cpu(), here)
    if expected.order_B is None:
        assert batch.order_B is None
    else:
        assert torch.equal(batch.order_B.cpu(), expected.order_B)


@pytest.mark.parametrize("rows", [[7, 3, 90, 7], [5], list(range(96))], ids=str)
def test_a_batch_has_the_rows_that_were_asked_for(rows: list[int]) -> None:
    assert_selects(feed_of_training(), torch.tensor(rows))


def test_amounts_and_a_split_without_numbers_are_sent_whole() -> None:
    amounts = replace(
        DATA.train,
        labels_RT=DATA.train.labels_RT.astype(np.float32) * 2.5,
        numeric_RN=DATA.train.numeric_RN[:, :0],
    )
    batch, labels_BT = make_feed(amounts, DEVICE).select(torch.tensor([4, 9, 2]))
    assert batch.numeric_BN.shape == (3, 0)
    assert np.array_equal(labels_BT.cpu().numpy(), amounts.labels_RT[[4, 9, 2]])


def test_batches_that_were_read_ahead_are_those_of_the_order() -> None:
    feed = feed_of_training()
    epochs = (batches_of_epoch(96, 10, "rows", seed=1, epoch_number=0) for _ in range(2))
    rows, expected = epochs
    for rows_B, expected_B in zip(feed.ahead(rows), expected, strict=True):
        assert torch.equal(rows_B, expected_B)
        assert_selects(feed, torch.tensor([3, 1]))  # between, and not the next
        assert_selects(feed, rows_B)
        assert_selects(feed, rows_B)  # again


@every_model
def test_a_step_copies_its_batch_at_once_and_never_waits(case: Case) -> None:
    traffic = step(case.build(DATA.full_schema), conditions())
    assert count(traffic) == (0, 1), traffic


@pytest.mark.parametrize("optimiser", ["adam", "lazy_adam"])
def test_a_training_ends_as_on_the_cpu(optimiser: str) -> None:
    watches = [Watch(), Watch()]
    model = trained(CPU, watches[0], embedding_optimiser=optimiser)
    model_there = trained(DEVICE, watches[1], embedding_optimiser=optimiser).cpu()
    torch.testing.assert_close(model_there.state_dict(), model.state_dict())
    on_cpu, there = ([each.objective for each in watch.records] for watch in watches)
    assert there == pytest.approx(on_cpu)


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


def test_no_thread_is_left_after_a_training_that_was_stopped() -> None:
    trained(DEVICE, Watch(stop_after=3))
    assert not readers()


def test_scores_of_all_rows_are_those_of_rows_on_the_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = build_config("mmoe", {}).build(DATA.full_schema).to(DEVICE)
    streamed_RT = predict(model, feed_of_training(), batch_size=7)
    forget_copies()
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (10**9, 10**9))
    kept = make_feed(DATA.train, DEVICE)
    assert not isinstance(kept, StreamedFeed)
    assert np.array_equal(streamed_RT, predict(model, kept, batch_size=7))


@pytest.mark.parametrize(
    ("free", "expected"),
    [(0, 4096), (8 * 10**9, 7629), (80 * 10**9, 76_293), (800 * 10**9, module.WINDOW_ROWS)],
)
def test_rows_are_scored_as_many_at_once_as_an_eighth_of_the_free_memory_holds(
    free: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (free, 10**12))
    assert module.rows_at_once(DEVICE) == expected
    assert module.rows_at_once(torch.device("cpu")) == 4096


def test_a_gpu_scores_a_split_in_fewer_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_config("mmoe", {}).build(DATA.full_schema).to(DEVICE)
    sizes: list[int] = []
    model.register_forward_pre_hook(lambda _model, given: sizes.append(len(given[0])))
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 8)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (10**9, 80 * 10**9))
    predict(model, feed_of_training())
    assert sizes == [len(DATA.train.scenario_R)]


@pytest.mark.parametrize(("missing", "is_streamed"), [(0, False), (1, True)])
def test_slots_that_share_a_gpu_keep_rows_there_if_half_of_it_holds_those_of_all(
    missing: int, is_streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = 2 * 4 * module.bytes_on_device(DATA.train) - missing
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (total, total))
    monkeypatch.setenv("HINET_SEARCH_SLOTS_OF_GPU", "4")
    assert isinstance(make_feed(DATA.train, DEVICE), StreamedFeed) == is_streamed


@pytest.mark.parametrize(("missing", "is_streamed"), [(0, False), (1, True)])
def test_rows_leave_half_of_the_memory_to_trainings(
    missing: int, is_streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 40 * 10**9 + module.bytes_on_device(DATA.train) - missing
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (free, 80 * 10**9))
    assert isinstance(make_feed(DATA.train, DEVICE), StreamedFeed) == is_streamed


def test_rows_stay_on_the_host_if_another_process_takes_the_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (10**9, 10**9))
    real = module._copy_to

    def run_out(device: torch.device, columns: object) -> Feed:
        if device == DEVICE:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 12.00 GiB.")
        return real(device, columns)

    monkeypatch.setattr(module, "_copy_to", run_out)
    assert_selects(feed_of_training(), torch.tensor([4, 9, 2]))


def numbers(end: int, then: Callable[[], None]) -> Iterator[int]:
    for number in range(end):
        made.append(number)
        yield number
    then()


made: list[int] = []


def test_items_are_made_before_they_are_asked_for_but_only_some() -> None:
    made.clear()
    items = made_ahead(numbers(100, lambda: None))
    first = next(items)
    assert first == 0
    items.close()
    assert 1 < len(made) <= BATCHES_AHEAD + 1
    assert not readers()


@pytest.mark.parametrize("num_items", [0, 1, BATCHES_AHEAD, 50])
def test_all_items_come_in_their_order(num_items: int) -> None:
    assert list(made_ahead(numbers(num_items, lambda: None))) == list(range(num_items))


def test_what_fails_in_the_thread_is_raised_where_its_item_was_asked_for() -> None:
    def fail() -> None:
        raise OSError("the disk is gone")

    items = made_ahead(numbers(10, fail))
    assert list(islice(items, 10)) == list(range(10))
    with pytest.raises(OSError, match="the disk is gone"):
        next(items)
    assert not readers()
