"""Label columns: the labels of new rows, where rows have the columns that training made them of.

Shape legend: R rows, T tasks.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.label_checks import label_problems
from hinet_search.data.labels import amounts_of, labels_of, where_labelled
from hinet_search.serving.predict import KEY
from hinet_search.study.data_definition import TaskDefinition

if TYPE_CHECKING:
    NewLabels = NDArray[np.int8 | np.float64]  # float64 if the rows have a task of amounts
else:
    NewLabels = np.ndarray  # types checked at run time know no unions of dtypes

UNLABELLED = -1


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
