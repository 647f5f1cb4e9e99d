"""Earlier rows: what each row of a log may count of its key's earlier rows, as whole numbers.

Whole numbers have exact sums in any order, so the same rows always give the same inputs.

Shape legend: E rows of a log, S rows of some keys, N some of them, T tasks, W windows, L last
labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.blocks import blocks_of
from hinet_search.data.derived.countable_labels import whole_amounts
from hinet_search.data.derived.event_log import EventLog, Integers, KeyedRows, Moments
from hinet_search.data.rows import Rows
from hinet_search.study.event_definition import EventsDefinition, TimeSpan

NO_ROW = -1  # in place of a time since, where there is no earlier row


@dataclass(frozen=True)
class TaskLabels:
    """The labels of a task in the order of a log.

    `added_E` is what a row adds to their sum: 0 or 1, or parts of an amount. `has_E` says which
    rows are seen and have the task, None if all do.
    """

    added_E: NDArray[Any]
    has_E: NDArray[np.bool_] | None


@dataclass(frozen=True)
class KnownLabels:
    """The labels of a task that are known at each row.

    Per window their number and sum, and the last ones: what each added, and whether it exists.
    """

    num_WS: tuple[Integers, ...]
    sum_WS: tuple[Integers, ...]
    last_LS: tuple[Integers, ...]
    has_last_LS: tuple[NDArray[np.bool_], ...]


@dataclass(frozen=True)
class EarlierRows:
    """Per window the earlier rows of each row's key, the time since the last, and known labels."""

    num_WS: tuple[Integers, ...]
    since_S: Integers
    labels_T: tuple[KnownLabels, ...]


@dataclass(frozen=True)
class SeenRows:
    """Of some keys' rows (S) those that others see (N): their moments, and where they stand.

    `before_S` has how many of them are before each position and before the end; None if all are.
    """

    time_N: Integers
    is_seen_S: NDArray[np.bool_] | slice
    before_S: Integers | None

    def position(self, position_S: Integers) -> Integers:
        """Positions among all rows as positions among those that are seen."""
        return position_S if self.before_S is None else self.before_S[position_S]

    def only(self, value_S: Integers) -> Integers:
        """The values of those that are seen (N,)."""
        return value_S[self.is_seen_S]


def seen_rows(keyed: KeyedRows, log: EventLog) -> SeenRows:
    """The rows of some keys that others see."""
    if log.is_seen_E is None:
        return SeenRows(keyed.time_S, slice(None), None)
    is_seen_S = log.is_seen_E[keyed.place_S]
    return SeenRows(keyed.time_S[is_seen_S], is_seen_S, sums_before(is_seen_S))


@dataclass(frozen=True)
class Horizons:
    """How far windows reach back, in units of time, and the places in a log that this means.

    `place_E` has, for every such length, the first place of a row that is no longer ago (E,).
    `rows_W` are the windows of rows, `labels_W` those of labels with the delay, None for all rows.
    `delay` is that of labels, None if they are never known.
    """

    place_E: Mapping[int, Integers]
    rows_W: tuple[int | None, ...]
    labels_W: tuple[int | None, ...]
    delay: int | None


def horizons(definition: EventsDefinition, log: EventLog, moments: Moments) -> Horizons:
    """The horizons of a definition in a log."""
    rows_W = tuple(
        moments.units(window) if isinstance(window, TimeSpan) else None
        for window in definition.windows
    )
    delay = None
    labels_W: tuple[int | None, ...] = ()
    if isinstance(definition.labels_after, TimeSpan):
        delay = moments.units(definition.labels_after)
        labels_W = tuple(None if length is None else delay + length for length in rows_W)
    wanted = {*rows_W, *labels_W, delay}
    place_E = {length: log.num_before(length) for length in wanted if length}  # not of 0 and None
    return Horizons(place_E, rows_W, labels_W, delay)


def task_labels(log: EventLog) -> tuple[TaskLabels, ...]:
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
        labels.append(TaskLabels(added_E, has_E))
    return tuple(labels)


def whole_labels(rows: Rows, label_B: NDArray[Any], task: int) -> NDArray[Any]:
    """Labels of a task as whole numbers: 0 and 1 as they are, of amounts their parts."""
    if task not in rows.units:
        return label_B.astype(np.uint8)
    return whole_amounts(label_B)


def earlier_rows(
    keyed: KeyedRows,
    log: EventLog,
    horizons: Horizons,
    labels: Sequence[TaskLabels],
    num_last: int,
) -> EarlierRows:
    """What rows (S) of a log may count; there are no labels where none is ever known."""
    # For every length of time the first row of the key that is no longer ago: of 0 the first of the
    # row's own moment, of None the first of all.
    first_S: dict[int | None, Integers] = {None: keyed.start_S, 0: keyed.moment_S}
    for length, place_E in horizons.place_E.items():
        first_S[length] = keyed.first_from(place_E)
    seen = seen_rows(keyed, log)
    start_S = seen.position(keyed.start_S)
    moment_S = seen.position(keyed.moment_S)
    num_WS = tuple(moment_S - seen.position(first_S[length]) for length in horizons.rows_W)
    since_S = keyed.time_S - seen.time_N[moment_S - 1] if seen.time_N.size else keyed.time_S
    since_S = np.where(moment_S > start_S, since_S, NO_ROW)
    known = []
    if horizons.delay is not None:
        known_S = first_S[horizons.delay]
        first_WS = [first_S[length] for length in horizons.labels_W]
        known = [_known(of_task, keyed, known_S, first_WS, num_last) for of_task in labels]
    return EarlierRows(num_WS, since_S, tuple(known))


def _known(
    labels: TaskLabels,
    keyed: KeyedRows,
    known_S: Integers,
    first_WS: Sequence[Integers],
    num_last: int,
) -> KnownLabels:
    """The known labels of a task: those of positions from the first up to the known one."""
    added_N = labels.added_E[keyed.place_S]
    start_S = keyed.start_S
    if labels.has_E is not None:  # positions among the rows that are seen and have the task
        has_S = labels.has_E[keyed.place_S]
        added_N = added_N[has_S]
        before_S = sums_before(has_S)
        start_S = before_S[start_S]
        known_S = before_S[known_S]
        first_WS = [before_S[first_S] for first_S in first_WS]
    sum_N = sums_before(added_N)
    last_LS = []
    has_last_LS = []
    for back in range(1, num_last + 1):
        has_last_S = known_S - back >= start_S
        has_last_LS.append(has_last_S)
        last_S = np.zeros(known_S.size, dtype=np.int64)
        last_S[has_last_S] = added_N[known_S[has_last_S] - back]
        last_LS.append(last_S)
    return KnownLabels(
        num_WS=tuple(known_S - first_S for first_S in first_WS),
        sum_WS=tuple(sum_N[known_S] - sum_N[first_S] for first_S in first_WS),
        last_LS=tuple(last_LS),
        has_last_LS=tuple(has_last_LS),
    )


def sums_before(number_S: NDArray[Any]) -> Integers:
    """The sum of all numbers before each position, and of all."""
    return np.concatenate([[0], np.cumsum(number_S, dtype=np.int64)])
