"""Events, sessions and sequences: rows see exactly the earlier rows that the rules allow.

Rows that only ask have the inputs of rows of test, and nothing sees them.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from hinet_search.data import mapped
from hinet_search.data.derived import event_log, sequences
from hinet_search.data.derived.event_log import Moments, Walk, log_of
from hinet_search.data.derived.events import event_inputs, event_names, session_inputs
from hinet_search.data.derived.sequences import encode_sequences, gap_ids, sequence_vocabularies
from hinet_search.data.derived.statistics import target_statistics
from hinet_search.data.rows import Rows
from hinet_search.data.splits import ASKING
from hinet_search.study.statistics_definition import StatisticsDefinition
from tests.data.event_tables import (
    TASKS,
    TEST,
    RandomLog,
    in_order,
    part,
    plain_events,
    plain_sessions,
    random_log,
)
from tests.data.sequence_tables import VOCABULARIES, SequencesOfLog, plain_slots, sequences_of_log
from tests.data.tables import rows_of, some
from tests.data.test_statistics import BY_DAY, BY_FOLD, EVERY_NIGHT, LATE, LATE_AND_FROZEN, draw
from tests.data.test_statistics import TASKS as TASKS_OF_DAYS

NUM_LOGS = 160
PARTS_OF_LOGS = 4


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


@pytest.mark.parametrize("first", range(PARTS_OF_LOGS))
def test_every_input_of_a_random_log_is_that_of_a_loop_over_pairs_of_rows(first: int) -> None:
    for seed in range(first, NUM_LOGS, PARTS_OF_LOGS):
        assert_as_in_a_loop(sequences_of_log(seed), seed)


def test_the_order_of_the_table_does_not_matter() -> None:
    for seed in range(25):
        made = sequences_of_log(seed)
        order_R = np.random.default_rng(seed).permutation(made.log.rows.num_rows)
        other = replace(made, log=in_order(made.log, order_R))
        for found_RX, before_RX in zip(inputs_of(other), inputs_of(made), strict=True):
            assert_array_equal(found_RX, before_RX[order_R])


def test_rows_of_one_moment_are_in_the_order_of_their_numbers() -> None:
    time_R, numbers = np.array([0, 5, 5, 5, 9]), np.array([0, 3, 1, 2, 4], dtype=np.uint64)
    rows = rows_of(pl.DataFrame({"t": time_R}), np.zeros((5, 1)), np.zeros(5), row_R=numbers)
    log = log_of(rows, Moments(time_R, "s"), Walk(0, (0,)))
    assert log.row_E.tolist() == [0, 2, 3, 1, 4]


def test_keys_and_slots_are_computed_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "CHUNK_ROWS", 2)
    monkeypatch.setattr(sequences, "SLOTS_AT_ONCE", 1)
    for seed in range(25):
        assert_as_in_a_loop(sequences_of_log(seed), seed)


def test_rows_of_many_blocks_are_mapped_from_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(mapped, "BLOCK_ROWS", 3)
    for seed in range(25):
        made = sequences_of_log(seed)
        log = replace(made.log, rows=replace(made.log.rows, cache=tmp_path))
        assert_as_in_a_loop(replace(made, log=log), seed)


def test_every_input_has_a_name_of_its_own() -> None:
    names = event_names(random_log(3).events, ("click",))
    assert names[:3] == ("user exposures 2s", "user exposures 10s", "user exposures all")
    assert len(set(names)) == len(names)


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


def followed_by(rows: Rows, asking: Rows) -> Rows:
    """The rows, and others that ask, whose labels are wrong: nothing may read them."""
    together = {
        name: np.concatenate([getattr(rows, name), getattr(asking, name)])
        for name in ("row_R", "scenario_R", "split_R", "labels_RT")
    }
    together["split_R"][rows.num_rows :] = ASKING
    together["labels_RT"][rows.num_rows :] = 1
    return replace(rows, frame=pl.concat([rows.frame, asking.frame]), **together)


def asked_again(log: RandomLog) -> tuple[Rows, Moments, np.ndarray]:
    """The log, followed by its rows of test that ask; and the numbers of these."""
    number = np.flatnonzero(log.rows.split_R == TEST)
    asking, at = part(log, number)
    moments = Moments(np.concatenate([log.moments.time_R, at.time_R]), "s")
    return followed_by(log.rows, asking), moments, number


@pytest.mark.parametrize("seed", range(60))
def test_inputs_of_asking_rows_are_those_of_test(seed: int) -> None:
    made = sequences_of_log(seed)
    both, moments, number = asked_again(made.log)
    asked = replace(made, log=replace(made.log, rows=both, moments=moments))
    for whole, found in zip(inputs_of(made), inputs_of(asked), strict=True):
        assert_array_equal(found[len(found) - number.size :], whole[number])


@pytest.mark.parametrize("definition", [BY_DAY, BY_FOLD, EVERY_NIGHT, LATE, LATE_AND_FROZEN])
@pytest.mark.parametrize("seed", range(12))
def test_statistics_of_asking_rows_are_those_of_test(
    seed: int, definition: StatisticsDefinition
) -> None:
    rows = draw(seed)
    number = np.flatnonzero(rows.split_R == TEST)
    both = followed_by(rows, some(rows, number))
    whole = target_statistics(definition, rows, TASKS_OF_DAYS)
    asked = target_statistics(definition, both, TASKS_OF_DAYS)
    assert_array_equal(np.asarray(asked)[rows.num_rows :], np.asarray(whole)[number])
