"""Rows that only ask have the inputs of rows of test, and nothing sees them."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from hinet_search.data.derived.event_log import Moments
from hinet_search.data.derived.events import event_inputs, session_inputs
from hinet_search.data.derived.sequences import encode_sequences
from hinet_search.data.derived.statistics import target_statistics
from hinet_search.data.rows import Rows
from hinet_search.data.splits import ASKING
from hinet_search.study.statistics_definition import StatisticsDefinition
from tests.data.event_tables import TASKS, TEST, RandomLog, part, random_log
from tests.data.sequence_tables import VOCABULARIES, sequences_of_log
from tests.data.tables import some
from tests.data.test_statistics import BY_DAY, BY_FOLD, EVERY_NIGHT, LATE, LATE_AND_FROZEN, draw
from tests.data.test_statistics import TASKS as TASKS_OF_DAYS

SEEDS = range(60)


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


def assert_same(whole: Any, both: Any, rows: Rows, number: np.ndarray) -> None:
    assert_array_equal(np.asarray(both)[rows.num_rows :], np.asarray(whole)[number])


@pytest.mark.parametrize("seed", SEEDS)
def test_events_and_sessions_of_asking_rows_are_those_of_test(seed: int) -> None:
    log = random_log(seed)
    both, moments, number = asked_again(log)
    events = event_inputs(log.events, log.rows, TASKS, log.moments)
    assert_same(events, event_inputs(log.events, both, TASKS, moments), log.rows, number)
    visits = session_inputs(log.session, log.rows, "user", log.moments)
    assert_same(visits, session_inputs(log.session, both, "user", moments), log.rows, number)


@pytest.mark.parametrize("seed", SEEDS)
def test_sequences_of_asking_rows_are_those_of_test(seed: int) -> None:
    made = sequences_of_log(seed)
    log = made.log
    both, moments, number = asked_again(log)
    whole = encode_sequences(made.sequences, log.rows, TASKS, log.moments, VOCABULARIES)
    asked = encode_sequences(made.sequences, both, TASKS, moments, VOCABULARIES)
    for expected, found in zip(whole, asked, strict=True):
        assert_array_equal(found[len(found) - number.size :], expected[number])


@pytest.mark.parametrize("definition", [BY_DAY, BY_FOLD, EVERY_NIGHT, LATE, LATE_AND_FROZEN])
@pytest.mark.parametrize("seed", range(12))
def test_statistics_of_asking_rows_are_those_of_test(
    seed: int, definition: StatisticsDefinition
) -> None:
    rows = draw(seed)
    number = np.flatnonzero(rows.split_R == TEST)
    both = followed_by(rows, some(rows, number))
    whole = target_statistics(definition, rows, TASKS_OF_DAYS)
    assert_same(whole, target_statistics(definition, both, TASKS_OF_DAYS), rows, number)
