"""Facts about feeds, the order of rows, and devices."""

import numpy as np
import pytest
import torch
from datasets import columns, separable

from hinet_search.errors import EnvironmentFault
from hinet_search.schema import Schema
from hinet_search.training.device import begin_peak_memory, choose_device, peak_memory_bytes
from hinet_search.training.feed import make_feed, row_order
from hinet_search.training.seeding import seeded_model

CPU = torch.device("cpu")
SCHEMA = Schema(("home", "search"), ("click", "order"), ("item",), (3,), ("a", "b"))


def order(seed: int, pass_number: int) -> list[int]:
    return row_order(100, seed=seed, pass_number=pass_number, device=CPU).tolist()


def test_ids_beyond_the_vocabulary_become_unknown_and_others_stay():
    split = columns(50, 1)
    ids = make_feed(split, SCHEMA, CPU).inputs_R.ids_BF.numpy()
    assert np.array_equal(ids, np.where(split.ids_RF >= 3, 0, split.ids_RF))
    assert (split.ids_RF >= 3).any(), "the data themselves are left alone"


def test_a_read_only_array_becomes_a_feed():
    split = columns(10, 1)
    for array in (split.ids_RF, split.numeric_RN, split.scenario_R, split.labels_RT, split.lists_RS):
        array.flags.writeable = False
    assert len(make_feed(split, SCHEMA, CPU)) == 10


def test_selected_rows_come_in_the_order_asked_for():
    split = columns(20, 1)
    batch, labels_BT = make_feed(split, SCHEMA, CPU).select(torch.tensor([7, 3]))
    assert np.array_equal(batch.numeric_BN.numpy(), split.numeric_RN[[7, 3]])
    assert batch.scenario_B.tolist() == split.scenario_R[[7, 3]].tolist()
    assert np.array_equal(labels_BT.numpy(), split.labels_RT[[7, 3]])


def test_batches_in_order_cover_every_row_once():
    split = columns(23, 1)
    batches = list(make_feed(split, SCHEMA, CPU).in_order(10))
    assert [len(batch) for batch in batches] == [10, 10, 3]
    assert np.array_equal(torch.cat([batch.numeric_BN for batch in batches]).numpy(), split.numeric_RN)


def test_the_order_of_a_pass_holds_every_row_once():
    assert sorted(order(1, 0)) == list(range(100))


def test_the_order_depends_on_the_seed_and_the_pass_and_nothing_else():
    first = order(1, 0)
    torch.manual_seed(99)
    assert order(1, 0) == first
    assert len({tuple(order(seed, number)) for seed in range(3) for number in range(3)}) == 9


def test_a_seeded_model_is_the_same_each_time_and_leaves_the_callers_generator_alone():
    torch.manual_seed(5)
    untouched = torch.rand(3)
    torch.manual_seed(5)
    first = seeded_model(lambda: torch.nn.Linear(3, 3), 1).weight
    assert torch.equal(torch.rand(3), untouched)
    assert torch.equal(seeded_model(lambda: torch.nn.Linear(3, 3), 1).weight, first)
    assert not torch.equal(seeded_model(lambda: torch.nn.Linear(3, 3), 2).weight, first)


@pytest.fixture
def without_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")


@pytest.mark.usefixtures("without_cuda")
def test_cuda_without_a_device_is_a_fault_that_names_the_variable():
    with pytest.raises(EnvironmentFault, match="CUDA_VISIBLE_DEVICES='7'"):
        choose_device("cuda")


@pytest.mark.usefixtures("without_cuda")
def test_auto_falls_back_to_the_cpu_and_says_so():
    chosen = choose_device("auto")
    assert chosen.device == CPU
    assert "training on the CPU" in chosen.note


def test_the_cpu_is_taken_without_a_word():
    assert choose_device("cpu").note == ""


def test_auto_takes_cuda_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").device.type == "cuda"


def test_peak_memory_of_the_process_grows_with_what_it_holds():
    begin_peak_memory(CPU)
    before = peak_memory_bytes(CPU)
    held = torch.ones(64 << 20)  # 256 MiB
    assert peak_memory_bytes(CPU) - before > 200 << 20
    del held


def test_the_schema_of_a_minimum_frequency_is_what_cuts_a_feed():
    data = separable()
    smaller = data.schema(int(data.frequencies[0][2]))
    assert int(make_feed(data.train, smaller, CPU).inputs_R.ids_BF.max()) == smaller.vocabulary_sizes[0] - 1
