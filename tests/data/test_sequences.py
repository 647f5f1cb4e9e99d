"""Sequences: rows see exactly the earlier rows that the rules allow, newest first."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from hinet_search.data import blocks
from hinet_search.data.derived import event_log, sequences
from hinet_search.data.derived.event_log import Moments
from hinet_search.data.derived.sequences import encode_sequences, gap_ids, sequence_vocabularies
from tests.data.event_tables import TASKS, in_order
from tests.data.sequence_tables import VOCABULARIES, SequencesOfLog, plain_slots, sequences_of_log

NUM_LOGS = 300
PARTS_OF_LOGS = 8


def slots_of(of_log: SequencesOfLog) -> list[NDArray[np.int32]]:
    log = of_log.log
    slots = encode_sequences(of_log.sequences, log.rows, TASKS, log.moments, VOCABULARIES)
    return list(slots)


def expected_of(of_log: SequencesOfLog) -> list[NDArray[np.int32]]:
    num_rows = of_log.log.rows.num_rows
    every = (plain_slots(of_log.log, sequence) for sequence in of_log.sequences.values())
    return [slots_RPL.reshape(num_rows, -1) for slots_RPL in every]


def assert_as_expected(of_log: SequencesOfLog, seed: int) -> None:
    for slots_RS, expected_RS in zip(slots_of(of_log), expected_of(of_log), strict=True):
        assert_array_equal(slots_RS, expected_RS, err_msg=f"seed {seed}")


@pytest.mark.parametrize("number", range(PARTS_OF_LOGS))
def test_every_slot_of_a_random_log_is_that_of_a_loop_over_pairs_of_rows(number: int) -> None:
    for seed in range(number, NUM_LOGS, PARTS_OF_LOGS):
        assert_as_expected(sequences_of_log(seed), seed)


def test_the_order_of_the_table_does_not_matter() -> None:
    for seed in range(25):
        of_log = sequences_of_log(seed)
        order_R = np.random.default_rng(seed).permutation(of_log.log.rows.num_rows)
        other = replace(of_log, log=in_order(of_log.log, order_R))
        for slots_RS, before_RS in zip(slots_of(other), slots_of(of_log), strict=True):
            assert_array_equal(slots_RS, before_RS[order_R])


def test_keys_and_slots_are_computed_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "CHUNK_ROWS", 2)
    monkeypatch.setattr(sequences, "SLOTS_AT_ONCE", 1)
    for seed in range(25):
        assert_as_expected(sequences_of_log(seed), seed)


def test_rows_of_many_blocks_are_mapped_from_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 3)
    for seed in range(25):
        of_log = sequences_of_log(seed)
        log = replace(of_log.log, rows=replace(of_log.log.rows, cache=tmp_path))
        assert_as_expected(replace(of_log, log=log), seed)


def test_a_gap_is_the_logarithm_of_its_seconds_whatever_the_unit() -> None:
    seconds = np.array([0, 1, 2, 3, 6, 7, 2**29 - 1, 2**30 - 2, 2**30 - 1, 2**40])
    expected = [1, 2, 2, 3, 3, 4, 30, 30, 31, 31]
    assert gap_ids(seconds, 1).tolist() == expected
    assert gap_ids(seconds * 1000 + 999, 1000).tolist() == expected


def test_no_minimum_frequency_leaves_out_what_is_known_of_a_label_or_a_gap() -> None:
    vocabularies = sequence_vocabularies(sequences_of_log(0).sequences)
    assert [(each.name, each.size) for each in vocabularies] == [
        ("seen buy", 4),
        ("seen click", 4),
        ("seen gap", 32),
        ("priced gap", 32),
    ]
    assert min(int(each.table["count"].min()) for each in vocabularies) > 10**9


def test_times_far_apart_are_a_long_gap() -> None:
    of_log = sequences_of_log(1)
    far = Moments(of_log.log.moments.time_R * 10**12, "s")
    slots = encode_sequences(of_log.sequences, of_log.log.rows, TASKS, far, VOCABULARIES)
    assert max(int(slots_RS.max(initial=0)) for slots_RS in slots) <= 31
