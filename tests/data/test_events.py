"""Events and sessions: rows see exactly the earlier rows that the rules allow, to the last bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from hinet_search.data import blocks
from hinet_search.data.derived import event_log
from hinet_search.data.derived.events import event_inputs, event_names, session_inputs
from tests.data.event_tables import (
    TASKS,
    RandomLog,
    in_order,
    plain_events,
    plain_sessions,
    random_log,
)

NUM_LOGS = 300
PARTS_OF_LOGS = 8


def events_of(log: RandomLog) -> np.ndarray:
    return event_inputs(log.events, log.rows, TASKS, log.moments).to_numpy()


def sessions_of(log: RandomLog) -> np.ndarray:
    return session_inputs(log.session, log.rows, "user", log.moments).to_numpy()


@pytest.mark.parametrize("part", range(PARTS_OF_LOGS))
def test_every_input_of_a_random_log_is_that_of_a_loop_over_pairs_of_rows(part: int) -> None:
    for seed in range(part, NUM_LOGS, PARTS_OF_LOGS):
        log = random_log(seed)
        assert_array_equal(events_of(log), plain_events(log), err_msg=f"seed {seed}")
        assert_array_equal(sessions_of(log), plain_sessions(log), err_msg=f"seed {seed}")


def test_the_order_of_the_table_does_not_matter() -> None:
    for seed in range(25):
        log = random_log(seed)
        order_R = np.random.default_rng(seed).permutation(log.rows.num_rows)
        other = in_order(log, order_R)
        assert_array_equal(events_of(other), events_of(log)[order_R])
        assert_array_equal(sessions_of(other), sessions_of(log)[order_R])


def test_keys_are_counted_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "CHUNK_ROWS", 2)
    for seed in range(25):
        log = random_log(seed)
        assert_array_equal(events_of(log), plain_events(log))
        assert_array_equal(sessions_of(log), plain_sessions(log))


def test_rows_of_many_blocks_are_mapped_from_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 3)
    for seed in range(25):
        log = random_log(seed)
        log = replace(log, rows=replace(log.rows, cache=tmp_path))
        assert_array_equal(events_of(log), plain_events(log))
        assert_array_equal(sessions_of(log), plain_sessions(log))


def test_every_input_has_a_name_of_its_own() -> None:
    names = event_names(random_log(3).events, ("click",))
    assert names[:3] == ("user exposures 2s", "user exposures 10s", "user exposures all")
    assert len(set(names)) == len(names)
