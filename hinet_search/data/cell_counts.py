"""Cells: count and check the rows and positives of every (scenario, task) and split, also by day.

Shape legend: R rows, M scenarios, T tasks, S splits in the order of SPLITS, P periods,
G pairs of scenario and split.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.days import day
from hinet_search.data.labels import numbers_of
from hinet_search.data.raw_values import known_column
from hinet_search.data.rows import Rows
from hinet_search.results.data_record import CellCount, Timeline
from hinet_search.results.families import BERNOULLI, POISSON
from hinet_search.results.metrics import metric_named
from hinet_search.results.statistics.scored_cell import ScoredCell
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.event_definition import NANOSECONDS

MOST_PERIODS = 60  # of a timeline: longer times have periods of several days


def auc(scores_R: NDArray[np.float64], labels_R: NDArray[Any]) -> float | None:
    """AUC of any scores; None if no two labels differ. Labels that are floats are amounts."""
    family = POISSON
    if not np.issubdtype(labels_R.dtype, np.floating):
        family = BERNOULLI
        labels_R = labels_R.astype(np.uint8)
    no_user_R = np.full(len(labels_R), -1)
    cell = ScoredCell(score_C=scores_R, label_C=labels_R, unit_C=no_user_R, family=family)
    return metric_named("auc").value(cell)


def count_cells(rows: Rows, tasks: Sequence[str]) -> tuple[CellCount, ...]:
    """One count per cell that has labels, scenarios outermost, tasks inside.

    Where the source knows the true probabilities, a cell also has the best reachable test AUC.
    """
    rows_MS, positives_TMS = _counts(rows, len(tasks))
    means = _mean_amounts(rows, rows_MS)
    counts = []
    for scenario, task in np.argwhere(rows.has_task_MT).tolist():
        reachable_auc = None
        if rows.truth_RT is not None:
            is_chosen_R = (rows.scenario_R == scenario) & (rows.split_R == SPLITS.index("test"))
            truth_R = rows.truth_RT[is_chosen_R, task]
            reachable_auc = auc(truth_R, rows.labels_of(task)[is_chosen_R])
        counts.append(
            CellCount(
                scenario=rows.scenarios[scenario],
                task=tasks[task],
                rows=_by_split(rows_MS[scenario]),
                positives=_by_split(positives_TMS[task, scenario]),
                reachable_auc=reachable_auc,
                means=means[task][scenario] if task in means else None,
            )
        )
    return tuple(counts)


def _mean_amounts(
    rows: Rows, rows_MS: NDArray[np.int64]
) -> dict[int, list[tuple[float, float, float]]]:
    """The mean amounts of every scenario by split, in the unit of the column, by task of amounts.

    They are 0 where a split has no row.
    """
    means = {}
    for task, unit in rows.units.items():
        total_G = np.zeros(rows_MS.size)
        for block in rows.blocks():
            group_R = rows.scenario_R[block].astype(np.int64) * len(SPLITS) + rows.split_R[block]
            label_R = rows.labels_RT[block, task]
            total_G += np.bincount(group_R, label_R, rows_MS.size)
        mean_MS = unit * total_G.reshape(rows_MS.shape) / np.maximum(rows_MS, 1)
        means[task] = [(train, valid, test) for train, valid, test in mean_MS.tolist()]
    return means


def _counts(
    rows: Rows, num_tasks: int, weight: str | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows (M, S), and positives, or amounts above 0, of every task (T, M, S).

    With a column `weight`, rows of weight 0 are not counted.
    """
    num_groups = len(rows.scenarios) * len(SPLITS)
    rows_G = np.zeros(num_groups, dtype=np.int64)
    positives_TG = np.zeros((num_tasks, num_groups), dtype=np.int64)
    for block in rows.blocks():
        group_R = rows.scenario_R[block].astype(np.int64) * len(SPLITS) + rows.split_R[block]
        labels_RT = rows.labels_RT[block]
        if weight is not None:
            is_counted_R = numbers_of(rows.frame[weight][block]) > 0
            group_R = group_R[is_counted_R]
            labels_RT = labels_RT[is_counted_R]
        rows_G += np.bincount(group_R, minlength=num_groups)
        for task, label_R in enumerate(labels_RT.T):
            positives_TG[task] += np.bincount(group_R[label_R > 0], minlength=num_groups)
    rows_MS = rows_G.reshape(len(rows.scenarios), len(SPLITS))
    return rows_MS, positives_TG.reshape((num_tasks, *rows_MS.shape))


def _by_split(counts_S: NDArray[np.int64]) -> tuple[int, int, int]:
    train, valid, test = (int(count) for count in counts_S)
    return train, valid, test


def cell_problems(cells: Sequence[CellCount]) -> tuple[list[str], list[str]]:
    """(errors, warnings) about cells with labels of one class only.

    Every training cell needs both classes, and so does every task over all scenarios in valid and
    test; a single cell of valid or test with one class is a warning. Amounts need one above 0.
    `read_rows` has checked that every split has rows.
    """
    errors = []
    warnings = []
    for split, name in enumerate(SPLITS):
        problems = _cell_problems(cells, split)
        if name == "train":
            errors += problems
        else:
            errors += _task_problems(cells, split)
            warnings += problems
    return errors, warnings


def weighted_cell_problems(rows: Rows, cells: Sequence[CellCount], weight: str) -> list[str]:
    """Training cells whose rows of one class all have weight 0."""
    rows_MS, positives_TMS = _counts(rows, rows.has_task_MT.shape[1], weight)
    weighted = []
    for cell, (scenario, task) in zip(cells, np.argwhere(rows.has_task_MT).tolist(), strict=True):
        positives = _by_split(positives_TMS[task, scenario])
        weighted.append(replace(cell, rows=_by_split(rows_MS[scenario]), positives=positives))
    problems = _cell_problems(weighted, 0, f"among its rows with a '{weight}' above 0")
    return [f"{problem}; write a weight above 0 in the others" for problem in problems]


def _cell_problems(
    cells: Sequence[CellCount], split: int, needed_for: str = "for an AUC"
) -> list[str]:
    problems = []
    for cell in cells:
        rows = cell.rows[split]
        positives = cell.positives[split]
        if cell.can_have_auc(rows, positives):
            continue
        got = "no row"
        if rows:
            got = _one_class(rows, positives)
        problems.append(
            f"cell {cell.scenario}/{cell.task}: {SPLITS[split]} must have {cell.needed_for_auc} "
            f"{needed_for}, got {got}"
        )
    return problems


def _task_problems(cells: Sequence[CellCount], split: int) -> list[str]:
    problems = []
    for task in dict.fromkeys(cell.task for cell in cells):
        task_cells = [cell for cell in cells if cell.task == task]
        rows = sum(cell.rows[split] for cell in task_cells)
        positives = sum(cell.positives[split] for cell in task_cells)
        if not task_cells[0].can_have_auc(rows, positives):
            needed = task_cells[0].needed_for_auc
            problems.append(
                f"data.split: task {task} must have {needed} in {SPLITS[split]}, "
                f"got {_one_class(rows, positives)}"
            )
    return problems


def _one_class(rows: int, positives: int) -> str:
    return f"{min(positives, 1)} in all {rows:,} rows"


def timeline_of(definition: DataDefinition, rows: Rows) -> Timeline | None:
    """Count the rows of every period; None without a time column, or if its unit is not known."""
    if definition.time is None:
        return None
    dtype = rows.frame.schema[definition.time]
    length = None
    if dtype.is_numeric() and definition.time_unit is not None:
        length = NANOSECONDS["d"] / NANOSECONDS[definition.time_unit]
    elif not isinstance(dtype, pl.Date | pl.Datetime):
        return None
    number = day(known_column(definition.time, dtype), dtype, length).cast(pl.Int64, strict=False)
    lazy = rows.frame.lazy().select(first=number.min(), last=number.max())
    first, last = lazy.collect(engine="streaming").row(0)
    if first is None:
        return None
    days = -(-(last - first + 1) // MOST_PERIODS)
    num_periods = (last - first) // days + 1
    num_tasks = len(definition.tasks)
    rows_PS = np.zeros((num_periods, len(SPLITS)), np.int64)
    rows_TP = np.zeros((num_tasks, num_periods))
    total_TP = np.zeros((num_tasks, num_periods))
    for block in rows.blocks():
        day_R = rows.frame[block].select(number).to_series()
        place_R = ((day_R - first) // days).fill_null(num_periods).to_numpy()
        group_R = place_R * len(SPLITS) + rows.split_R[block]
        rows_PS += np.bincount(group_R, minlength=rows_PS.size)[: rows_PS.size].reshape(-1, 3)
        has_task_RT = rows.has_task_MT[rows.scenario_R[block]]
        for task, (label_R, has_R) in enumerate(
            zip(rows.labels_RT[block].T, has_task_RT.T, strict=True)
        ):
            rows_TP[task] += np.bincount(place_R, has_R, num_periods + 1)[:-1]
            total_TP[task] += np.bincount(place_R, label_R * has_R, num_periods + 1)[:-1]
    means = {}
    for task, name in enumerate(definition.tasks):
        means[name] = _means(rows.units.get(task, 1.0) * total_TP[task], rows_TP[task])
    begin = "" if dtype.is_numeric() else str(pl.Series([first]).cast(pl.Date)[0])
    counts = [(train, valid, test) for train, valid, test in rows_PS.tolist()]
    return Timeline(begin, days, tuple(counts), means)


def _means(total_P: NDArray[np.float64], rows_P: Sequence[float]) -> tuple[float | None, ...]:
    """Divide; None where a period has no row."""
    pairs = zip(total_P.tolist(), rows_P, strict=True)
    return tuple(float(f"{total / rows:.6g}") if rows else None for total, rows in pairs)
