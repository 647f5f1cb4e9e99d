"""Label columns: the labels of new rows, where rows have the columns that training made them of.

Shape legend: R rows, T tasks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.labels import (
    MAX_UNITS,
    amounts_of,
    label_problems,
    labels_of,
    where_labelled,
)
from hinet_search.results.cells import Labels
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.row_checks import KEY, refuse
from hinet_search.study.task_definition import TaskDefinition

if TYPE_CHECKING:
    NewLabels = NDArray[np.int8 | np.float64]  # float64 if the rows have a task of amounts
else:
    NewLabels = np.ndarray  # types checked at run time know no unions of dtypes

UNLABELLED = -1


@dataclass(frozen=True)
class LabelsOfRows:
    """Labels as a training has them, and whether a row has those of all its tasks (R,).

    Amounts are in the units of the model. A label is 0 where there is none.
    """

    labels_RT: Labels
    is_labelled_R: NDArray[np.bool_]


def labels_of_rows(
    exported: ExportedModel, tasks: Mapping[str, TaskDefinition], frame: pl.DataFrame, path: str
) -> LabelsOfRows:
    """The labels of checked rows, which have the label columns of all `tasks`.

    DataError when a column holds values that are no labels.
    """
    inputs = exported.file.inputs
    has_task_RT = inputs.has_task[exported.encoder.scenario_numbers(frame)]
    refuse(path, label_column_problems(inputs.tasks, tasks, frame, has_task_RT))
    label_RT = labels_of_columns(inputs.tasks, tasks, frame, has_task_RT)
    is_labelled_R = (~has_task_RT | (label_RT != UNLABELLED)).all(axis=1)
    label_RT[~has_task_RT | ~is_labelled_R[:, None]] = 0
    refuse(path, _amount_problems(label_RT, inputs))
    if not inputs.amount_units:
        return LabelsOfRows(label_RT.astype(np.uint8), is_labelled_R)
    return LabelsOfRows((label_RT / inputs.units).astype(np.float32), is_labelled_R)


def _amount_problems(label_RT: NewLabels, inputs: Inputs) -> list[str]:
    largest_T = label_RT.max(axis=0, initial=0)
    problems = []
    for task, unit in inputs.amount_units.items():
        largest = largest_T[inputs.tasks.index(task)]
        if largest > MAX_UNITS * unit:
            problems.append(
                f"amounts of {task} must be at most {MAX_UNITS:,} times the mean of training, "
                f"{unit:.4g}, got {largest:.4g}"
            )
    return problems


def label_column_problems(
    names: Sequence[str],
    tasks: Mapping[str, TaskDefinition],
    frame: pl.DataFrame,
    has_task_RT: NDArray[np.bool_],
) -> list[str]:
    """Columns of checked rows of which no label can be made, where a row has the task.

    `names` are all tasks of the model, `tasks` those that the frame has the columns of.
    """
    problems: list[str] = []
    for name, has_task_R in zip(names, has_task_RT.T, strict=True):
        task = tasks.get(name)
        if task is None:
            continue
        values = where_labelled(frame[f"{KEY}{task.column}"], has_task_R).drop_nulls()
        is_number = values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)
        if is_number or task.equals is not None:
            problems += label_problems(name, task, values)
        else:
            problems.append(f"column '{task.column}' must hold numbers, got {values.dtype}")
    return problems


def labels_of_columns(
    names: Sequence[str],
    tasks: Mapping[str, TaskDefinition],
    frame: pl.DataFrame,
    has_task_RT: NDArray[np.bool_],
) -> NewLabels:
    """Labels (R, T) of the tasks in `names`; amounts are in the unit of their column.

    UNLABELLED where there is none, and where a row does not have the task.
    """
    pairs = zip(names, has_task_RT.T, strict=True)
    return np.stack([_labels(frame, tasks.get(name), has_task_R) for name, has_task_R in pairs], 1)


def _labels(
    frame: pl.DataFrame, task: TaskDefinition | None, has_task_R: NDArray[np.bool_]
) -> NewLabels:
    if task is None:
        return np.full(len(frame), UNLABELLED, dtype=np.int8)
    label_R: NewLabels = np.full(
        len(frame), UNLABELLED, dtype=np.float64 if task.is_amount else np.int8
    )
    values = frame[f"{KEY}{task.column}"]
    is_known_R = has_task_R
    if task.equals is None:  # else a missing value is another one, as in training
        is_known_R = has_task_R & values.is_not_null().to_numpy()
    known = where_labelled(values, is_known_R)
    label_R[is_known_R] = amounts_of(task, known) if task.is_amount else labels_of(task, known)
    return label_R
