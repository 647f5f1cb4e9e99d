"""Event state: a log that is rolled forward gives later rows the inputs of one table."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.data.derived.event_state import EventState, inputs_after, rolled, state_of
from hinet_search.data.derived.events import event_inputs, prior_of
from hinet_search.data.derived.moments import NO_TIME
from hinet_search.study.event_definition import EventsDefinition
from tests.data.event_tables import TASKS, RandomLog, in_time, one_split, part, parts


def state_after(log: RandomLog, row_P: NDArray[np.int64]) -> EventState:
    """The state of a log after some of its rows; the priors are those of all."""
    priors = [prior_of(log.rows, task) for task in range(len(TASKS))]
    rows, moments = part(log, row_P)
    return state_of(log.events, rows, TASKS, moments, priors)


def replayed(log: RandomLog, most: int, seed: int) -> Any:
    """The inputs of every row from the state after the parts before its own."""
    first, *others = parts(log, np.random.default_rng(seed), most)
    expected = event_inputs(log.events, log.rows, TASKS, log.moments).to_numpy()
    found = expected.copy()
    state = state_after(log, first)
    for row_P in others:
        found[row_P] = inputs_after(state, *part(log, row_P)).to_numpy()
        state = rolled(state, *part(log, row_P))
    return expected, found


@pytest.mark.parametrize(("most", "seeds"), [(1, range(40)), (6, range(40, 100))])
def test_rows_that_come_in_parts_have_the_inputs_of_one_table(most: int, seeds: range) -> None:
    for seed in seeds:
        expected, found = replayed(one_split(seed), most, seed)
        assert_array_equal(found, expected, err_msg=f"seed {seed}")


def test_without_labels_too() -> None:
    for seed in range(20):
        log = one_split(seed)
        events = EventsDefinition(
            by=log.events.by, labels_after="never", windows=log.events.windows
        )
        expected, found = replayed(replace(log, events=events), 5, seed)
        assert_array_equal(found, expected)


def test_rows_that_come_twice_are_counted_once() -> None:
    log = one_split(4)
    order_R = in_time(log)
    order_R = order_R[log.moments.time_R[order_R] != NO_TIME]
    half = order_R.size // 2
    state = state_after(log, order_R[:half])
    newest = order_R[half - 2 : half]
    again = rolled(state, *part(log, np.concatenate([newest, newest])))
    assert_array_equal(again.recent.row_R, state.recent.row_R)
    for key, table in state.older.items():
        assert again.older[key].equals(table)
    later = order_R[half:]
    twice = rolled(state, *part(log, np.concatenate([later, later])))
    assert_array_equal(twice.recent.row_R, rolled(state, *part(log, later)).recent.row_R)


def test_rows_of_before_are_refused() -> None:
    log = next(
        log for log in map(one_split, range(100)) if state_after(log, in_time(log)).added_before > 0
    )
    order_R = in_time(log)
    state = state_after(log, order_R)
    oldest = order_R[log.moments.time_R[order_R] != NO_TIME][:1]
    for use in (inputs_after, rolled):
        with pytest.raises(DataError, match="got 1 row from before a moment"):
            use(state, *part(log, oldest))


def test_a_state_adds_up_what_no_window_holds_any_more() -> None:
    log = one_split(0)
    events = EventsDefinition.model_validate({"by": ["user"], "labels_after": "0s"})
    state = state_after(replace(log, events=events), in_time(log))
    newest = log.moments.time_R.max()
    assert set(state.moments.time_R.tolist()) == {int(newest)}
