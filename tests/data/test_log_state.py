"""Log state: a log that is rolled forward gives later rows the inputs of one table."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.data.derived.events import event_inputs, prior_of
from hinet_search.data.derived.log_size import BYTES, log_bytes
from hinet_search.data.derived.log_state import (
    LATE,
    LogState,
    inputs_after,
    log_state_of,
    rolled,
    with_labels,
)
from hinet_search.data.derived.moments import NO_TIME, Moments
from hinet_search.data.derived.sessions import session_inputs
from hinet_search.study.event_definition import EventsDefinition, TimeSpan
from hinet_search.study.log_definition import LogDefinition
from tests.data.event_tables import TASKS, RandomLog, in_time, one_split, part, parts

HOUR = LATE.number * 3_600
NOT_SEEN = np.zeros(3, dtype=np.bool_)


@pytest.fixture(autouse=True)
def _as_large_logs_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that small logs have old rows, pending ones in both indices, and many rows that ask."""
    monkeypatch.setattr("hinet_search.data.derived.log_state.LATE", TimeSpan(0, "s"))
    monkeypatch.setattr("hinet_search.data.derived.log_size.LATE", TimeSpan(0, "s"))
    monkeypatch.setattr("hinet_search.data.derived.pending_rows.NEWEST_ROWS", 3)
    monkeypatch.setattr("hinet_search.data.derived.log_index.PAIRS_AT_ONCE", 40)


def both(log: RandomLog) -> LogDefinition:
    return LogDefinition(log.events, log.session, "user")


def state_after(log: RandomLog, row_P: NDArray[np.int64], definition: Any = None) -> LogState:
    """The state of a log after some of its rows; the priors are those of all."""
    priors = [prior_of(log.rows, task) for task in range(len(TASKS))]
    rows, moments = part(log, row_P)
    return log_state_of(definition or both(log), rows, TASKS, moments, priors)


def inputs_of(log: RandomLog, definition: LogDefinition) -> NDArray[np.float32]:
    """The inputs of all rows as one table."""
    tables = []
    if definition.events is not None:
        tables.append(event_inputs(definition.events, log.rows, TASKS, log.moments))
    if definition.session is not None:
        tables.append(session_inputs(definition.session, log.rows, "user", log.moments))
    values: NDArray[np.float32] = pl.concat(tables, how="horizontal").to_numpy()
    return values


def replayed(log: RandomLog, definition: LogDefinition, most: int, seed: int) -> Any:
    """The inputs of every row from the state after the parts before its own."""
    first, *others = parts(log, np.random.default_rng(seed), most)
    expected = inputs_of(log, definition)
    found = expected.copy()
    state = state_after(log, first, definition)
    index = state.index
    for row_P in others:
        rows, moments = part(log, row_P)
        found[row_P] = inputs_after(state, rows, moments).to_numpy()
        none_seen = np.zeros(row_P.size, dtype=np.bool_)
        asked = inputs_after(state, rows, moments, none_seen).to_numpy()
        frame = rows.frame.select(state.recent.frame.columns)
        assert_array_equal(state.index.inputs(frame, moments), asked)
        assert_array_equal(index.inputs(frame, moments), asked)
        index = index.with_later(rows, moments)
        state = rolled(state, rows, moments)
    return expected, found


@pytest.mark.parametrize(("most", "seeds"), [(1, range(4)), (6, range(20, 32))])
def test_rows_that_come_in_parts_have_the_inputs_of_one_table(most: int, seeds: range) -> None:
    for seed in seeds:
        log = one_split(seed)
        expected, found = replayed(log, both(log), most, seed)
        assert_array_equal(found, expected, err_msg=f"seed {seed}")


def definitions(log: RandomLog) -> Iterator[LogDefinition]:
    keys = {"by": log.events.by, "windows": log.events.windows}
    yield LogDefinition(EventsDefinition(labels_after="never", **keys), None, "user")
    yield LogDefinition(None, log.session, "user")
    yield LogDefinition(EventsDefinition(labels_after=TimeSpan(3, "s"), by=("tab",)), None, "")


def test_so_do_rows_of_other_definitions() -> None:
    for seed in range(6):
        log = one_split(seed)
        for definition in definitions(log):
            expected, found = replayed(log, definition, 5, seed)
            assert_array_equal(found, expected, err_msg=f"seed {seed}")


def test_rows_that_only_ask_are_seen_by_no_other() -> None:
    for seed in range(10):
        log = one_split(seed)
        order_R, draw = in_time(log), np.random.default_rng(seed)
        before, later = order_R[: order_R.size // 2], order_R[order_R.size // 2 :]
        is_seen = draw.random(later.size) < 0.5
        state = state_after(log, before)
        found = inputs_after(state, *part(log, later), is_seen).to_numpy()
        for place, row in enumerate(later):
            seen = later[is_seen & (np.arange(later.size) != place)]
            alone = np.append(seen, row)
            is_seen_alone = np.append(np.ones(seen.size, dtype=np.bool_), False)
            expected = inputs_after(state, *part(log, alone), is_seen_alone)[-1].to_numpy()[0]
            assert_array_equal(found[place], expected, err_msg=f"seed {seed}, row {place}")


def test_a_row_without_labels_is_an_exposure() -> None:
    log = one_split(7)
    order_R = in_time(log)
    order_R = order_R[log.moments.time_R[order_R] != NO_TIME]
    before, last = order_R[:-1], order_R[-1:]
    labelled = state_after(log, before)
    rows, moments = part(log, before)
    none = replace(rows, scenario_R=np.full_like(rows.scenario_R, labelled.unlabelled))
    empty = state_after(log, before[:0])
    unlabelled = rolled(empty, none, moments)
    with_labels = inputs_after(labelled, *part(log, last))
    without = inputs_after(unlabelled, *part(log, last))
    for name in with_labels.columns:
        if any(f" {task} " in name for task in TASKS):
            assert without[name].item() == 0
        else:
            assert without[name].item() == with_labels[name].item()


def test_labels_may_come_after_their_rows() -> None:
    for seed in range(12):
        log = one_split(seed)
        order_R = in_time(log)
        timed = order_R[log.moments.time_R[order_R] != NO_TIME]
        first, later, last = timed[: timed.size // 3], timed[timed.size // 3 : -1], timed[-1:]
        state = state_after(log, first)
        rows, moments = part(log, later)
        bare = replace(rows, scenario_R=np.full_like(rows.scenario_R, state.unlabelled))
        asked = part(log, last)
        expected = inputs_after(rolled(state, rows, moments), *asked).to_numpy()
        nothing_seen = np.zeros(later.size, dtype=np.bool_)
        index = state.index.with_later(bare, moments)
        unlabelled = inputs_after(rolled(state, bare, moments), *asked).to_numpy()
        frame = asked[0].frame.select(state.recent.frame.columns)
        assert_array_equal(index.inputs(frame, asked[1]), unlabelled)
        index = index.with_later(rows, moments, nothing_seen)
        assert_array_equal(index.inputs(frame, asked[1]), expected, err_msg=f"seed {seed}")


def test_pending_rows_may_come_in_any_order() -> None:
    for seed in range(20):
        log, draw = one_split(seed), np.random.default_rng(seed)
        order_R = in_time(log)
        timed = order_R[log.moments.time_R[order_R] != NO_TIME]
        first, later, last = timed[: timed.size // 3], timed[timed.size // 3 : -3], timed[-3:]
        state = state_after(log, first)
        index = state.index
        for row_P in np.array_split(draw.permutation(later), max(later.size // 2, 1)):
            index = index.with_later(*part(log, row_P))
        rows, moments = part(log, last)
        expected = inputs_after(rolled(state, *part(log, later)), rows, moments, NOT_SEEN)
        frame = rows.frame.select(state.recent.frame.columns)
        assert_array_equal(index.inputs(frame, moments), expected, err_msg=f"seed {seed}")


def test_recent_rows_get_their_labels() -> None:
    log = one_split(3)
    order_R = in_time(log)
    timed = order_R[log.moments.time_R[order_R] != NO_TIME]
    rows, moments = part(log, timed)
    whole = state_after(log, timed)
    bare = replace(rows, scenario_R=np.full_like(rows.scenario_R, whole.unlabelled))
    empty = replace(state_after(log, timed[:0]), added_before=0)
    late = np.isin(rows.row_R, whole.recent.row_R)
    mixed = rolled(
        empty, replace(rows, scenario_R=np.where(late, bare.scenario_R, rows.scenario_R)), moments
    )
    again = part(log, timed[late])[0]
    labelled = with_labels(mixed, again)
    assert_array_equal(labelled.recent.scenario_R, whole.recent.scenario_R)
    assert_array_equal(labelled.recent.labels_RT, whole.recent.labels_RT)


def test_rows_of_before_are_refused() -> None:
    log = next(
        log for log in map(one_split, range(100)) if state_after(log, in_time(log)).added_before > 0
    )
    order_R = in_time(log)
    state = state_after(log, order_R)
    oldest = order_R[log.moments.time_R[order_R] != NO_TIME][:1]
    for use in (inputs_after, rolled):
        with pytest.raises(DataError, match="got 1 older row: what they should not see"):
            use(state, *part(log, oldest))


def test_rows_may_come_an_hour_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hinet_search.data.derived.log_state.LATE", LATE)
    for seed in range(20):
        log = one_split(seed)
        span = np.random.default_rng(seed).integers(0, 2 * HOUR, log.moments.time_R.size)
        log = replace(log, moments=Moments(np.where(log.moments.time_R < 0, NO_TIME, span), "s"))
        order_R = in_time(log)
        timed = order_R[log.moments.time_R[order_R] != NO_TIME]
        if timed.size < 3:
            continue
        last = log.moments.time_R[timed[-1]]
        late = timed[log.moments.time_R[timed] >= last - HOUR][:1]
        state = state_after(log, np.setdiff1d(timed, late))
        expected = inputs_of(log, both(log))[late]
        assert_array_equal(inputs_after(state, *part(log, late)).to_numpy(), expected)
        whole = rolled(state, *part(log, late))
        newest = timed[-1:]
        again = inputs_after(whole, *part(log, newest), np.zeros(1, dtype=np.bool_))
        assert_array_equal(again.to_numpy(), inputs_of(log, both(log))[newest])


def test_a_state_adds_up_what_no_window_holds_any_more() -> None:
    log = one_split(0)
    events = EventsDefinition.model_validate({"by": ["user"], "labels_after": "0s"})
    state = state_after(log, in_time(log), LogDefinition(events, None, "user"))
    newest = log.moments.time_R.max()
    assert set(state.moments.time_R.tolist()) == {int(newest)}


def numbers_in(table: pl.DataFrame) -> int:
    """How many numbers a table holds, those in its lists too."""
    lists = [column for column in table if column.dtype == pl.List]
    others = (table.width - len(lists)) * len(table)
    return others + sum(int(column.list.len().sum()) for column in lists)


@pytest.mark.parametrize("of_sessions", [False, True])
def test_a_state_is_no_larger_than_was_foretold(of_sessions: bool) -> None:
    shares = []
    for seed in range(100):
        log = one_split(seed)
        definition = LogDefinition(None, log.session, "user") if of_sessions else both(log)
        state = state_after(log, np.arange(log.rows.num_rows), definition)
        tables = [*state.older.values(), state.visits, state.recent.frame]
        held = BYTES * sum(numbers_in(table) for table in tables if table is not None)
        foretold = log_bytes(definition, log.rows, log.moments, len(TASKS))
        assert held <= foretold
        shares.append(held / foretold)
    assert np.mean(shares) > 0.15
