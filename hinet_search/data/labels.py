"""Labels: make the label of every row and task, where the row's scenario has the task.

Amounts are divided by their mean over training rows, their unit, so that tasks weigh alike in a
loss.

Shape legend: R rows, T tasks, M scenarios.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.data.blocks import blocks_of
from hinet_search.data.encode import known_values
from hinet_search.data.raw_values import as_text, text_of
from hinet_search.results.cells import Labels
from hinet_search.study.data_definition import DataDefinition, TaskDefinition


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
) -> tuple[float | None, ...]:
    """The mean amount of every task (T) over checked training rows, in six digits.

    It is None of a task of 0 and 1, and there are none if all tasks are.
    Errors: DataError if every amount of a task is 0.
    """
    if not any(task.is_amount for task in definition.tasks.values()):
        return ()
    units: list[float | None] = []
    for (name, task), has_task_M in zip(definition.tasks.items(), has_task_MT.T, strict=True):
        if not task.is_amount:
            units.append(None)
            continue
        total, num_rows = 0.0, 0
        for block in blocks_of(len(frame)):
            is_used_R = is_train_R[block] & has_label(has_task_M, scenario_R[block])
            amounts = amounts_of(task, where_labelled(frame[task.column][block], is_used_R))
            total, num_rows = total + float(amounts.sum()), num_rows + amounts.size
        if num_rows and not total:
            raise DataError(
                f"data.tasks.{name}: column '{task.column}' must have an amount above 0 in a "
                f"training row, got 0 in all {num_rows:,}"
            )
        units.append(float(f"{total / max(num_rows, 1):.6g}"))
    return tuple(units)


def read_labels(
    definition: DataDefinition,
    frame: pl.DataFrame,
    has_label_RT: NDArray[np.bool_],
    units: tuple[float | None, ...],
) -> Labels:
    """The labels (R, T) of checked rows in their `units`, 0 where a row has no task."""
    labels_RT = np.zeros(has_label_RT.shape, dtype=np.float32 if units else np.uint8)
    for number, task in enumerate(definition.tasks.values()):
        has_label_R = has_label_RT[:, number]
        labelled = where_labelled(frame[task.column], has_label_R)
        unit = units[number] if units else None
        if unit is None:
            labels_RT[has_label_R, number] = labels_of(task, labelled)
        else:
            labels_RT[has_label_R, number] = amounts_of(task, labelled) / unit
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
