"""Log rows: the rows of a study whose labels and moments new rows see, stored with its model.

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
from hinet_search.data.derived.event_log import NO_TIME, moments_at
from hinet_search.data.derived.events import event_inputs, session_inputs
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


def log_of_study(inputs: Inputs, types: Types, rows: Rows) -> Rows | None:
    """The rows of a study that new rows may see, in the types of an export; None without a log."""
    if not inputs.reads_log:
        return None
    wanted = inputs.encoded_types(types)
    columns = [rows.frame[name].cast(widened(wanted[name])) for name in inputs.columns_of_log]
    frame = pl.DataFrame(columns)
    every = as_log(inputs, frame, rows.row_R, rows.scenario_R, rows.labels_RT, rows.split_R)
    last_split = TEST
    if not inputs.rolls:
        last_split = TRAIN if inputs.clock is None else VALID
    return some_rows(every, rows.split_R <= last_split)


def as_log(
    inputs: Inputs,
    frame: pl.DataFrame,
    row_R: NDArray[np.uint64],
    scenario_R: NDArray[np.int16],
    labels_RT: Labels,
    split_R: NDArray[np.uint8],
) -> Rows:
    """Rows with the scenarios and tasks of a model; amounts are in its units."""
    return Rows(
        frame=frame,
        row_R=row_R,
        scenarios=inputs.scenario.names,
        scenario_R=scenario_R,
        labels_RT=labels_RT,
        has_task_MT=inputs.has_task,
        split_R=split_R,
        truth_RT=None,
        notes=(),
        units={inputs.tasks.index(task): unit for task, unit in inputs.amount_units.items()},
    )


def new_rows(
    inputs: Inputs,
    log: Rows,
    frame: pl.DataFrame,
    scenario_R: NDArray[np.int16],
    labels_RT: Labels | None = None,
) -> Rows:
    """Rows in the form of a log's: labelled ones follow it as rows of test, others only ask."""
    num_rows = len(frame)
    columns = [frame[name].cast(dtype) for name, dtype in log.frame.schema.items()]
    first = np.uint64(log.row_R.max(initial=0) + np.uint64(1))
    split = TEST
    if labels_RT is None:
        labels_RT = np.zeros((num_rows, len(inputs.tasks)), dtype=log.labels_RT.dtype)
        split = ASKING
    return as_log(
        inputs,
        pl.DataFrame(columns),
        np.arange(num_rows, dtype=np.uint64) + first,
        scenario_R,
        labels_RT,
        np.full(num_rows, split, dtype=np.uint8),
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


def labels_of_rows(
    inputs: Inputs,
    tasks: Mapping[str, TaskDefinition],
    frame: pl.DataFrame,
    scenario_R: NDArray[np.int16],
    path: str,
) -> tuple[Labels, NDArray[np.bool_]]:
    """Labels (R, T) as a training has them, and whether a row has those of all its tasks (R,).

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


def is_in_log(inputs: Inputs, log: Rows, newer: Rows) -> NDArray[np.bool_]:
    """Whether a log already goes beyond each of the newer rows (R,): then it has that row.

    It goes beyond those that are not later by their time, nor by the clock of statistics.
    """
    is_in_R = np.ones(newer.num_rows, dtype=np.bool_)
    has_time_R = np.zeros(newer.num_rows, dtype=np.bool_)
    orders = []
    if inputs.time is not None:
        orders.append([whole_times(rows.frame[inputs.time]) for rows in (log, newer)])
    if inputs.statistics is not None and inputs.clock is not None:
        clocks = (rows.frame[inputs.clock] for rows in (log, newer))
        orders.append([periods_of(values, inputs.statistics) for values in clocks])
    for log_times, times in orders:
        last = log_times.max()
        if last is not None:
            is_in_R &= (times <= last).fill_null(value=True).to_numpy()
            has_time_R |= times.is_not_null().to_numpy()
    return is_in_R & has_time_R


def seen_inputs(
    inputs: Inputs, vocabularies: Mapping[str, Vocabulary], log: Rows, asking: Rows
) -> SeenInputs:
    """The inputs of rows that ask; `vocabularies` are of the categorical fields."""
    rows = together(log, asking)
    tables = []
    slots: tuple[Slots, ...] = ()
    if inputs.statistics is not None:
        tables.append(target_statistics(inputs.statistics, rows, inputs.tasks))
    if inputs.time is not None:
        moments = moments_at(rows, inputs.time, inputs.time_unit)
        if inputs.events is not None:
            tables.append(event_inputs(inputs.events, rows, inputs.tasks, moments))
        if inputs.session is not None:
            assert inputs.user is not None, "checked with the file"
            tables.append(session_inputs(inputs.session, rows, inputs.user, moments))
        if inputs.sequences:
            slots = encode_sequences(inputs.sequences, rows, inputs.tasks, moments, vocabularies)
    numbers = pl.concat(tables, how="horizontal")[log.num_rows :] if tables else pl.DataFrame()
    # If no row asks, these are the slots of the log.
    of_asking = tuple(each[len(each) - asking.num_rows :] for each in slots)
    return SeenInputs(numbers, of_asking)


def seconds_after_log(inputs: Inputs, log: Rows, asking: Rows) -> float | None:
    """The seconds from the end of a log to the middle one of some rows, if that is long.

    That is longer than the longest window of events, or a day without any.
    """
    if inputs.time is None:
        return None
    moments = moments_at(together(log, asking), inputs.time, inputs.time_unit)
    time_R = moments.time_R[log.num_rows :]
    time_R = time_R[time_R != NO_TIME]
    if not time_R.size:
        return None
    age = float(np.median(time_R)) - moments.time_R[: log.num_rows].max(initial=0)
    longest = A_DAY * moments.units_a_second
    windows = () if inputs.events is None else inputs.events.windows
    spans = [moments.units(window) for window in windows if isinstance(window, TimeSpan)]
    return age / moments.units_a_second if age > max(spans, default=longest) else None


def notes_of_log(inputs: Inputs, log: Rows) -> Iterator[str]:
    """Sentences about what new rows see of the log, and up to when it goes."""
    if inputs.clock is None and inputs.statistics is not None:
        yield "Label statistics are of training rows."
    elif inputs.clock is not None and inputs.rolls_statistics:
        until = _until(log, inputs.clock, TEST)
        yield (
            f"Label statistics are of train, valid and test{until}. A row counts labels of days "
            "before."
        )
    elif inputs.clock is not None:
        until = _until(log, inputs.clock, VALID)
        yield (
            f"Label statistics are of train and valid{until}, none of test. A row counts labels of "
            "days before."
        )
    if inputs.time is not None:
        until = _until(log, inputs.time, TEST)
        yield f"A row sees the rows before its {inputs.time}: train, valid and test{until}."
    if inputs.rolls:
        yield (
            "The metrics of this model are of rows that see all before them: give labelled rows "
            "that are newer than the study to `predict --log`."
        )


def _until(log: Rows, column: str, last_split: int) -> str:
    """The last value of a time in the rows up to a split, in words."""
    last = log.frame[column].filter(pl.Series(log.split_R <= last_split)).max()
    return "" if last is None else f" up to {column} {last!s}"
