"""Log rows: the rows of a study whose labels and moments new rows see, stored with its model.

Label statistics, events, sessions and sequences of new rows are made by the functions of training,
of the log and the new rows together. New rows see what is strictly earlier and known by then, as
rows of test did. Nothing sees them: they are in a split of their own, ASKING.
Shape legend: R rows, T tasks, S slots of a sequence.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.countable_labels import TEST, TRAIN, VALID
from hinet_search.data.derived.days import periods_of
from hinet_search.data.derived.event_log import NO_TIME, Moments, moments_at
from hinet_search.data.derived.events import event_inputs, session_inputs
from hinet_search.data.derived.sequences import encode_sequences
from hinet_search.data.derived.statistics import target_statistics
from hinet_search.data.encode import Vocabulary
from hinet_search.data.labels import MAX_UNITS
from hinet_search.data.rows import Rows
from hinet_search.data.splits import ASKING
from hinet_search.data.times import whole_times
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.tables import Types, as_typed, read_table, require, require_range, widened
from hinet_search.study.event_definition import TimeSpan

LOG = "log"  # the table
NUMBER, SPLIT, SCENARIO = "number", "split", "scenario"
A_DAY = 86_400

PathOf = Callable[[str], Path]  # the file of a table by its name
Slots = NDArray[np.int32]


@dataclass(frozen=True)
class SeenInputs:
    """What rows see of a log: numbers by kind, and the slots (R, S) of every sequence."""

    statistics: pl.DataFrame = field(default_factory=pl.DataFrame)
    log: pl.DataFrame = field(default_factory=pl.DataFrame)
    sequences: tuple[Slots, ...] = ()

    def of(self, rows: slice) -> "SeenInputs":
        """Those of some of the rows."""
        return SeenInputs(
            self.statistics[rows], self.log[rows], tuple(s[rows] for s in self.sequences)
        )


def log_of_study(inputs: Inputs, types: Types, rows: Rows) -> Rows | None:
    """The rows of a study that new rows may see, in the types of an export; None without a log."""
    if not inputs.reads_log:
        return None
    wanted = inputs.encoded_types(types)
    names = inputs.columns_of_log
    columns = [rows.frame[name].cast(widened(wanted[name])) for name in names]
    number = np.flatnonzero(np.isin(rows.split_R, _splits_seen(inputs)))
    return _rows(
        inputs,
        pl.DataFrame(columns)[number],
        row_R=rows.row_R[number],
        scenario_R=rows.scenario_R[number],
        labels_RT=rows.labels_RT[number],
        split_R=rows.split_R[number],
    )


def _splits_seen(inputs: Inputs) -> tuple[int, ...]:
    """The splits of a study of which new rows see rows."""
    if inputs.rolls:
        return (TRAIN, VALID, TEST)
    return (TRAIN,) if inputs.clock is None else (TRAIN, VALID)


def _rows(inputs: Inputs, frame: pl.DataFrame, **arrays: NDArray[np.generic]) -> Rows:
    return Rows(
        frame=frame,
        scenarios=inputs.scenario.names,
        has_task_MT=inputs.has_task,
        truth_RT=None,
        notes=(),
        units=inputs.numbered_units,
        **arrays,  # type: ignore[arg-type]  # of the types that their names say
    )


def new_rows(
    inputs: Inputs,
    log: Rows,
    frame: pl.DataFrame,
    scenario_R: NDArray[np.int16],
    labels_RT: NDArray[np.generic] | None = None,
) -> Rows:
    """Rows in the form of a log's: labelled ones follow it as rows of test, others only ask."""
    num_rows = len(frame)
    columns = [frame[name].cast(dtype) for name, dtype in log.frame.schema.items()]
    first = np.uint64(log.row_R.max(initial=0) + np.uint64(1))
    if labels_RT is None:
        labels_RT = np.zeros((num_rows, len(inputs.tasks)), dtype=log.labels_RT.dtype)
        split = ASKING
    else:
        split = TEST
    return _rows(
        inputs,
        pl.DataFrame(columns),
        row_R=np.arange(num_rows, dtype=np.uint64) + first,
        scenario_R=scenario_R,
        labels_RT=labels_RT.astype(log.labels_RT.dtype),
        split_R=np.full(num_rows, split, dtype=np.uint8),
    )


def together(log: Rows, others: Rows) -> Rows:
    """The rows of a log, followed by others."""
    return replace(
        log,
        frame=pl.concat([log.frame, others.frame]),
        row_R=np.concatenate([log.row_R, others.row_R]),
        scenario_R=np.concatenate([log.scenario_R, others.scenario_R]),
        labels_RT=np.concatenate([log.labels_RT, others.labels_RT]),
        split_R=np.concatenate([log.split_R, others.split_R]),
    )


def some_rows(rows: Rows, is_chosen_R: NDArray[np.bool_]) -> Rows:
    """The chosen rows."""
    number = np.flatnonzero(is_chosen_R)
    return replace(
        rows,
        frame=rows.frame[number],
        row_R=rows.row_R[number],
        scenario_R=rows.scenario_R[number],
        labels_RT=rows.labels_RT[number],
        split_R=rows.split_R[number],
    )


def is_in_log(inputs: Inputs, log: Rows, newer: Rows) -> NDArray[np.bool_]:
    """Whether a log already goes beyond each of the newer rows (R,): then it has that row.

    It goes beyond those that are not later by their time, nor by the clock of statistics.
    """
    is_in_R = np.ones(newer.num_rows, dtype=np.bool_)
    has_time_R = np.zeros(newer.num_rows, dtype=np.bool_)
    for times_of in _orders(inputs):
        last = times_of(log.frame).max()
        if last is not None:
            times = times_of(newer.frame)
            is_in_R &= (times <= last).fill_null(value=True).to_numpy()
            has_time_R |= times.is_not_null().to_numpy()
    return is_in_R & has_time_R


def _orders(inputs: Inputs) -> Iterator[Callable[[pl.DataFrame], pl.Series]]:
    """Yield what gives the moments of rows, and the periods of their clock, as far as they have."""
    log, statistics, clock = inputs.log, inputs.statistics, inputs.clock
    if log is not None:
        yield lambda frame: whole_times(frame[log.time])
    if statistics is not None and clock is not None:
        yield lambda frame: periods_of(frame[clock], statistics)


def seen_inputs(
    inputs: Inputs, vocabularies: Mapping[str, Vocabulary], log: Rows, asking: Rows
) -> SeenInputs:
    """The inputs of rows that ask; `vocabularies` are of the categorical fields."""
    rows = together(log, asking)
    first = log.num_rows
    statistics = pl.DataFrame()
    if inputs.statistics is not None:
        statistics = target_statistics(inputs.statistics, rows, inputs.tasks)[first:]
    if inputs.log is None:
        return SeenInputs(statistics)
    moments = moments_at(rows, inputs.log.time, inputs.log.time_unit)
    tables = []
    if inputs.log.events is not None:
        tables.append(event_inputs(inputs.log.events, rows, inputs.tasks, moments)[first:])
    if inputs.log.session is not None:
        assert inputs.log.user is not None, "checked with the file"
        session = inputs.log.session
        tables.append(session_inputs(session, rows, inputs.log.user, moments)[first:])
    slots: tuple[Slots, ...] = ()
    if inputs.log.sequences:
        slots = encode_sequences(inputs.log.sequences, rows, inputs.tasks, moments, vocabularies)
    numbers = pl.concat(tables, how="horizontal") if tables else pl.DataFrame()
    # If no row asks, these are the slots of the log.
    of_asking = tuple(each[len(each) - asking.num_rows :] for each in slots)
    return SeenInputs(statistics, numbers, of_asking)


def seconds_after_log(inputs: Inputs, log: Rows, asking: Rows) -> float | None:
    """The seconds from the end of a log to the middle one of some rows, if that is long.

    That is longer than the longest window of events, or a day without any.
    """
    if inputs.log is None:
        return None
    moments = moments_at(together(log, asking), inputs.log.time, inputs.log.time_unit)
    time_R = moments.time_R[log.num_rows :]
    time_R = time_R[time_R != NO_TIME]
    if not time_R.size:
        return None
    age = float(np.median(time_R)) - moments.time_R[: log.num_rows].max(initial=0)
    return age / moments.units_a_second if age > _longest_window(inputs, moments) else None


def _longest_window(inputs: Inputs, moments: Moments) -> int:
    events = None if inputs.log is None else inputs.log.events
    windows = () if events is None else events.windows
    spans = [moments.units(window) for window in windows if isinstance(window, TimeSpan)]
    return max(spans, default=A_DAY * moments.units_a_second)


def table_of_log(log: Rows) -> pl.DataFrame:
    """The rows of a log as a table."""
    num_tasks = log.labels_RT.shape[1]
    columns = [
        pl.Series(NUMBER, log.row_R),
        pl.Series(SPLIT, log.split_R),
        pl.Series(SCENARIO, log.scenario_R),
        *(values.alias(f"key {number}") for number, values in enumerate(log.frame)),
        *(pl.Series(f"label {task}", log.labels_RT[:, task]) for task in range(num_tasks)),
    ]
    return pl.DataFrame(columns)


def log_of_folder(inputs: Inputs, types: Types, path_of: PathOf) -> Rows | None:
    """Read back the table of `table_of_log`; None for a model without a log.

    DataError when it does not fit rows of `types`.
    """
    if not inputs.reads_log:
        return None
    path = path_of(LOG)
    names = inputs.columns_of_log
    keys = {f"key {number}": types[name] for number, name in enumerate(names)}
    label_type = pl.Float32() if inputs.amount_units else pl.UInt8()
    labels = {f"label {task}": label_type for task in range(len(inputs.tasks))}
    own = {NUMBER: pl.UInt64(), SPLIT: pl.UInt8(), SCENARIO: pl.Int16()}
    table = as_typed(path, read_table(path), {**own, **keys, **labels}, nullable=tuple(keys))
    limits = {SPLIT: len(SPLITS) - 1, SCENARIO: len(inputs.scenario.names) - 1}
    most = np.where(inputs.is_amount, MAX_UNITS, 1).tolist()
    limits |= dict(zip(labels, most, strict=True))
    for name, largest in limits.items():
        require_range(path, table[name], (0, largest), f"hold 0 to {largest:g} in '{name}'")
    frame = table.select(*keys).rename(dict(zip(keys, names, strict=True)))
    if inputs.log is not None:
        num_times = len(whole_times(frame[inputs.log.time]).drop_nulls())
        require(path, num_times > 0, f"hold times of '{inputs.log.time}'", "has none")
    return _rows(
        inputs,
        frame,
        row_R=table[NUMBER].to_numpy(),
        scenario_R=table[SCENARIO].to_numpy(),
        labels_RT=table.select(*labels).to_numpy(),
        split_R=table[SPLIT].to_numpy(),
    )
