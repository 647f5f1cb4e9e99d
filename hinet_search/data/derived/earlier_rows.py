"""Earlier rows: what each row of a log may count of its key's earlier rows, as whole numbers.

Whole numbers have exact sums in any order, so the same rows always give the same inputs.

Shape legend: E rows of a log, S rows of some keys, T tasks, W windows, L last labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.blocks import blocks_of
from hinet_search.data.derived.event_log import EventLog, Integers, KeyedRows
from hinet_search.data.derived.moments import Moments
from hinet_search.data.derived.statistics import PARTS
from hinet_search.data.mapped_array import mapped_array
from hinet_search.data.rows import Rows
from hinet_search.study.event_definition import EventsDefinition, TimeSpan

NO_ROW = -1  # in place of a time since, where there is no earlier row


@dataclass(frozen=True)
class TaskLabels:
    """The labels of a task in the order of a log.

    `added_E` is what a row adds to their sum: 0 or 1, or parts of an amount. `has_E` says which
    rows have the task, None if all do.
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
class Horizons:
    """For every row of a log the places from which rows are in a window, and up to which.

    `earlier_E` is the first place of the row's own moment, `known_E` the first place whose label
    is not yet known, None if labels never are. Windows hold the first place within them, None for
    all rows: `rows_W` those of rows, `labels_W` those of labels.
    """

    earlier_E: Integers
    rows_W: tuple[Integers | None, ...]
    known_E: Integers | None
    labels_W: tuple[Integers | None, ...]


def horizons(definition: EventsDefinition, log: EventLog, moments: Moments) -> Horizons:
    """The windows of a definition in a log."""
    places: dict[int, Integers] = {}

    def place(length: int) -> Integers:
        if length not in places:
            places[length] = log.num_before(length)
        return places[length]

    lengths = [
        moments.units(window) if isinstance(window, TimeSpan) else None
        for window in definition.windows
    ]
    rows_W = tuple(None if length is None else place(length) for length in lengths)
    delay = definition.labels_after
    if not isinstance(delay, TimeSpan):
        return Horizons(place(0), rows_W, None, ())
    delayed = moments.units(delay)
    labels_W = tuple(None if length is None else place(delayed + length) for length in lengths)
    return Horizons(place(0), rows_W, place(delayed), labels_W)


def task_labels(log: EventLog) -> tuple[TaskLabels, ...]:
    """The labels of every task in the order of a log."""
    rows = log.rows
    return tuple(_labels_of(log, task) for task in range(rows.labels_RT.shape[1]))


def _labels_of(log: EventLog, task: int) -> TaskLabels:
    rows, blocks = log.rows, list(blocks_of(log.num_rows))
    added_E = mapped_array(
        (whole_labels(rows, rows.labels_RT[log.row_E[block], task], task) for block in blocks),
        rows.cache,
    )
    has_task_M = rows.has_task_MT[:, task]
    if has_task_M.all():
        return TaskLabels(added_E, None)
    has_E = (has_task_M[rows.scenario_R[log.row_E[block]]] for block in blocks)
    return TaskLabels(added_E, mapped_array(has_E, rows.cache))


def whole_labels(rows: Rows, label_B: NDArray[Any], task: int) -> NDArray[Any]:
    """Labels of a task as whole numbers: 0 and 1 as they are, of amounts their parts."""
    if task not in rows.units:
        return label_B.astype(np.uint8)
    return np.rint(label_B.astype(np.float64) * PARTS).astype(np.int64)


def earlier_rows(
    log: EventLog,
    keyed: KeyedRows,
    horizons: Horizons,
    labels: Sequence[TaskLabels],
    num_last: int,
) -> EarlierRows:
    """What rows (S) may count; there are no labels where none is ever known."""
    end_S = keyed.first_from(horizons.earlier_E)
    num_WS = tuple(end_S - _first(keyed, place_E) for place_E in horizons.rows_W)
    time_S = log.time_E[keyed.place_S]
    has_earlier_S = end_S > keyed.start_S
    since_S = np.where(has_earlier_S, time_S - time_S[end_S - 1], NO_ROW)
    if horizons.known_E is None:
        return EarlierRows(num_WS, since_S, ())
    known_S = keyed.first_from(horizons.known_E)
    first_WS = tuple(_first(keyed, place_E) for place_E in horizons.labels_W)
    known = tuple(_known(keyed, each, known_S, first_WS, num_last) for each in labels)
    return EarlierRows(num_WS, since_S, known)


def _first(keyed: KeyedRows, place_E: Integers | None) -> Integers:
    """The position of the first row in a window, whose first places are given."""
    return keyed.start_S if place_E is None else keyed.first_from(place_E)


def _known(
    keyed: KeyedRows,
    labels: TaskLabels,
    known_S: Integers,
    first_WS: Sequence[Integers],
    num_last: int,
) -> KnownLabels:
    """The known labels of a task: those of positions from the first up to the known one."""
    added_S = labels.added_E[keyed.place_S]
    start_S = keyed.start_S
    if labels.has_E is not None:  # positions among the rows that have the task
        has_S = labels.has_E[keyed.place_S]
        position_S = _sums_before(has_S)
        added_S = added_S[has_S]
        start_S, known_S = position_S[start_S], position_S[known_S]
        first_WS = [position_S[first_S] for first_S in first_WS]
    sum_S = _sums_before(added_S)
    last_LS, has_last_LS = [], []
    for back in range(1, num_last + 1):
        has_last_S = known_S - back >= start_S
        has_last_LS.append(has_last_S)
        last_S = np.zeros(known_S.size, dtype=np.int64)
        last_S[has_last_S] = added_S[known_S[has_last_S] - back]
        last_LS.append(last_S)
    return KnownLabels(
        num_WS=tuple(known_S - first_S for first_S in first_WS),
        sum_WS=tuple(sum_S[known_S] - sum_S[first_S] for first_S in first_WS),
        last_LS=tuple(last_LS),
        has_last_LS=tuple(has_last_LS),
    )


def _sums_before(number_S: NDArray[Any]) -> Integers:
    """The sum of all numbers before each position, and of all."""
    return np.concatenate([[0], np.cumsum(number_S, dtype=np.int64)])
