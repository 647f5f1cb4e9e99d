"""Events: inputs that the log itself knows before each row, counted without leaking.

For every key (a user, a video, a user in a tab) a row at time t gets

    exposures   per window, log(1 + n) of the n rows of the key with t - window <= time < t
    recency     1 / (1 + log(1 + seconds since the key's last earlier row)), 0 without one
    rates       per task and window, (p + smoothing * prior) / (n + smoothing) - prior of the n rows
                whose label is known and which are in the window before: those with
                t - labels_after - window <= time < t - labels_after; 0 without one
                with a half-life, rates of all known rows in which one of age a = t - its time
                counts 2^(-a / half_life) in n and p
    last        per task, the labels of the last known rows minus the prior, 0 where there is none

The prior is the task's mean over the training rows that have it. A row whose scenario does not have
a task is no row of it. So 0 means that nothing is known, or nothing unusual.

Rows of train see earlier rows of train only, those of valid also rows of valid, those of test rows
of all splits. Earlier is strictly earlier: rows of the same moment do not see each other. A row
with a null in the key or without a time sees nothing, and is not seen by that key. With groups of a
ranking, t is the moment of the first row of the row's group (rank_groups.py).

A row may also know where it stands in the visit of its user. A visit ends when more than `gap`
passes until the user's next moment. A row without a user or a time has zeros.

Shape legend: R rows of the table, E rows of a log, S rows of some keys, sorted by key and time, N
of them that are seen, W windows, C columns,
T tasks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.countable_labels import PARTS, TRAIN, Floats, rate, whole_amounts
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
    seen_rows,
    sums_before,
    walks,
)
from hinet_search.data.derived.fading import fading_sums
from hinet_search.data.mapped import blocks_of, mapped_frame
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
class TaskLabels:
    """The labels of a task in the order of a log, and their prior.

    `added_E` is what a row adds to their sum: 0 or 1, or parts of an amount. `has_E` says which
    rows are seen and have the task, None if all do.
    """

    added_E: NDArray[Any]
    has_E: NDArray[np.bool_] | None
    prior: Prior


@dataclass(frozen=True)
class Horizons:
    """How far windows reach back, in units of time, and the places in a log that this means.

    `place_E` has, for every such length, the first place of a row that is no longer ago (E,).
    `rows_W` are the windows of rows, `labels_W` the windows of labels, None for all rows. Labels
    are known after `delay`, None if never, and fade by `half_life`, None if not.
    """

    place_E: Mapping[int, Integers]
    rows_W: tuple[int | None, ...]
    labels_W: tuple[int | None, ...]
    delay: int | None
    half_life: int | None


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
            if definition.half_life is not None:
                names.append(f"{of_task} rate half-life {definition.half_life}")
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
        logs.append(_PreparedLog(log, task_labels(log, priors), horizons(definition, log, moments)))

    def use(each: _PreparedLog, value_RC: NDArray[np.float32], keyed: KeyedRows) -> None:
        columns = _inputs(definition, each, keyed, moments.units_a_second)
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


def horizons(definition: EventsDefinition, log: EventLog, moments: Moments) -> Horizons:
    """The horizons of a definition in a log."""
    rows_W = tuple(map(moments.units, definition.windows))
    delay = moments.units(definition.labels_after)
    labels_W: tuple[int | None, ...] = ()
    if delay is not None:
        labels_W = tuple(None if length is None else delay + length for length in rows_W)
    wanted = {*rows_W, *labels_W, delay}
    place_E = {length: log.num_before(length) for length in wanted if length}  # not of 0 and None
    half_life = moments.units(definition.half_life)
    return Horizons(place_E, rows_W, labels_W, delay, half_life)


def task_labels(log: EventLog, priors: Sequence[Prior]) -> tuple[TaskLabels, ...]:
    """The labels of every task in the order of a log."""
    rows = log.rows
    row_blocks = [log.row_E[block] for block in blocks_of(log.num_rows)]
    labels = []
    for task, has_task_M in enumerate(rows.has_task_MT.T):
        of_blocks = (whole_labels(rows, rows.labels_RT[row_B, task], task) for row_B in row_blocks)
        added_E = rows.mapped(of_blocks)
        has_E = log.is_seen_E
        if not has_task_M.all():
            has_E = rows.mapped(has_task_M[rows.scenario_R[row_B]] for row_B in row_blocks)
            has_E = has_E if log.is_seen_E is None else has_E & log.is_seen_E
        labels.append(TaskLabels(added_E, has_E, priors[task]))
    return tuple(labels)


def whole_labels(rows: Rows, label_B: NDArray[Any], task: int) -> NDArray[Any]:
    """Labels of a task as whole numbers: 0 and 1 as they are, of amounts their parts."""
    if task not in rows.units:
        return label_B.astype(np.uint8)
    return whole_amounts(label_B)


def _inputs(
    definition: EventsDefinition, prepared: _PreparedLog, keyed: KeyedRows, units_a_second: int
) -> Iterator[Floats]:
    """Yield the columns of some keys' rows (S), in the order of their names."""
    horizons = prepared.horizons
    # For every length of time the first row of the key that is no longer ago: of 0 the first of the
    # row's own moment, of None the first of all.
    first_S: dict[int | None, Integers] = {None: keyed.start_S, 0: keyed.moment_S}
    for span, place_E in horizons.place_E.items():
        first_S[span] = keyed.first_from(place_E)
    seen = seen_rows(keyed, prepared.log)
    moment_S = seen.position(keyed.moment_S)
    for length in horizons.rows_W:
        yield np.log1p(moment_S - seen.position(first_S[length]))
    since_S = keyed.as_of_S - seen.time_N[moment_S - 1] if seen.time_N.size else keyed.as_of_S
    recency_S = 1 / (1 + np.log1p(np.maximum(since_S, 0) / units_a_second))
    yield np.where(moment_S > seen.position(keyed.start_S), recency_S, 0.0)
    if horizons.delay is not None:
        known_S = first_S[horizons.delay]
        first_WS = [first_S[length] for length in horizons.labels_W]
        for labels in prepared.labels:
            yield from _label_inputs(
                definition, labels, keyed, known_S, first_WS, horizons.half_life
            )


def _label_inputs(
    definition: EventsDefinition,
    labels: TaskLabels,
    keyed: KeyedRows,
    known_S: Integers,
    first_WS: Sequence[Integers],
    half_life: int | None,
) -> Iterator[Floats]:
    """Yield rates and last labels of a task, counting positions up to the last known one."""
    added_N = labels.added_E[keyed.place_S]
    time_N = keyed.time_S
    start_S = start_N = keyed.start_S
    if labels.has_E is not None:  # positions among the rows that are seen and have the task
        has_S = labels.has_E[keyed.place_S]
        added_N = added_N[has_S]
        before_S = sums_before(has_S)
        start_S = before_S[start_S]
        time_N, start_N = time_N[has_S], start_S[has_S]
        known_S = before_S[known_S]
        first_WS = [before_S[first_S] for first_S in first_WS]
    prior = labels.prior
    sum_N = sums_before(added_N)
    for first_S in first_WS:
        sum_S = sum_N[known_S] - sum_N[first_S]
        num_S = known_S - first_S
        yield rate(num_S, sum_S, prior.num_rows, prior.total, prior.parts, definition.smoothing)
    if half_life is not None:
        counted_2N = np.stack([np.ones(added_N.size), added_N])
        fading = fading_sums(counted_2N, time_N, start_N, half_life)
        num_S, sum_S = fading.before(known_S, start_S, keyed.as_of_S)
        yield rate(num_S, sum_S, prior.num_rows, prior.total, prior.parts, definition.smoothing)
    for back in range(1, definition.last + 1):
        has_last_S = known_S - back >= start_S
        last_S = np.zeros(known_S.size, dtype=np.int64)
        last_S[has_last_S] = added_N[known_S[has_last_S] - back]
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
    """Set the values of the log's rows (S); the values of a row lie side by side."""
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
        seconds_S = (keyed.as_of_S - first_S) / moments.units_a_second
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
    is_open_S = (moment_S > start_S) & (keyed.as_of_S - _at(seen.time_N, newest_S) <= gap)
    first_S = np.where(is_open_S, _at(seen.time_N, begin_S), keyed.as_of_S)
    return first_S, np.where(is_open_S, moment_S - begin_S, 0)


def _at(value_N: Integers, position_S: Integers) -> Integers:
    """The values at positions (S,); where there is none, any value."""
    if not value_N.size:
        return position_S
    value_S: Integers = value_N[np.minimum(position_S, value_N.size - 1)]
    return value_S
