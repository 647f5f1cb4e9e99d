"""Events, sessions and sequences: rows see exactly the earlier rows that the rules allow."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from hinet_search.data import blocks
from hinet_search.data.derived import event_log, sequences
from hinet_search.data.derived.events import event_inputs, event_names, session_inputs
from hinet_search.data.derived.sequences import encode_sequences
from tests.data.event_tables import TASKS, in_order, plain_events, plain_sessions, random_log
from tests.data.sequence_tables import VOCABULARIES, SequencesOfLog, plain_slots, sequences_of_log

NUM_LOGS = 300
PARTS_OF_LOGS = 8


def inputs_of(made: SequencesOfLog) -> list[np.ndarray]:
    """Events, sessions and the slots of every sequence, each (R, _)."""
    log = made.log
    events = event_inputs(log.events, log.rows, TASKS, log.moments).to_numpy()
    visits = session_inputs(log.session, log.rows, "user", log.moments).to_numpy()
    slots = encode_sequences(made.sequences, log.rows, TASKS, log.moments, VOCABULARIES)
    return [events, visits, *slots]


def assert_as_in_a_loop(made: SequencesOfLog, seed: int) -> None:
    log = made.log
    slots = [plain_slots(log, sequence) for sequence in made.sequences.values()]
    slots = [slots_RPL.reshape(log.rows.num_rows, -1) for slots_RPL in slots]
    expected = [plain_events(log), plain_sessions(log), *slots]
    for found_RX, expected_RX in zip(inputs_of(made), expected, strict=True):
        assert_array_equal(found_RX, expected_RX, err_msg=f"seed {seed}")


@pytest.mark.parametrize("part", range(PARTS_OF_LOGS))
def test_every_input_of_a_random_log_is_that_of_a_loop_over_pairs_of_rows(part: int) -> None:
    for seed in range(part, NUM_LOGS, PARTS_OF_LOGS):
        assert_as_in_a_loop(sequences_of_log(seed), seed)


def test_the_order_of_the_table_does_not_matter() -> None:
    for seed in range(25):
        made = sequences_of_log(seed)
        order_R = np.random.default_rng(seed).permutation(made.log.rows.num_rows)
        other = replace(made, log=in_order(made.log, order_R))
        for found_RX, before_RX in zip(inputs_of(other), inputs_of(made), strict=True):
            assert_array_equal(found_RX, before_RX[order_R])


def test_keys_and_slots_are_computed_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "CHUNK_ROWS", 2)
    monkeypatch.setattr(sequences, "SLOTS_AT_ONCE", 1)
    for seed in range(25):
        assert_as_in_a_loop(sequences_of_log(seed), seed)


def test_rows_of_many_blocks_are_mapped_from_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 3)
    for seed in range(25):
        made = sequences_of_log(seed)
        log = replace(made.log, rows=replace(made.log.rows, cache=tmp_path))
        assert_as_in_a_loop(replace(made, log=log), seed)


def test_every_input_has_a_name_of_its_own() -> None:
    names = event_names(random_log(3).events, ("click",))
    assert names[:3] == ("user exposures 2s", "user exposures 10s", "user exposures all")
    assert len(set(names)) == len(names)
