"""Metrics of cells: the values of every (scenario, task) from the scores of all rows.

Scores are logits in float32: bf16 probabilities have 37 distinct values, which moved AUC by 0.004.
The metrics themselves are files of results/metrics.
Shape legend: R rows of a split, T tasks, C rows of a cell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.columns import Columns
from hinet_search.results.cells import Cell, rows_of_task
from hinet_search.results.families import BERNOULLI
from hinet_search.results.metrics import Metric, always_measured, metric_named
from hinet_search.results.records import CellValue
from hinet_search.results.statistics.calibrators import chance_of_sum
from hinet_search.results.statistics.resampling import units_of_rows
from hinet_search.results.statistics.scored_cell import ScoredCell, Sort, scored_cell


class NonFiniteScores(Exception):
    """A score is NaN or infinite, so no metric can be computed; `value` is the first such score."""

    def __init__(self, message: str, value: float) -> None:
        super().__init__(message, value)
        self.value = value

    def __str__(self) -> str:
        return str(self.args[0])


def cell_values(
    scores_RT: NDArray[np.float32],
    columns: Columns,
    cells: Sequence[Cell],
    sort: Sort = np.sort,
    further: Sequence[str] = (),
    *,
    chances: bool = False,
) -> tuple[CellValue, ...]:
    """Return the metrics of all cells, scenario by scenario, from logits (R, T) of all rows.

    A metric that a cell does not have is None, with a reason. `sort` sorts the keys of a cell.
    `further` are the names of metrics beside those that are always measured, `chances` adds the
    chance of a right model's calibration where rows have users.
    Errors: NonFiniteScores when a score is NaN or infinite.
    """
    _refuse_non_finite(scores_RT, cells)
    of_cells: dict[str, Metric] = {}
    of_groups: dict[str, Metric] = {}
    of_tasks: dict[str, Metric] = {}
    for name in further:
        metric = metric_named(name)
        if metric.over_scenarios:
            of_tasks[name] = metric
        elif metric.within == "groups":
            of_groups[name] = metric
        else:
            of_cells[name] = metric
    tasks = _values_of_tasks(scores_RT, columns, cells, of_tasks)
    values: list[CellValue] = []
    for number, of_scenario in groupby(cells, key=lambda cell: cell.scenario_number):
        rows_C = np.flatnonzero(columns.scenario_R == number)
        scores_CT = scores_RT[rows_C]
        labels_CT = columns.labels_RT[rows_C]
        user_C = columns.user_R[rows_C]
        within_C = columns.ranked_within[rows_C]
        units = units_of_rows(user_C) if chances and (user_C >= 0).any() else None
        for cell in of_scenario:
            task = cell.task_number
            scored = scored_cell(cell, scores_CT[:, task], labels_CT[:, task], user_C, sort=sort)
            measured = {**_values(scored, of_cells), **tasks.get(task, {})}
            if of_groups:
                measured |= _values(replace(scored, unit_C=within_C), of_groups)
            values.append(_cell_value(cell, scored, measured, units))
    return tuple(values)


def _refuse_non_finite(scores_RT: NDArray[np.float32], cells: Sequence[Cell]) -> None:
    is_bad_RT = ~np.isfinite(scores_RT)
    if not is_bad_RT.any():
        return
    row, task = np.argwhere(is_bad_RT)[0]
    value = scores_RT[row, task]
    names = {cell.task_number: cell.task for cell in cells}
    raise NonFiniteScores(
        f"scores must be finite, got {is_bad_RT.sum()} that are not, the first ({value}) for task "
        f"{names[task]} in row {row}",
        value=float(value),
    )


def _values_of_tasks(
    scores_RT: NDArray[np.float32],
    columns: Columns,
    cells: Sequence[Cell],
    metrics: Mapping[str, Metric],
) -> dict[int, dict[str, float | None]]:
    """Return what metrics over all scenarios are worth, by number of task and name."""
    values: dict[int, dict[str, float | None]] = {}
    for cell in cells:
        task = cell.task_number
        if metrics and task not in values:
            rows = rows_of_task(cell, cells, columns.scenario_R)
            scored = scored_cell(
                cell, scores_RT[rows, task], columns.labels_RT[rows, task], columns.user_R[rows]
            )
            values[task] = _values(scored, metrics)
    return values


def _values(scored: ScoredCell, metrics: Mapping[str, Metric]) -> dict[str, float | None]:
    return {name: metric.value(scored) for name, metric in metrics.items()}


def _cell_value(
    cell: Cell,
    scored: ScoredCell,
    further: Mapping[str, float | None],
    units: tuple[NDArray[np.int64], int] | None,
) -> CellValue:
    chance = None
    if units is not None:
        chance = chance_of_sum(scored.expected - scored.label_C, *units)
    return CellValue(
        scenario=cell.scenario,
        task=cell.task,
        rows=len(scored.label_C),
        positives=int(np.count_nonzero(scored.label_C > 0)),
        reason=_why_unranked(scored),
        further=further,
        chance=chance,
        **_values(scored, always_measured()),
    )


def _why_unranked(scored: ScoredCell) -> str:
    """Say why the cell has no AUC; empty if it has one."""
    label_C = scored.label_C
    if len(label_C) == 0:
        return "no rows"
    if label_C.min() < label_C.max():
        return ""
    if scored.family is BERNOULLI:
        return f"one class: {np.count_nonzero(label_C)} positives of {len(label_C)} rows"
    return f"the amounts of all {len(label_C)} rows are equal"
