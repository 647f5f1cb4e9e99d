"""Log rows: the rows of a study whose labels and moments new rows see, a table of its export.

Its columns are the NUMBER of a row in its source, its SPLIT and SCENARIO, the columns that inputs
are made of (`key N`, ids that are distinct by scenario as texts), and its labels (`label N`).

Label statistics, events, sessions and sequences of new rows are made by the functions of training,
of the log and the new rows together. New rows see what is strictly earlier and known by then, as
rows of test did. Nothing sees them: they are in a split of their own, ASKING.
Shape legend: R rows, T tasks, S slots of a sequence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.countable_labels import TEST, TRAIN, VALID
from hinet_search.data.derived.days import periods_of
from hinet_search.data.derived.event_log import NO_TIME, Moments, moments_at
from hinet_search.data.derived.events import event_inputs, session_inputs
from hinet_search.data.derived.rank_groups import rank_groups
from hinet_search.data.derived.sequences import encode_sequences
from hinet_search.data.derived.statistics import target_statistics
from hinet_search.data.encode import Vocabulary
from hinet_search.data.labels import (
    MAX_UNITS,
    amounts_of,
    label_problems,
    labels_of,
    where_labelled,
)
from hinet_search.data.rows import Rows
from hinet_search.data.splits import ASKING
from hinet_search.data.times import whole_times
from hinet_search.results.cells import Labels
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.row_checks import KEY, refuse
from hinet_search.serving.tables import Types, widened
from hinet_search.study.event_definition import TimeSpan
from hinet_search.study.task_definition import TaskDefinition

NUMBER, SPLIT, SCENARIO = "number", "split", "scenario"
A_DAY = 86_400

Slots = NDArray[np.int32]


@dataclass(frozen=True)
class SeenInputs:
    """What rows see of a log: numbers by name, and the slots (R, S) of every sequence."""

    numbers: pl.DataFrame = field(default_factory=pl.DataFrame)
    sequences: tuple[Slots, ...] = ()

    def of(self, rows: slice) -> "SeenInputs":
        """Those of some of the rows."""
        return SeenInputs(self.numbers[rows], tuple(slots[rows] for slots in self.sequences))


def log_of_study(inputs: Inputs, types: Types, rows: Rows) -> pl.DataFrame | None:
    """The rows of a study that new rows may see, in the types of an export; None without a log."""
    if not inputs.reads_log:
        return None
    wanted = inputs.encoded_types(types)
    columns = [rows.frame[name].cast(widened(wanted[name])) for name in inputs.columns_of_log]
    log = _table(pl.DataFrame(columns), rows.row_R, rows.scenario_R, rows.labels_RT, rows.split_R)
    last_split = TEST
    if not inputs.rolls:
        last_split = TRAIN if inputs.clock is None else VALID
    return log.filter(pl.col(SPLIT) <= last_split)


def rows_after(
    inputs: Inputs,
    log: pl.DataFrame,
    frame: pl.DataFrame,
    scenario_R: NDArray[np.int16],
    labels_RT: Labels | None = None,
) -> pl.DataFrame:
    """Rows in the form of a log's: labelled ones follow it as rows of test, others only ask."""
    num_rows = len(frame)
    first = np.uint64(log[NUMBER].to_numpy().max(initial=0) + np.uint64(1))
    split = TEST
    if labels_RT is None:
        labels_RT = np.zeros((num_rows, len(inputs.tasks)), dtype=np.uint8)
        split = ASKING
    rows = _table(
        frame.select(inputs.columns_of_log),
        np.arange(num_rows, dtype=np.uint64) + first,
        scenario_R,
        labels_RT,
        np.full(num_rows, split, dtype=np.uint8),
    )
    return rows.cast(log.schema)


def _table(
    keys: pl.DataFrame,
    row_R: NDArray[np.uint64],
    scenario_R: NDArray[np.int16],
    labels_RT: Labels,
    split_R: NDArray[np.uint8],
) -> pl.DataFrame:
    columns = [pl.Series(NUMBER, row_R), pl.Series(SPLIT, split_R), pl.Series(SCENARIO, scenario_R)]
    columns += [values.alias(f"key {number}") for number, values in enumerate(keys)]
    columns += [pl.Series(f"label {task}", label_R) for task, label_R in enumerate(labels_RT.T)]
    return pl.DataFrame(columns)


def log_types(inputs: Inputs, types: Types) -> dict[str, pl.DataType]:
    """The columns of a log with their types; `types` are of encoded values."""
    columns: dict[str, pl.DataType] = {NUMBER: pl.UInt64(), SPLIT: pl.UInt8(), SCENARIO: pl.Int16()}
    for number, name in enumerate(inputs.columns_of_log):
        columns[f"key {number}"] = types[name]
    label_type = pl.Float32() if inputs.amount_units else pl.UInt8()
    return columns | {f"label {task}": label_type for task in range(len(inputs.tasks))}


def key_of(inputs: Inputs, name: str) -> str:
    """The column of a log that has the values of a column of rows."""
    return f"key {inputs.columns_of_log.index(name)}"


def _rows(inputs: Inputs, log: pl.DataFrame) -> Rows:
    """The rows of a log as a training has them; amounts are in the units of the model."""
    keys = {key_of(inputs, name): name for name in inputs.columns_of_log}
    labels = [f"label {task}" for task in range(len(inputs.tasks))]
    return Rows(
        frame=log.select(*keys).rename(keys),
        row_R=log[NUMBER].to_numpy(),
        scenarios=inputs.scenario.names,
        scenario_R=log[SCENARIO].to_numpy(),
        labels_RT=log.select(labels).to_numpy(order="c"),
        has_task_MT=inputs.has_task,
        split_R=log[SPLIT].to_numpy(),
        truth_RT=None,
        notes=(),
        units={inputs.tasks.index(task): unit for task, unit in inputs.amount_units.items()},
    )


def labels_of_rows(
    inputs: Inputs,
    tasks: Mapping[str, TaskDefinition],
    frame: pl.DataFrame,
    scenario_R: NDArray[np.int16],
    path: str,
) -> tuple[Labels, NDArray[np.bool_]]:
    """Labels (R, T) as a training has them, and whether a row has a label of every task (R,).

    `frame` are checked rows with a copy of each label's column. Amounts are in the units of the
    model; a label is 0 where there is none. DataError when a column holds values that are no
    labels.
    """
    label_type = np.float32 if inputs.amount_units else np.uint8
    labels_RT = np.zeros((len(frame), len(inputs.tasks)), dtype=label_type)
    is_labelled_R = np.ones(len(frame), dtype=np.bool_)
    problems = []
    for number, name in enumerate(inputs.tasks):
        task = tasks[name]
        values = frame[f"{KEY}{task.column}"]
        has_label_R = inputs.has_task[scenario_R, number]
        is_absent_R = ~has_label_R
        if task.equals is None:  # else a missing value is another one, as in training
            has_label_R &= values.is_not_null().to_numpy()
        is_labelled_R &= has_label_R | is_absent_R
        known = where_labelled(values, has_label_R)
        wrong = _wrong_labels(inputs, name, task, known)
        problems += wrong
        if not wrong and task.is_amount:
            labels_RT[has_label_R, number] = amounts_of(task, known) / inputs.amount_units[name]
        elif not wrong:
            labels_RT[has_label_R, number] = labels_of(task, known)
    refuse(path, problems)
    return labels_RT, is_labelled_R


def _wrong_labels(inputs: Inputs, name: str, task: TaskDefinition, known: pl.Series) -> list[str]:
    """What is wrong with the values of a label, if anything is."""
    is_number = known.dtype.is_numeric() or known.dtype in (pl.Boolean, pl.Null)
    if task.equals is None and not is_number:
        return [f"column '{task.column}' must hold numbers, got {known.dtype}"]
    problems = label_problems(name, task, known)
    if problems or not task.is_amount:
        return problems
    unit = inputs.amount_units[name]
    largest = amounts_of(task, known).max(initial=0.0)
    if largest > MAX_UNITS * unit:
        problems.append(
            f"amounts of {name} must be at most {MAX_UNITS:,} times the mean of training, "
            f"{unit:.4g}, got {largest:.4g}"
        )
    return problems


def is_in_log(inputs: Inputs, log: pl.DataFrame, newer: pl.DataFrame) -> NDArray[np.bool_]:
    """Whether a log already goes beyond each of the newer rows (R,): then it has that row.

    It goes beyond those that are not later by their time, nor by the clock of statistics.
    """
    is_in_R = np.ones(len(newer), dtype=np.bool_)
    has_time_R = np.zeros(len(newer), dtype=np.bool_)
    orders = []
    if inputs.time is not None:
        time = key_of(inputs, inputs.time)
        orders.append((whole_times(log[time]), whole_times(newer[time])))
    if inputs.statistics is not None and inputs.clock is not None:
        clock = key_of(inputs, inputs.clock)
        statistics = inputs.statistics
        orders.append((periods_of(log[clock], statistics), periods_of(newer[clock], statistics)))
    for log_times, times in orders:
        last = log_times.max()
        if last is not None:
            is_in_R &= (times <= last).fill_null(value=True).to_numpy()
            has_time_R |= times.is_not_null().to_numpy()
    return is_in_R & has_time_R


def seen_inputs(
    inputs: Inputs, vocabularies: Mapping[str, Vocabulary], log: pl.DataFrame, asking: pl.DataFrame
) -> SeenInputs:
    """The inputs of rows that ask; `vocabularies` are of the categorical fields."""
    rows = _rows(inputs, pl.concat([log, asking]))
    if inputs.rank is not None:
        rows = replace(
            rows, groups=rank_groups(inputs.rank, rows, inputs.user, _moments(inputs, rows))
        )
    tables = []
    slots: tuple[Slots, ...] = ()
    if inputs.statistics is not None:
        tables.append(target_statistics(inputs.statistics, rows, inputs.tasks))
    moments = _moments(inputs, rows)
    if moments is not None:
        if inputs.events is not None:
            tables.append(event_inputs(inputs.events, rows, inputs.tasks, moments))
        if inputs.session is not None:
            assert inputs.user is not None, "checked with the file"
            tables.append(session_inputs(inputs.session, rows, inputs.user, moments))
        if inputs.sequences:
            slots = encode_sequences(inputs.sequences, rows, inputs.tasks, moments, vocabularies)
    numbers = pl.concat(tables, how="horizontal")[len(log) :] if tables else pl.DataFrame()
    # If no row asks, these are the slots of the log.
    of_asking = tuple(each[len(each) - len(asking) :] for each in slots)
    return SeenInputs(numbers, of_asking)


def _moments(inputs: Inputs, rows: Rows) -> Moments | None:
    """The moments of rows, None if no input reads them."""
    return None if inputs.time is None else moments_at(rows, inputs.time, inputs.time_unit)


def seconds_after_log(inputs: Inputs, log: pl.DataFrame, asking: pl.DataFrame) -> float | None:
    """The seconds from the end of a log to the middle one of some rows, if that is long.

    That is longer than the longest window of events, or a day without any.
    """
    moments = _moments(inputs, _rows(inputs, pl.concat([log, asking])))
    if moments is None:
        return None
    time_R = moments.time_R[len(log) :]
    time_R = time_R[time_R != NO_TIME]
    if not time_R.size:
        return None
    age = float(np.median(time_R)) - moments.time_R[: len(log)].max(initial=0)
    longest = A_DAY * moments.units_a_second
    windows = () if inputs.events is None else inputs.events.windows
    spans = [moments.units(window) for window in windows if isinstance(window, TimeSpan)]
    return age / moments.units_a_second if age > max(spans, default=longest) else None


def notes_of_log(inputs: Inputs, log: pl.DataFrame) -> Iterator[str]:
    """Sentences about what new rows see of the log, and up to when it goes."""
    if inputs.clock is None and inputs.statistics is not None:
        yield "Label statistics are of training rows."
    elif inputs.clock is not None and inputs.rolls_statistics:
        until = _until(inputs, log, inputs.clock, TEST)
        yield (
            f"Label statistics are of train, valid and test{until}. A row counts labels of days "
            "before."
        )
    elif inputs.clock is not None:
        until = _until(inputs, log, inputs.clock, VALID)
        yield (
            f"Label statistics are of train and valid{until}, none of test. A row counts labels of "
            "days before."
        )
    if inputs.time is not None:
        until = _until(inputs, log, inputs.time, TEST)
        yield f"A row sees the rows before its {inputs.time}: train, valid and test{until}."
    if inputs.rolls:
        yield (
            "The metrics of this model are of rows that see all before them: give labelled rows "
            "that are newer than the study to `predict --log`."
        )


def _until(inputs: Inputs, log: pl.DataFrame, column: str, last_split: int) -> str:
    """The last value of a time in the rows up to a split, in words."""
    last = log.filter(pl.col(SPLIT) <= last_split)[key_of(inputs, column)].max()
    return "" if last is None else f" up to {column} {last!s}"
