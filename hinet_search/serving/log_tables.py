"""Log tables: the state of a log as the tables of an exported model, and read back with checks.

log          one row: the time of moment 0, and the moment before which all rows are added up
priors       the training rows and the sum of labels of every task, by which rates are smoothed
recent       the rows that are kept as they are: number, moment, scenario, `key N`, `label N`
shown        older rows that a sequence still shows, in the same columns
older.N      what is added up for the N-th key of events
visits       the last visit of every user
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.added_up import (
    LAST_TIME,
    NUM_ROWS,
    VISIT,
    Keys,
    of_task,
    tasks_of,
)
from hinet_search.data.derived.countable_labels import MOST_PARTS, PARTS, key_columns
from hinet_search.data.derived.events import Prior, prior_of
from hinet_search.data.derived.log_state import LogState, log_state_of
from hinet_search.data.derived.moments import NO_TIME, Moments, first_time, moments_of
from hinet_search.data.derived.rows_of_log import TEST, some_rows
from hinet_search.data.rows import Rows
from hinet_search.data.times import LONGEST, unit_of
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.log_input import LogInput
from hinet_search.serving.tables import Types, as_typed, read_table, require, require_range, widened
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.event_definition import EventsDefinition

LOG = "log"
PRIORS = "priors"
RECENT = "recent"
OLDER = "older"
VISITS = "visits"
SHOWN = "shown"
ORIGIN = "origin"
ADDED_BEFORE = "added before"
NUMBER = "number"
MOMENT = "moment"
SCENARIO = "scenario"
TRAINING_ROWS = "rows"
SUM = "sum"
MAX_COUNT = 2**31  # so that a product of two counts fits into 64 bits

PathOf = Callable[[str], Path]  # the file of a table by its name


def log_state_of_study(
    definition: DataDefinition,
    inputs: Inputs,
    types: Types,
    rows: Rows,
    chosen: NDArray[np.intp] | None = None,
) -> LogState | None:
    """The state of a study's log after all of its rows, with keys of the types of an export.

    It has the `chosen` rows alone, if there are any. None without inputs of a log.
    """
    if inputs.log is None:
        return None
    columns = inputs.log.definition.columns
    wanted = inputs.encoded_types(types)
    keys = [rows.frame[name].cast(widened(wanted[name])) for name in columns]
    rows = rows.with_columns(pl.DataFrame(keys))
    priors = [prior_of(rows, task) for task in range(len(inputs.tasks))]
    moments = moments_of(definition, rows)
    first = first_time(definition, rows)
    if chosen is not None:
        rows = some_rows(rows, chosen)
        moments = Moments(moments.time_R[chosen], moments.unit)
    return log_state_of(inputs.log.definition, rows, inputs.tasks, moments, priors, first)


def log_table_names(inputs: Inputs) -> list[str]:
    """Names of the tables of `tables_of_log`."""
    if inputs.log is None:
        return []
    names = [LOG, PRIORS, RECENT]
    events = inputs.log.events
    if events is not None:
        names += [f"{OLDER}.{number}" for number in range(len(events.keys))]
    if inputs.log.session is not None:
        names.append(VISITS)
    if inputs.log.sequences:
        names.append(SHOWN)
    return names


def tables_of_log(state: LogState | None) -> dict[str, pl.DataFrame]:
    """The tables of a state by name; none without one."""
    if state is None:
        return {}
    priors = {
        TRAINING_ROWS: [prior.num_rows for prior in state.priors],
        SUM: [prior.total for prior in state.priors],
    }
    tables = {
        LOG: pl.DataFrame({ORIGIN: [state.origin], ADDED_BEFORE: [state.added_before]}),
        PRIORS: pl.DataFrame(priors, schema=dict.fromkeys(priors, pl.Int64)),
        RECENT: _table_of(state.recent, state.moments),
    }
    tables |= {f"{OLDER}.{number}": table for number, table in enumerate(state.older.values())}
    if state.visits is not None:
        tables[VISITS] = state.visits
    if state.definition.sequences:
        tables[SHOWN] = _table_of(state.shown, state.shown_moments)
    return tables


def _table_of(rows: Rows, moments: Moments) -> pl.DataFrame:
    """Rows of a log as they are read by `_rows_of`."""
    num_tasks = rows.labels_RT.shape[1]
    columns = [
        pl.Series(NUMBER, rows.row_R),
        pl.Series(MOMENT, moments.time_R),
        pl.Series(SCENARIO, rows.scenario_R),
        *(values.alias(f"key {number}") for number, values in enumerate(rows.frame)),
        *(pl.Series(f"label {task}", rows.labels_RT[:, task]) for task in range(num_tasks)),
    ]
    return pl.DataFrame(columns)


def log_state_of_folder(inputs: Inputs, types: Types, path_of: PathOf) -> LogState | None:
    """Read back the tables of `tables_of_log`; None without inputs of a log.

    DataError when a table does not fit rows of `types`.
    """
    log = inputs.log
    if log is None:
        return None
    path = path_of(LOG)
    place = as_typed(path, read_table(path), dict.fromkeys((ORIGIN, ADDED_BEFORE), pl.Int64()))
    require(path, len(place) == 1, "have one row", f"has {len(place)}")
    origin, added_before = place.row(0)
    is_moment = NO_TIME <= added_before <= LONGEST
    require(path, is_moment, "have a moment before which rows are added up", "has not")
    recent, moments = _rows_of(inputs, log, types, path_of(RECENT))
    shown = some_rows(recent, np.zeros(0, dtype=np.intp))
    shown_moments = Moments(moments.time_R[:0], moments.unit)
    if log.sequences:
        shown, shown_moments = _rows_of(inputs, log, types, path_of(SHOWN))
        is_older_R = (shown_moments.time_R >= 0) & (shown_moments.time_R < added_before)
        require(path_of(SHOWN), bool(is_older_R.all()), "hold rows that are added up", "does not")
    is_recent_R = (moments.time_R >= max(added_before, 0)) & (moments.time_R <= LONGEST)
    require(path_of(RECENT), bool(is_recent_R.all()), "hold rows that are not added up", "does not")
    older = {}
    if log.events is not None:
        for number, key in enumerate(log.events.keys):
            older[key] = _older(log.events, inputs, types, key, path_of(f"{OLDER}.{number}"))
    visits = None
    if log.session is not None and log.user is not None:
        visits = _visits(path_of(VISITS), types[log.user])
    return LogState(
        definition=log.definition,
        tasks=inputs.tasks,
        priors=_priors(inputs, path_of(PRIORS)),
        recent=recent,
        moments=moments,
        older=older,
        visits=visits,
        added_before=added_before,
        shown=shown,
        shown_moments=shown_moments,
        origin=origin,
    )


def _priors(inputs: Inputs, path: Path) -> tuple[Prior, ...]:
    table = as_typed(path, read_table(path), {TRAINING_ROWS: pl.Int64(), SUM: pl.Int64()})
    num_tasks = len(inputs.tasks)
    require(path, len(table) == num_tasks, f"have {num_tasks} rows", f"has {len(table)}")
    _require_range(path, table[TRAINING_ROWS], 1, MAX_COUNT)
    _require_range(path, table[SUM], 0, MOST_PARTS)
    parts = np.where(inputs.is_amount, PARTS, 1).tolist()
    return tuple(map(Prior, table[TRAINING_ROWS], table[SUM], parts))


def _rows_of(inputs: Inputs, log: LogInput, types: Types, path: Path) -> tuple[Rows, Moments]:
    columns = log.definition.columns
    num_tasks = len(inputs.tasks)
    has_amounts = bool(inputs.is_amount.any())
    label_type = pl.Float32() if has_amounts else pl.UInt8()
    keys = {f"key {number}": types[name] for number, name in enumerate(columns)}
    labels = dict.fromkeys((f"label {task}" for task in range(num_tasks)), label_type)
    numbers = {NUMBER: pl.UInt64(), MOMENT: pl.Int64(), SCENARIO: pl.Int16()}
    table = as_typed(path, read_table(path), {**numbers, **keys, **labels}, nullable=tuple(keys))
    scenarios = inputs.scenario.names
    _require_range(path, table[SCENARIO], 0, len(scenarios))
    for number, name in enumerate(labels):
        most = float("inf") if inputs.is_amount[number] else 1
        _require_range(path, table[name], 0, most)
    rows = Rows(
        frame=table.select(*keys).rename(dict(zip(keys, columns, strict=True))),
        row_R=table[NUMBER].to_numpy(),
        scenarios=scenarios,
        scenario_R=table[SCENARIO].to_numpy(),
        labels_RT=table.select(*labels).to_numpy(),
        has_task_MT=np.concatenate([inputs.has_task, np.zeros((1, num_tasks), dtype=np.bool_)]),
        split_R=np.full(len(table), TEST, dtype=np.uint8),
        truth_RT=None,
        notes=(),
        units=inputs.numbered_units,
    )
    return rows, Moments(table[MOMENT].to_numpy(), unit_of(types[log.time], log.time_unit))


def _older(
    events: EventsDefinition, inputs: Inputs, types: Types, key: Keys, path: Path
) -> pl.DataFrame:
    by = key_columns(key)
    numbers: dict[str, pl.DataType] = {NUM_ROWS: pl.Int64(), LAST_TIME: pl.Int64()}
    for task in tasks_of(events, len(inputs.tasks)):
        num, total, last = of_task(task)
        numbers |= {num: pl.Int64(), total: pl.Int64(), last: pl.List(pl.Int64())}
    wanted = {**dict(zip(by, (types[name] for name in key), strict=True)), **numbers}
    table = as_typed(path, read_table(path), wanted, by)
    _require_range(path, table[NUM_ROWS], 1, MAX_COUNT)
    _require_range(path, table[LAST_TIME], 0, LONGEST)
    for task in tasks_of(events, len(inputs.tasks)):
        num, total, last = of_task(task)
        _require_range(path, table[num], 0, MAX_COUNT)
        _require_range(path, table[total], 0, MOST_PARTS)
        entries = table[last].explode().drop_nulls()
        _require_range(path, entries, 0, MOST_PARTS)
        length = table[last].list.drop_nulls().list.len().cast(pl.Int64)
        most = table[num].clip(0, events.last)
        require(path, bool((length == most).all()), f"have the last labels in '{last}'", "has not")
    return table


def _visits(path: Path, user_type: pl.DataType) -> pl.DataFrame:
    user = key_columns([0])[0]
    wanted = {user: user_type, **dict.fromkeys(VISIT, pl.Int64())}
    table = as_typed(path, read_table(path), wanted, [user])
    first, last, num_rows = (table[name] for name in VISIT)
    is_visit = (first >= 0) & (first <= last) & (last <= LONGEST)
    require(path, bool(is_visit.all()), "hold visits that begin before they end", "does not")
    _require_range(path, num_rows, 1, MAX_COUNT)
    return table


def _require_range(path: Path, numbers: pl.Series, low: float, high: float) -> None:
    require_range(path, numbers, (low, high), f"hold {low} to {high:g} in '{numbers.name}'")
