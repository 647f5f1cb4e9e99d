"""Added up: what is kept of rows that are in no window but `all`, by key and by user.

Shape legend: R rows, S rows of some keys, L last labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.countable_labels import MOST_PARTS, key_columns
from hinet_search.data.derived.earlier_rows import NO_ROW, EarlierRows, KnownLabels, whole_labels
from hinet_search.data.derived.event_log import Integers, KeyedRows, Walk, for_rows_of_keys, log_of
from hinet_search.data.derived.key_codes import key_codes
from hinet_search.data.derived.moments import NO_TIME, Moments
from hinet_search.data.derived.sessions import Visits, earlier_visit
from hinet_search.data.raw_values import known_values
from hinet_search.data.rows import Rows
from hinet_search.study.event_definition import ALL, EventsDefinition, TimeSpan

EVERYTHING = Walk(len(SPLITS) - 1, tuple(range(len(SPLITS))))
NUM_ROWS = "rows"
LAST_TIME = "last time"
TIME = "time"
NUMBER = "number"
FIRST = "first"
LAST = "last"
VISIT = (FIRST, LAST, NUM_ROWS)

Keys = tuple[str, ...]


@dataclass(frozen=True)
class OlderLabels:
    """The labels of a task that were added up for the key of each row (R,), 0 where none were."""

    num_R: Integers
    sum_R: Integers
    last_LR: tuple[Integers, ...]


@dataclass(frozen=True)
class OlderRows:
    """What was added up for the key of each row (R,), 0 where nothing was."""

    num_R: Integers
    last_time_R: Integers
    labels_T: tuple[OlderLabels, ...]

    def of(self, row_Q: Integers) -> "OlderRows":
        """What was added up for some of the rows (Q,)."""
        labels = []
        for of_task in self.labels_T:
            last_LQ = tuple(last_R[row_Q] for last_R in of_task.last_LR)
            labels.append(OlderLabels(of_task.num_R[row_Q], of_task.sum_R[row_Q], last_LQ))
        return OlderRows(self.num_R[row_Q], self.last_time_R[row_Q], tuple(labels))


def of_task(task: int) -> tuple[str, str, str]:
    """The columns of a task's number of labels, their sum, and the last ones, newest first."""
    return f"labels {task}", f"sum {task}", f"last {task}"


def tasks_of(definition: EventsDefinition, num_tasks: int) -> range:
    """The tasks whose labels count: none where they are never known."""
    are_known = isinstance(definition.labels_after, TimeSpan)
    return range(num_tasks * are_known)


def values_of_key(frame: pl.DataFrame, key: Keys) -> pl.DataFrame:
    """The values of a key, null in place of NaN, in columns of `key_columns`."""
    names = zip(key, key_columns(key), strict=True)
    return pl.DataFrame([known_values(frame[name]).alias(new) for name, new in names])


def added_up(definition: EventsDefinition, rows: Rows, moments: Moments, key: Keys) -> pl.DataFrame:
    """The rows of every value of a key, added up.

    The columns are those of `key_columns`, NUM_ROWS, LAST_TIME, and `of_task` of each task.
    """
    by = key_columns(key)
    columns = [*values_of_key(rows.frame, key)]
    columns += [pl.Series(TIME, moments.time_R), pl.Series(NUMBER, rows.row_R)]
    added = [pl.len().cast(pl.Int64).alias(NUM_ROWS), pl.col(TIME).max().alias(LAST_TIME)]
    for task in tasks_of(definition, rows.labels_RT.shape[1]):
        num, total, last = of_task(task)
        has_R = rows.has_task_MT[rows.scenario_R, task]
        whole_R = whole_labels(rows, rows.labels_RT[:, task], task).astype(np.int64)
        columns += [pl.Series(num, has_R), pl.Series(total, whole_R * has_R)]
        labels = pl.col(total).filter(pl.col(num))
        added += [
            pl.col(num).sum().cast(pl.Int64),
            labels.sum(),
            labels.tail(definition.last).reverse().alias(last),
        ]
    frame = pl.DataFrame(columns).drop_nulls(by).sort(TIME, NUMBER)
    return frame.group_by(by, maintain_order=True).agg(added)


def merged(
    definition: EventsDefinition, num_tasks: int, newer: pl.DataFrame, older: pl.DataFrame
) -> pl.DataFrame:
    """Two tables of `added_up` as one."""
    if newer.is_empty():
        return older
    sums = [NUM_ROWS]
    lasts = []
    for task in tasks_of(definition, num_tasks):
        num, total, last = of_task(task)
        sums += [num, total]
        lasts.append(pl.col(last).explode().drop_nulls().head(definition.last))
    by = [name for name in older.columns if name.startswith("key ")]
    both = pl.concat([newer, older]).group_by(by, maintain_order=True)
    totals = pl.col(sums).sum().clip(upper_bound=MOST_PARTS)
    return both.agg(totals, pl.col(LAST_TIME).max(), *lasts).select(older.columns)


def older_rows(
    definition: EventsDefinition, num_tasks: int, table: pl.DataFrame, keys: pl.DataFrame
) -> OlderRows:
    """What a table of `added_up` has for the key of each row, see `values_of_key`."""
    numbered = table.select(*keys.columns, pl.int_range(pl.len(), dtype=pl.Int64).alias(NUMBER))
    found = keys.join(numbered, on=keys.columns, how="left", maintain_order="left")[NUMBER]
    whole = older_of_table(definition, num_tasks, table, np.arange(len(table)))
    return whole.of(found.fill_null(len(table)).to_numpy())


def older_of_table(
    definition: EventsDefinition, num_tasks: int, table: pl.DataFrame, order: NDArray[np.intp]
) -> OlderRows:
    """What a table of `added_up` has, in some order of its keys, and then nothing."""

    def numbers(values: pl.Series) -> Integers:
        return np.append(values.fill_null(0).to_numpy()[order], 0)

    labels = []
    for task in tasks_of(definition, num_tasks):
        num, total, last = of_task(task)
        last_LR = [
            numbers(table[last].list.get(back, null_on_oob=True)) for back in range(definition.last)
        ]
        labels.append(OlderLabels(numbers(table[num]), numbers(table[total]), tuple(last_LR)))
    return OlderRows(numbers(table[NUM_ROWS]), numbers(table[LAST_TIME]), tuple(labels))


def with_older(
    definition: EventsDefinition,
    recent: EarlierRows,
    older: OlderRows,
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
            _with_older_labels(newer_labels, older_labels, row_S, is_all_W)
            for newer_labels, older_labels in zip(recent.labels_T, older.labels_T, strict=True)
        ),
    )


def _with_older_labels(
    recent: KnownLabels, older: OlderLabels, row_S: Integers, is_all_W: Sequence[bool]
) -> KnownLabels:
    last_LS: list[Integers] = []
    has_last_LS: list[NDArray[np.bool_]] = []
    num_recent_S = np.sum(recent.has_last_LS, axis=0, dtype=np.int64)  # of the last ones
    num_older_S = older.num_R[row_S]
    older_LS = np.array([last_R[row_S] for last_R in older.last_LR])
    for back, (last_S, has_S) in enumerate(zip(recent.last_LS, recent.has_last_LS, strict=True)):
        place_S = back - num_recent_S  # among the older ones, where it is none of the recent
        has_older_S = ~has_S & (place_S < num_older_S)
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


def no_visits(users: pl.Series) -> pl.DataFrame:
    """An empty table of the last visits of users: `key 0`, their moments, and their rows."""
    name = key_columns([users.name])[0]
    columns = [pl.Series(of_visit, [], pl.Int64) for of_visit in VISIT]
    return pl.DataFrame([known_values(users).clear().alias(name), *columns])


def visits_before(visits: pl.DataFrame, users: pl.DataFrame) -> Visits:
    """The stored visit of the user of each row, see `values_of_key`."""
    found = users.join(visits, on=users.columns, how="left", maintain_order="left")
    return Visits(
        first_R=found[FIRST].fill_null(0).to_numpy(),
        last_R=found[LAST].fill_null(NO_TIME).to_numpy(),
        num_R=found[NUM_ROWS].fill_null(0).to_numpy(),
    )


def later_visits(
    visits: pl.DataFrame, user: str, gap: int, rows: Rows, moments: Moments
) -> pl.DataFrame:
    """The last visits of users after further rows, which are later than those of before."""
    users = values_of_key(rows.frame, (user,))
    log = log_of(rows, moments, EVERYTHING)
    before = visits_before(visits, users)
    tables = [visits]

    def use(keyed: KeyedRows) -> None:
        """Add the visit of the last row of every user, with all rows of its moment."""
        first_S, num_S = earlier_visit(log, keyed, gap, before)
        is_last_S = keyed.start_S[1:] != keyed.start_S[:-1]
        end = np.flatnonzero(np.append(is_last_S, np.ones(1, dtype=np.bool_)))
        num = num_S[end] + end - keyed.moment_S[end] + 1
        numbers = {FIRST: first_S[end], LAST: keyed.time_S[end], NUM_ROWS: num}
        tables.append(users[log.row_E[keyed.place_S[end]]].with_columns(**numbers))

    for_rows_of_keys(log, key_codes(rows, [user]), use)
    return pl.concat(tables).group_by(users.columns, maintain_order=True).last()
