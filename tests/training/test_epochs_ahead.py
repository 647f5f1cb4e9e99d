"""A thread draws the order of the next epoch of a large split, and changes nothing else."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from fake_models import CPU, DATA, Watch, linear, weights_hash
from torch import Tensor

from hinet_search.results.objectives import objective_named
from hinet_search.training import run_state
from hinet_search.training.fit import fit
from hinet_search.training.row_order import batches_of_epoch
from hinet_search.training.run_state import Conditions, batches, begin
from hinet_search.training.train_config import TrainConfig
from tests.waiting import wait_until

STEPS_PER_EPOCH, NUM_EPOCHS = 10, 3
USERS_R = np.arange(DATA.train.num_rows, dtype=np.int32) % 20
WITH_USERS = replace(DATA, train=replace(DATA.train, user_R=USERS_R))
NAME = "read-ahead"


def conditions(shuffle: str = "rows") -> Conditions:
    given = {"batch_size": 32, "patience": 0, "epochs": float(NUM_EPOCHS), "shuffle": shuffle}
    config = TrainConfig.model_validate(given)
    objective = objective_named("macro_auc")
    return Conditions(WITH_USERS, DATA.full_schema, config, 3, objective, CPU)


def rows_of(shuffle: str, first_step: int = 0) -> Iterator[Tensor]:
    run, _ = begin(linear(DATA), conditions(shuffle), 0.0)
    return batches(run, first_step, lambda _epochs_done: None)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """The epochs that were drawn, each with the name of its thread; every split counts as large."""
    epochs: list[tuple[int, str]] = []

    def recorded(*given: object, epoch_number: int, **named: object) -> Iterator[Tensor]:
        epochs.append((epoch_number, threading.current_thread().name))
        yield from batches_of_epoch(*given, epoch_number=epoch_number, **named)

    monkeypatch.setattr(run_state, "batches_of_epoch", recorded)
    monkeypatch.setattr(run_state, "DRAWN_AHEAD_ROWS", 1)
    return epochs


def threads_that_draw() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith(NAME)]


@pytest.mark.parametrize("first_step", [0, 10, 13])
@pytest.mark.parametrize("shuffle", ["rows", "users"])
def test_every_step_has_the_rows_that_it_has_without_the_thread(
    shuffle: str, first_step: int, drawn: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = torch.cat(list(rows_of(shuffle, first_step)))
    assert {name.startswith(NAME) for _, name in drawn} == {True}
    monkeypatch.setattr(run_state, "DRAWN_AHEAD_ROWS", 1_000_000)
    assert ahead.equal(torch.cat(list(rows_of(shuffle, first_step))))
    assert drawn[-1][1] == threading.current_thread().name


def test_the_next_epoch_is_drawn_while_one_is_trained_on_and_none_after_the_last(
    drawn: list[tuple[int, str]],
) -> None:
    rows = rows_of("rows")
    for epoch_number in range(NUM_EPOCHS):
        next(rows)
        coming = range(min(epoch_number + 2, NUM_EPOCHS))
        wait_until(lambda coming=coming: [number for number, _ in drawn] == list(coming))
        for _ in range(STEPS_PER_EPOCH - 1):
            next(rows)
            assert len(drawn) == len(coming)
    assert next(rows, None) is None
    assert not threads_that_draw()


def test_blocks_are_drawn_where_they_are_needed(drawn: list[tuple[int, str]]) -> None:
    torch.cat(list(rows_of("blocks")))
    assert {name for _, name in drawn} == {threading.current_thread().name}


@pytest.mark.usefixtures("drawn")
def test_a_training_that_stops_leaves_no_thread_and_has_the_same_weights() -> None:
    models = [linear(DATA), linear(DATA)]
    fit(models[0], conditions(), Watch(stop_after=13))
    assert not threads_that_draw()
    run_state.DRAWN_AHEAD_ROWS = 1_000_000  # as it is; the fixture puts it back
    fit(models[1], conditions(), Watch(stop_after=13))
    assert weights_hash(models[0]) == weights_hash(models[1])


def test_an_error_of_the_thread_ends_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_state, "DRAWN_AHEAD_ROWS", 1)
    monkeypatch.setattr(torch, "randperm", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit(linear(DATA), conditions(), Watch())
