"""Event state: what a log knows as of its last row, so that later rows get the inputs of one table.

Rows that a window may still lose, or whose label may not be known yet, are kept as they are
(`recent`). Older ones are added up by key: they are in no window but `all`, and their labels are
known to every row to come. All are whole numbers, so rows that come one by one, in blocks or as one
table have the same inputs, bit for bit.

Later rows must not be earlier than the last one by so much that a row was added up which they
should not have seen.

Shape legend: R rows, S rows of some keys, T tasks, L last labels, K keys that were added up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.amounts import counted
from hinet_search.common.errors import DataError
from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.countable_labels import key_columns
from hinet_search.data.derived.earlier_rows import (
    NO_ROW,
    EarlierRows,
    KnownLabels,
    earlier_rows,
    horizons,
    task_labels,
    whole_labels,
)
from hinet_search.data.derived.event_log import (
    Integers,
    KeyedRows,
    Walk,
    for_rows_of_keys,
    log_of,
)
from hinet_search.data.derived.events import (
    Prior,
    frame_of,
    inputs_of,
    names_of_key,
    write,
    zeros,
)
from hinet_search.data.derived.key_codes import column_codes, key_codes
from hinet_search.data.derived.moments import NO_TIME, Moments
from hinet_search.data.encode import known_values
from hinet_search.data.rows import Rows
from hinet_search.study.event_definition import ALL, EventsDefinition, TimeSpan

TEST = len(SPLITS) - 1
EVERYTHING = Walk(TEST, tuple(range(len(SPLITS))))
NUM_ROWS, LAST_TIME = "rows", "last time"
TIME, NUMBER = "time", "number"

Keys = tuple[str, ...]


@dataclass(frozen=True)
class EventState:
    """A log as of its last row.

    `recent` are rows with a time, `moments` theirs. `older` has a table of every key with what was
    added up, see `_added_up`: all rows before the moment `added_before` were.
    """

    definition: EventsDefinition
    tasks: tuple[str, ...]
    priors: tuple[Prior, ...]
    recent: Rows
    moments: Moments
    older: Mapping[Keys, pl.DataFrame]
    added_before: int

    @property
    def reach(self) -> int:
        """How long a row matters by its own moment, in units of time."""
        windows = [window for window in self.definition.windows if isinstance(window, TimeSpan)]
        longest = max((self.moments.units(window) for window in windows), default=0)
        delay = self.definition.labels_after
        return longest + (self.moments.units(delay) if isinstance(delay, TimeSpan) else 0)

    @property
    def exact_from(self) -> int:
        """The first moment of a row whose windows hold no row that was added up."""
        return self.added_before + self.reach if self.added_before > 0 else 0


@dataclass(frozen=True)
class _OlderLabels:
    """The labels of a task that were added up for the key of each row (R,), 0 where none were."""

    num_R: Integers
    sum_R: Integers
    last_LR: tuple[Integers, ...]


@dataclass(frozen=True)
class _OlderRows:
    """What was added up for the key of each row (R,), 0 where nothing was."""

    num_R: Integers
    last_time_R: Integers
    labels_T: tuple[_OlderLabels, ...]


def state_of(
    definition: EventsDefinition,
    rows: Rows,
    tasks: Sequence[str],
    moments: Moments,
    priors: Sequence[Prior],
) -> EventState:
    """The state of a log after all of these rows; `priors` are those of the study."""
    columns = dict.fromkeys(column for key in definition.keys for column in key)
    nothing = np.zeros(0, dtype=np.int64)
    none = _some(replace(rows, frame=rows.frame.select(*columns), lists={}), nothing)
    moments_of_none = Moments(nothing, moments.unit)
    older = {key: _added_up(definition, none, moments_of_none, key) for key in definition.keys}
    empty = EventState(
        definition, tuple(tasks), tuple(priors), none, moments_of_none, older, NO_TIME
    )
    return rolled(empty, rows, moments)


def rolled(state: EventState, rows: Rows, moments: Moments) -> EventState:
    """The state after further rows; those with a number that it has already are left out.

    DataError when rows are too old.
    """
    _, first = np.unique(rows.row_R, return_index=True)
    is_new = (moments.time_R[first] != NO_TIME) & ~np.isin(rows.row_R[first], state.recent.row_R)
    new = first[is_new]
    _refuse_old(moments.time_R[new], state.added_before)
    joined = _joined(state.recent, _some(rows, new))
    time_R = np.concatenate([state.moments.time_R, moments.time_R[new]])
    added_before = max(state.added_before, int(time_R.max(initial=NO_TIME)) - state.reach)
    is_old_R = time_R < added_before
    old, recent = np.flatnonzero(is_old_R), np.flatnonzero(~is_old_R)
    old_rows, of_old = _some(joined, old), Moments(time_R[old], moments.unit)
    older = {}
    for key, table in state.older.items():
        added = _added_up(state.definition, old_rows, of_old, key)
        older[key] = _merged(state, key, added, table)
    return replace(
        state,
        recent=_some(joined, recent),
        moments=Moments(time_R[recent], moments.unit),
        older=older,
        added_before=added_before,
    )


def inputs_after(state: EventState, rows: Rows, moments: Moments) -> pl.DataFrame:
    """The columns of `event_inputs` of rows that follow a log, and see it and one another.

    DataError when rows are too old.
    """
    timed_R = moments.time_R[moments.time_R != NO_TIME]
    _refuse_old(timed_R, state.exact_from)
    joined = _joined(state.recent, rows)
    together = Moments(np.concatenate([state.moments.time_R, moments.time_R]), moments.unit)
    log = log_of(joined, together, EVERYTHING)
    labels, places = task_labels(log), horizons(state.definition, log, together)
    codes = column_codes(joined, joined.frame.columns)

    def use(older: _OlderRows, value_RC: NDArray[np.float32], keyed: KeyedRows) -> None:
        recent = earlier_rows(keyed, places, labels, state.definition.last)
        row_S = log.row_E[keyed.place_S]
        together_S = _with_older(state.definition, recent, older, row_S, keyed.time_S)
        columns = inputs_of(
            together_S, state.priors, state.definition.smoothing, moments.units_a_second
        )
        write(value_RC, log, keyed, columns)

    tables = []
    for key in state.definition.keys:
        names = names_of_key(state.definition, key, state.tasks)
        value_RC = zeros(joined, len(names))
        code_R = key_codes(joined, [codes[name] for name in key])
        for_rows_of_keys(log, code_R, partial(use, _of_rows(state, joined, key), value_RC))
        tables.append(frame_of(names, value_RC, joined))
    return pl.concat(tables, how="horizontal")[state.recent.num_rows :]


def _refuse_old(time_R: Integers, first: int) -> None:
    """DataError for moments before the first that is still exact."""
    num_old = int((time_R < first).sum())
    if num_old:
        raise DataError(
            f"rows must follow those of the state, got {counted(num_old, 'row')} from before a "
            "moment up to which it has added up all rows already",
            remedy="give rows in the order of time, or make the state again from the whole log",
        )


def _some(rows: Rows, number: NDArray[np.intp]) -> Rows:
    """Some rows, as rows of the split that sees all others."""
    return replace(
        rows,
        frame=rows.frame[number],
        row_R=rows.row_R[number],
        scenario_R=rows.scenario_R[number],
        labels_RT=rows.labels_RT[number],
        split_R=np.full(number.size, TEST, dtype=np.uint8),
        truth_RT=None,
    )


def _joined(recent: Rows, rows: Rows) -> Rows:
    """The rows of a state, then others."""
    return replace(
        recent,
        frame=pl.concat([recent.frame, rows.frame.select(recent.frame.columns)]),
        row_R=np.concatenate([recent.row_R, rows.row_R]),
        scenario_R=np.concatenate([recent.scenario_R, rows.scenario_R]),
        labels_RT=np.concatenate([recent.labels_RT, rows.labels_RT]),
        split_R=np.full(recent.num_rows + rows.num_rows, TEST, dtype=np.uint8),
    )


def _of_task(task: int) -> tuple[str, str, str]:
    """The columns of a task's number of labels, their sum, and the last ones, newest first."""
    return f"labels {task}", f"sum {task}", f"last {task}"


def _tasks(definition: EventsDefinition, rows: Rows) -> range:
    """The tasks whose labels count: none where they are never known."""
    has_labels = isinstance(definition.labels_after, TimeSpan)
    return range(rows.labels_RT.shape[1] if has_labels else 0)


def _added_up(
    definition: EventsDefinition, rows: Rows, moments: Moments, key: Keys
) -> pl.DataFrame:
    """The rows of every value of a key, added up.

    The columns are those of `key_columns`, NUM_ROWS, LAST_TIME, and `_of_task` of each task.
    """
    by = key_columns(key)
    columns = [known_values(rows.frame[name]).alias(new) for name, new in zip(key, by, strict=True)]
    columns += [pl.Series(TIME, moments.time_R), pl.Series(NUMBER, rows.row_R)]
    added = [pl.len().cast(pl.Int64).alias(NUM_ROWS), pl.col(TIME).max().alias(LAST_TIME)]
    for task in _tasks(definition, rows):
        num, total, last = _of_task(task)
        has_R = rows.has_task_MT[rows.scenario_R, task]
        whole_R = whole_labels(rows, rows.labels_RT[:, task], task).astype(np.int64)
        columns += [pl.Series(num, has_R), pl.Series(total, whole_R)]
        of_task = pl.col(total).filter(pl.col(num))
        added += [
            pl.col(num).sum().cast(pl.Int64),
            of_task.sum(),
            of_task.tail(definition.last).reverse().alias(last),
        ]
    frame = pl.DataFrame(columns).drop_nulls(by).sort(TIME, NUMBER)
    return frame.group_by(by, maintain_order=True).agg(added)


def _merged(state: EventState, key: Keys, newer: pl.DataFrame, older: pl.DataFrame) -> pl.DataFrame:
    """Two tables of `_added_up` as one."""
    sums = [NUM_ROWS]
    lasts = []
    for task in _tasks(state.definition, state.recent):
        num, total, last = _of_task(task)
        sums += [num, total]
        lasts.append(pl.col(last).explode().drop_nulls().head(state.definition.last))
    both = pl.concat([newer, older]).group_by(key_columns(key), maintain_order=True)
    return both.agg(pl.col(sums).sum(), pl.col(LAST_TIME).max(), *lasts).select(older.columns)


def _of_rows(state: EventState, rows: Rows, key: Keys) -> _OlderRows:
    """What was added up for the key of each row."""
    by = key_columns(key)
    keys = pl.DataFrame(
        [known_values(rows.frame[name]).alias(new) for name, new in zip(key, by, strict=True)]
    )
    found = keys.join(state.older[key], on=by, how="left", maintain_order="left")

    def numbers(values: pl.Series) -> Integers:
        return values.fill_null(0).to_numpy()

    labels = []
    for task in _tasks(state.definition, rows):
        num, total, last = _of_task(task)
        last_LR = [
            numbers(found[last].list.get(back, null_on_oob=True))
            for back in range(state.definition.last)
        ]
        labels.append(_OlderLabels(numbers(found[num]), numbers(found[total]), tuple(last_LR)))
    return _OlderRows(numbers(found[NUM_ROWS]), numbers(found[LAST_TIME]), tuple(labels))


def _with_older(
    definition: EventsDefinition,
    recent: EarlierRows,
    older: _OlderRows,
    row_S: Integers,
    time_S: Integers,
) -> EarlierRows:
    """What rows (S) may count of recent rows and of those that were added up."""
    is_all_W = [window == ALL for window in definition.windows]
    num_S = older.num_R[row_S]
    is_first_S = (recent.since_S == NO_ROW) & (num_S > 0)
    return EarlierRows(
        num_WS=_of_all(recent.num_WS, is_all_W, num_S),
        since_S=np.where(is_first_S, time_S - older.last_time_R[row_S], recent.since_S),
        labels_T=tuple(
            _with_older_labels(of_recent, of_older, row_S, is_all_W)
            for of_recent, of_older in zip(recent.labels_T, older.labels_T, strict=True)
        ),
    )


def _with_older_labels(
    recent: KnownLabels, older: _OlderLabels, row_S: Integers, is_all_W: Sequence[bool]
) -> KnownLabels:
    last_LS, has_last_LS = [], []
    num_recent_S = np.sum(recent.has_last_LS, axis=0, dtype=np.int64)  # of the last ones
    num_older_S = older.num_R[row_S]
    for back, (last_S, has_S) in enumerate(zip(recent.last_LS, recent.has_last_LS, strict=True)):
        place_S = back - num_recent_S  # among the older ones, where it is none of the recent
        has_older_S = ~has_S & (place_S < num_older_S)
        older_LS = np.stack(older.last_LR)[:, row_S]
        of_older_S = np.take_along_axis(older_LS, np.maximum(place_S, 0)[None], axis=0)[0]
        last_LS.append(np.where(has_older_S, of_older_S, last_S))
        has_last_LS.append(has_S | has_older_S)
    return KnownLabels(
        num_WS=_of_all(recent.num_WS, is_all_W, num_older_S),
        sum_WS=_of_all(recent.sum_WS, is_all_W, older.sum_R[row_S]),
        last_LS=tuple(last_LS),
        has_last_LS=tuple(has_last_LS),
    )


def _of_all(
    number_WS: Sequence[Integers], is_all_W: Sequence[bool], older_S: Integers
) -> tuple[Integers, ...]:
    """Numbers of windows, those of all rows with the older ones."""
    return tuple(
        number_S + older_S if is_all else number_S
        for number_S, is_all in zip(number_WS, is_all_W, strict=True)
    )
