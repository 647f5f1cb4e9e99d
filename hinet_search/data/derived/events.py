"""Events: inputs that the log itself knows before each row, counted without leaking.

For every key (a user, a video, a user in a tab) a row at time t gets

    exposures   per window, log(1 + n) of the n rows of the key with t - window <= time < t
    recency     1 / (1 + log(1 + seconds since the key's last earlier row)), 0 without one
    rates       per task and window, (p + smoothing * prior) / (n + smoothing) - prior of the n rows
                whose label is known and which are in the window before: those with
                t - labels_after - window <= time < t - labels_after; 0 without one
    last        per task, the labels of the last known rows minus the prior, 0 where there is none

The prior is the task's mean over the training rows that have it. A row whose scenario does not have
a task is no row of it. So 0 means that nothing is known, or nothing unusual.

Rows of train see earlier rows of train only, those of valid also rows of valid, those of test rows
of all splits. Earlier is strictly earlier: rows of the same moment do not see each other. A row
with a null in the key or without a time sees nothing, and is not seen by that key.

A row may also know where it stands in the visit of its user. A visit ends when more than `gap`
passes until the user's next moment. A row without a user or a time has zeros.

Shape legend: R rows of the table, E rows of a log, S rows of some keys, sorted by key and time, N
of them that are seen, C columns, T tasks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.countable_labels import PARTS, TRAIN, Floats, rate
from hinet_search.data.derived.earlier_rows import (
    NO_ROW,
    EarlierRows,
    Horizons,
    TaskLabels,
    earlier_rows,
    horizons,
    seen_rows,
    task_labels,
    whole_labels,
)
from hinet_search.data.derived.event_log import (
    ColumnCodes,
    EventLog,
    Integers,
    KeyedRows,
    Moments,
    column_codes,
    for_rows_of_keys,
    key_codes,
    last_position,
    log_of,
    walks,
)
from hinet_search.data.mapped import mapped_frame
from hinet_search.data.rows import Rows
from hinet_search.study.event_definition import (
    EventsDefinition,
    SessionDefinition,
    TimeSpan,
    key_name,
)

SESSION_NAMES = ("session position", "session seconds")


@dataclass(frozen=True)
class Prior:
    """The rows of train that have a task, and the sum of their labels, in `parts` of its unit."""

    num_rows: int
    total: int
    parts: int

    @property
    def mean(self) -> float:
        """The mean label."""
        return self.total / (self.parts * self.num_rows)


@dataclass(frozen=True)
class _PreparedLog:
    """A log with the labels of every task, and the horizons of every row."""

    log: EventLog
    labels: tuple[TaskLabels, ...]
    horizons: Horizons


def event_names(definition: EventsDefinition, tasks: Sequence[str]) -> tuple[str, ...]:
    """The columns of `event_inputs`, in order."""
    names: list[str] = []
    for key in definition.keys:
        names += names_of_key(definition, key, tasks)
    return tuple(names)


def names_of_key(
    definition: EventsDefinition, key: tuple[str, ...], tasks: Sequence[str]
) -> tuple[str, ...]:
    """`KEY exposures 1h`, `KEY recency`, `KEY TASK rate 1h`, `KEY TASK last 1`."""
    names = [f"{key_name(key)} exposures {window}" for window in definition.windows]
    names.append(f"{key_name(key)} recency")
    if isinstance(definition.labels_after, TimeSpan):
        for task in tasks:
            of_task = f"{key_name(key)} {task}"
            names += [f"{of_task} rate {window}" for window in definition.windows]
            names += [f"{of_task} last {back}" for back in range(1, definition.last + 1)]
    return tuple(names)


def event_inputs(
    definition: EventsDefinition, rows: Rows, tasks: Sequence[str], moments: Moments
) -> pl.DataFrame:
    """Float32 columns of `event_names` without nulls, aligned with `rows.frame`.

    DataError when a key has only one value.
    """
    codes = column_codes(rows, list(chain.from_iterable(definition.keys)))
    _refuse_constant_keys(definition, codes)
    priors = [prior_of(rows, task) for task in range(len(tasks))]
    logs = []
    for walk in walks(rows, moments):
        log = log_of(rows, moments, walk)
        logs.append(_PreparedLog(log, task_labels(log), horizons(definition, log, moments)))

    def use(each: _PreparedLog, value_RC: NDArray[np.float32], keyed: KeyedRows) -> None:
        counted = earlier_rows(keyed, each.log, each.horizons, each.labels, definition.last)
        columns = inputs_of(counted, priors, definition.smoothing, moments.units_a_second)
        write(value_RC, each.log, keyed, columns)

    tables = []
    for key in definition.keys:
        names = names_of_key(definition, key, tasks)
        code_R = key_codes(rows, key, codes)
        value_RC = zeros(rows, len(names))
        for each in logs:
            for_rows_of_keys(each.log, code_R, partial(use, each, value_RC))
        tables.append(frame_of(names, value_RC, rows))
    return pl.concat(tables, how="horizontal")


def _refuse_constant_keys(definition: EventsDefinition, codes: Mapping[str, ColumnCodes]) -> None:
    constant = [
        key_name(key) for key in definition.keys if max(codes[name].num_values for name in key) <= 1
    ]
    if constant:
        raise DataError(
            "data.features.events.by: a key must have at least two values, got one or none in "
            f"{', '.join(constant)}",
            remedy="remove it, or name the columns that tell users or items apart",
        )


def prior_of(rows: Rows, task: int) -> Prior:
    """The training rows of a task; without one its mean is 0."""
    num_rows = total = 0
    for block in rows.blocks():
        has_B = rows.has_task_MT[rows.scenario_R[block], task] & (rows.split_R[block] == TRAIN)
        num_rows += int(has_B.sum())
        labels_B = whole_labels(rows, rows.labels_RT[block, task][has_B], task)
        total += int(labels_B.sum(dtype=np.int64))
    return Prior(max(num_rows, 1), total, PARTS if task in rows.units else 1)


def inputs_of(
    counted: EarlierRows, priors: Sequence[Prior], smoothing: float, units_a_second: int
) -> Iterator[Floats]:
    """Yield the columns of a key, in the order of their names."""
    for num_S in counted.num_WS:
        yield np.log1p(num_S)
    seconds_S = np.maximum(counted.since_S, 0) / units_a_second
    yield np.where(counted.since_S == NO_ROW, 0.0, 1 / (1 + np.log1p(seconds_S)))
    for labels, prior in zip(counted.labels_T, priors, strict=False):
        for num_S, sum_S in zip(labels.num_WS, labels.sum_WS, strict=True):
            yield rate(num_S, sum_S, prior.num_rows, prior.total, prior.parts, smoothing)
        for last_S, has_last_S in zip(labels.last_LS, labels.has_last_LS, strict=True):
            yield np.where(has_last_S, last_S / prior.parts - prior.mean, 0.0)


def zeros(rows: Rows, num_columns: int) -> NDArray[np.float32]:
    """Values of zero (R, C), of many rows mapped from a file."""
    blocks = rows.blocks()
    return rows.mapped(
        np.zeros((block.stop - block.start, num_columns), dtype=np.float32) for block in blocks
    )


def write(
    value_RC: NDArray[np.float32], log: EventLog, keyed: KeyedRows, columns: Iterable[Floats]
) -> None:
    """Set the values of the rows (S) that the log is of: those of a row lie side by side."""
    row_S = log.row_E[keyed.place_S]
    value_CS = np.empty((value_RC.shape[1], row_S.size), dtype=np.float32)
    for column, value_S in enumerate(columns):
        value_CS[column] = value_S
    if len(log.splits) < len(SPLITS):
        is_written_S = np.isin(log.rows.split_R[row_S], log.splits)
        row_S = row_S[is_written_S]
        value_CS = value_CS[:, is_written_S]
    value_RC[row_S] = value_CS.T


def frame_of(names: Sequence[str], value_RC: NDArray[np.float32], rows: Rows) -> pl.DataFrame:
    """The values as columns."""
    frames = (
        pl.DataFrame(dict(zip(names, np.ascontiguousarray(value_RC[block].T), strict=True)))
        for block in rows.blocks()
    )
    return mapped_frame(frames, rows.cache)


def session_inputs(
    definition: SessionDefinition, rows: Rows, user: str, moments: Moments
) -> pl.DataFrame:
    """Float32 columns of SESSION_NAMES without nulls: log(1 + rows), log(1 + seconds) of the visit.

    Rows are those before the row's moment, seconds those since the first of them.
    """
    code_R = key_codes(rows, [user])
    value_RC = zeros(rows, len(SESSION_NAMES))
    gap = moments.units(definition.gap)

    def use(log: EventLog, keyed: KeyedRows) -> None:
        first_S, num_S = earlier_visit(log, keyed, gap)
        seconds_S = (keyed.time_S - first_S) / moments.units_a_second
        write(value_RC, log, keyed, [np.log1p(num_S), np.log1p(seconds_S)])

    for log in [log_of(rows, moments, walk) for walk in walks(rows, moments)]:
        for_rows_of_keys(log, code_R, partial(use, log))
    return frame_of(SESSION_NAMES, value_RC, rows)


def earlier_visit(log: EventLog, keyed: KeyedRows, gap: int) -> tuple[Integers, Integers]:
    """The first moment of each row's visit (S,), and the number of its rows before the row's own.

    The visit is that of the last row before which is seen. Where that has ended, or there is none,
    the row's own moment is the first.
    """
    seen = seen_rows(keyed, log)
    moment_S = seen.position(keyed.moment_S)
    start_S = seen.position(keyed.start_S)
    start_N = seen.only(start_S)
    begins_N = (np.arange(start_N.size) == start_N) | (np.diff(seen.time_N, prepend=0) > gap)
    begin_N = last_position(begins_N)  # the first row of each row's visit
    newest_S = np.maximum(moment_S - 1, 0)
    begin_S = _at(begin_N, newest_S)
    is_open_S = (moment_S > start_S) & (keyed.time_S - _at(seen.time_N, newest_S) <= gap)
    first_S = np.where(is_open_S, _at(seen.time_N, begin_S), keyed.time_S)
    return first_S, np.where(is_open_S, moment_S - begin_S, 0)


def _at(value_N: Integers, position_S: Integers) -> Integers:
    """The values at positions (S,); where there is none, any value."""
    if not value_N.size:
        return position_S
    value_S: Integers = value_N[np.minimum(position_S, value_N.size - 1)]
    return value_S
