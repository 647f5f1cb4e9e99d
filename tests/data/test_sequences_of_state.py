"""Sequences of a log that is rolled forward: later rows have those of one table."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.data.derived.events import prior_of
from hinet_search.data.derived.log_index import LogIndex
from hinet_search.data.derived.log_state import (
    LATE,
    LogState,
    log_state_of,
    rolled,
    sequences_after,
    with_labels,
)
from hinet_search.data.derived.moments import NO_TIME, Moments
from hinet_search.data.derived.rows_of_log import some_rows
from hinet_search.data.derived.seen_sequences import SeenSequence
from hinet_search.data.encode import ids_of
from hinet_search.study.event_definition import TimeSpan
from hinet_search.study.log_definition import LogDefinition
from tests.data.event_tables import TASKS, RandomLog, one_split, part, parts
from tests.data.sequence_tables import VOCABULARIES, plain_slots, sequences_of_log

HOUR = LATE.number * 3_600


@pytest.fixture(autouse=True)
def _no_late_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that small logs have rows that are added up."""
    monkeypatch.setattr("hinet_search.data.derived.log_state.LATE", TimeSpan(0, "s"))


def definition_of(log: RandomLog, seed: int) -> LogDefinition:
    """Sequences alone, or beside events and sessions."""
    sequences = sequences_of_log(seed).sequences
    if seed % 2:
        return LogDefinition(None, None, "", sequences)
    return LogDefinition(log.events, log.session, "user", sequences)


def state_after(log: RandomLog, row_P: NDArray[np.int64], definition: LogDefinition) -> LogState:
    priors = [prior_of(log.rows, task) for task in range(len(TASKS))]
    rows, moments = part(log, row_P)
    return log_state_of(definition, rows, TASKS, moments, priors)


def ids_of_items(items: pl.DataFrame) -> NDArray[np.int32]:
    return np.stack([ids_of(values, VOCABULARIES[values.name]) for values in items], axis=1)


def encoded(seen: tuple[SeenSequence, ...]) -> list[NDArray[np.int32]]:
    return [each.encoded(ids_of_items) for each in seen]


def expected_of(log: RandomLog, definition: LogDefinition) -> list[NDArray[np.int32]]:
    slots = (plain_slots(log, sequence) for sequence in definition.sequences.values())
    return [slots_RPL.reshape(len(slots_RPL), -1) for slots_RPL in slots]


def assert_seen(found: tuple[SeenSequence, ...], expected: list[Any], what: str) -> None:
    for slots_RS, expected_RS in zip(encoded(found), expected, strict=True):
        assert_array_equal(slots_RS, expected_RS, err_msg=what)


def asked(index: LogIndex, state: LogState, rows: Any, moments: Moments) -> Any:
    return index.seen_sequences(rows.frame.select(state.recent.frame.columns), moments)


@pytest.mark.parametrize(("most", "seeds"), [(1, range(7)), (6, range(40, 60))])
def test_rows_that_come_in_parts_have_the_sequences_of_one_table(most: int, seeds: range) -> None:
    for seed in seeds:
        log = one_split(seed)
        definition = definition_of(log, seed)
        first, *others = parts(log, np.random.default_rng(seed), most)
        expected = expected_of(log, definition)
        state = state_after(log, first, definition)
        index = state.index
        for row_P in others:
            rows, moments = part(log, row_P)
            found = sequences_after(state, rows, moments)
            assert_seen(found, [slots_RS[row_P] for slots_RS in expected], f"seed {seed}")
            none_seen = np.zeros(row_P.size, dtype=np.bool_)
            alone = encoded(sequences_after(state, rows, moments, none_seen))
            assert_seen(asked(state.index, state, rows, moments), alone, f"index, seed {seed}")
            assert_seen(asked(index, state, rows, moments), alone, f"pending, seed {seed}")
            index = index.with_later(rows, moments)
            state = rolled(state, rows, moments)


def test_a_state_keeps_no_more_rows_than_sequences_show() -> None:
    for seed in range(30):
        log = one_split(seed)
        definition = definition_of(log, seed)
        state = state_after(log, np.arange(log.rows.num_rows), definition)
        most = 0
        for sequence in definition.sequences.values():
            frame = log.rows.frame.select(sequence.key).fill_nan(None).drop_nulls()
            most += len(frame.unique()) * sequence.length
        assert state.shown.num_rows <= most
        assert (state.shown_moments.time_R < state.added_before).all()


def test_a_label_that_comes_later_is_that_of_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hinet_search.data.derived.log_state.LATE", TimeSpan(2, "h"))
    for seed in range(30):
        log = one_split(seed)
        log = replace(log, rows=replace(log.rows, scenario_R=np.zeros_like(log.rows.scenario_R)))
        definition = definition_of(log, seed)
        late = np.flatnonzero(log.moments.time_R != NO_TIME)
        before = state_after(log, np.zeros(0, dtype=np.int64), definition)
        rows, moments = part(log, late)
        unlabelled = replace(rows, scenario_R=np.full(late.size, before.unlabelled, np.int16))
        state = rolled(before, unlabelled, moments)
        labels = some_rows(rows, np.flatnonzero(late % 2 == 0))
        at_labels = Moments(moments.time_R[late % 2 == 0], "s")
        index = state.index.with_later(labels, at_labels, np.zeros(labels.num_rows, dtype=np.bool_))
        labelled = with_labels(state, labels)
        none_seen = np.zeros(rows.num_rows, dtype=np.bool_)
        expected = encoded(sequences_after(labelled, rows, moments, none_seen))
        assert_seen(asked(labelled.index, labelled, rows, moments), expected, f"seed {seed}")
        assert_seen(asked(index, state, rows, moments), expected, f"pending, seed {seed}")


def test_a_row_that_is_too_old_for_the_log_is_refused() -> None:
    log = one_split(4)
    definition = definition_of(log, 5)
    late = replace(log, moments=Moments(np.arange(log.rows.num_rows) + 10 * HOUR, "s"))
    state = state_after(late, np.arange(log.rows.num_rows), definition)
    rows, _ = part(log, np.arange(1))
    with pytest.raises(DataError, match="rows must be at most 0s older than the last row"):
        sequences_after(state, rows, Moments(np.array([1]), "s"))
