"""Labels: make the label of every row and task, where the row's scenario has the task.

Amounts are divided by their mean over training rows, their unit, so that tasks weigh alike in a
loss.

Shape legend: R rows, T tasks, M scenarios.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.data.blocks import blocks_of
from hinet_search.data.encode import known_values
from hinet_search.data.raw_values import as_text, text_of
from hinet_search.results.cells import Labels
from hinet_search.study.data_definition import DataDefinition, TaskDefinition

MAX_UNITS = 1_000_000_000  # of an amount: its label and sums of it stay exact enough


def has_label(has_task_M: NDArray[np.bool_], scenario_R: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Whether the scenario of a row has a task (R,); without memory for rows if all do."""
    return np.broadcast_to(True, scenario_R.shape) if has_task_M.all() else has_task_M[scenario_R]


def where_labelled(values: pl.Series, has_label_R: NDArray[np.bool_]) -> pl.Series:
    """The values of a label in the rows that have its task; without a copy if all do."""
    return values if has_label_R.all() else values.filter(pl.Series(has_label_R))


def units_of_amounts(
    definition: DataDefinition,
    frame: pl.DataFrame,
    is_train_R: NDArray[np.bool_],
    scenario_R: NDArray[np.int16],
    has_task_MT: NDArray[np.bool_],
) -> dict[int, float]:
    """The mean amount over checked training rows, in six digits, by the number of every task of
    amounts.

    Errors: DataError if every amount of a task is 0, or one is more than MAX_UNITS times the mean.
    """
    units = {}
    problems = []
    for number, (name, task) in enumerate(definition.tasks.items()):
        if not task.is_amount:
            continue
        total = 0.0
        num_rows = 0
        largest = 0.0
        for block in blocks_of(len(frame)):
            has_label_R = has_label(has_task_MT[:, number], scenario_R[block])
            amount_B = amounts_of(task, where_labelled(frame[task.column][block], has_label_R))
            of_train_B = amount_B[is_train_R[block][has_label_R]]
            total = total + float(of_train_B.sum())
            num_rows = num_rows + of_train_B.size
            largest = max(largest, float(amount_B.max(initial=0.0)))
        where = f"data.tasks.{name}: column '{task.column}'"
        mean = total / max(num_rows, 1)
        if num_rows and not mean:
            problems.append(
                f"{where} must have an amount above 0 in a training row, got 0 in all {num_rows:,}"
            )
        elif largest > MAX_UNITS * mean:
            problems.append(
                f"{where} must have amounts of at most {MAX_UNITS:,} times the mean of training "
                f"rows, {mean:.4g}, got {largest:.4g}; limit them with at_most"
            )
        units[number] = float(f"{mean:.6g}")
    if problems:
        raise DataError(*problems)
    return units


def read_labels(
    definition: DataDefinition,
    frame: pl.DataFrame,
    has_label_RT: NDArray[np.bool_],
    units: Mapping[int, float],
) -> Labels:
    """The labels (R, T) of checked rows in their `units`, 0 where a row has no task."""
    labels_RT = np.zeros(has_label_RT.shape, dtype=np.float32 if units else np.uint8)
    for number, task in enumerate(definition.tasks.values()):
        has_label_R = has_label_RT[:, number]
        labelled = where_labelled(frame[task.column], has_label_R)
        if task.is_amount:
            labels_RT[has_label_R, number] = amounts_of(task, labelled) / units[number]
        else:
            labels_RT[has_label_R, number] = labels_of(task, labelled)
    return labels_RT


def missing_labels(
    definition: DataDefinition,
    frame: pl.DataFrame,
    scenario_R: NDArray[np.int16],
    has_task_MT: NDArray[np.bool_],
) -> Iterator[str]:
    """Note missing values that count as 0: `equals` takes them, the other rules refuse them."""
    for (name, task), has_task_M in zip(definition.tasks.items(), has_task_MT.T, strict=True):
        if task.equals is None:
            continue
        missing = 0
        for block in blocks_of(len(frame)):
            has_label_R = has_label(has_task_M, scenario_R[block])
            values = where_labelled(frame[task.column][block], has_label_R)
            missing += known_values(values).null_count()
        if missing:
            yield (
                f"{missing:,} rows have no '{task.column}' and count as not "
                f"'{text_of(task.equals)}' (task {name})"
            )


def labels_of(task: TaskDefinition, values: pl.Series) -> NDArray[np.uint8]:
    """The 0/1 of every row (R,), from checked values of the task's column."""
    return positives(task, values).cast(pl.UInt8).to_numpy()


def amounts_of(task: TaskDefinition, values: pl.Series) -> NDArray[np.float64]:
    """The amount of every row (R,), from checked values of the task's column."""
    amount_R = values.cast(pl.Float64).to_numpy()
    return amount_R if task.at_most is None else np.minimum(amount_R, task.at_most)


def positives(task: TaskDefinition, values: pl.Series) -> pl.Series:
    """Which values of a label are a 1 by the rule of its task; without a rule, the values."""
    if task.equals is not None:
        return (as_text(values) == text_of(task.equals)).fill_null(value=False)
    if task.above is not None:
        return _as_number(values) > task.above
    if task.at_least is not None:
        return _as_number(values) >= task.at_least
    return values


def _as_number(values: pl.Series) -> pl.Series:
    """True and false as 1 and 0: Polars does not compare them with a number."""
    return values.cast(pl.UInt8) if values.dtype == pl.Boolean else values
