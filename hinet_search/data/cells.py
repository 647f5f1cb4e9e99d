"""Cells: rows and positives of every (scenario, task) and split, and what must hold of them.

Shape legend: R rows, M scenarios, T tasks, S splits in the order of SPLITS.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.columns import SPLITS
from hinet_search.data.rows import Rows
from hinet_search.records import CellCount


def auc(scores_R: NDArray[np.float64], labels_R: NDArray[np.uint8]) -> float | None:
    """Area under the ROC curve, ties by average rank; None when a class is missing."""
    num_positive = int(labels_R.sum())
    num_negative = labels_R.size - num_positive
    if num_positive == 0 or num_negative == 0:
        return None
    _, value_R, ties = np.unique(scores_R, return_inverse=True, return_counts=True)
    ranks = np.cumsum(ties) - (ties - 1) / 2  # not of scipy.stats, which takes half a second to import
    rank_sum = float(ranks[value_R][labels_R == 1].sum())
    return (rank_sum - num_positive * (num_positive + 1) / 2) / (num_positive * num_negative)


def count_cells(rows: Rows, tasks: Sequence[str]) -> tuple[CellCount, ...]:
    """One count per cell, scenarios outermost; with the reachable AUC on test where the truth is known."""
    num_groups = len(rows.scenarios) * len(SPLITS)
    group_R = rows.scenario_R.astype(np.int64) * len(SPLITS) + rows.split_R
    rows_MS = np.bincount(group_R, minlength=num_groups).reshape(-1, len(SPLITS))
    counts = []
    for scenario, name in enumerate(rows.scenarios):
        for task, task_name in enumerate(tasks):
            positive_R = (rows.labels_RT[:, task] == 1) & (rows.scenario_R == scenario)
            positives_S = np.bincount(rows.split_R[positive_R], minlength=len(SPLITS))
            counts.append(
                CellCount(
                    scenario=name,
                    task=task_name,
                    rows=_three(rows_MS[scenario]),
                    positives=_three(positives_S),
                    reachable_auc=_reachable(rows, scenario, task),
                )
            )
    return tuple(counts)


def _three(counts_S: NDArray[np.int64]) -> tuple[int, int, int]:
    train, valid, test = (int(count) for count in counts_S)
    return train, valid, test


def _reachable(rows: Rows, scenario: int, task: int) -> float | None:
    if rows.truth_RT is None:
        return None
    chosen_R = (rows.scenario_R == scenario) & (rows.split_R == SPLITS.index("test"))
    return auc(rows.truth_RT[chosen_R, task], rows.labels_RT[chosen_R, task])


def cell_problems(cells: Sequence[CellCount]) -> tuple[list[str], list[str]]:
    """(errors, warnings). A training cell needs both classes; so does every (split, task) over all scenarios.

    Every split has rows, which `read_rows` checks.
    """
    errors, warnings = [], []
    for split, name in enumerate(SPLITS):
        lines = [_cell_line(cell, split) for cell in cells if _one_class(cell.rows[split], cell.positives[split])]
        if name == "train":
            errors += lines
        else:
            errors += _one_class_tasks(cells, split)
            warnings += lines
    return errors, warnings


def _one_class(rows: int, positives: int) -> bool:
    return positives in (0, rows)


def _one_class_tasks(cells: Sequence[CellCount], split: int) -> list[str]:
    lines = []
    for task in dict.fromkeys(cell.task for cell in cells):
        of_task = [cell for cell in cells if cell.task == task]
        rows = sum(cell.rows[split] for cell in of_task)
        positives = sum(cell.positives[split] for cell in of_task)
        if _one_class(rows, positives):
            value = 1 if positives else 0
            lines.append(
                f"data.split: task {task} must have both classes in {SPLITS[split]}, got {value} in all {rows:,} rows"
            )
    return lines


def _cell_line(cell: CellCount, split: int) -> str:
    rows, positives = cell.rows[split], cell.positives[split]
    got = f"{1 if positives else 0} in all {rows:,} rows" if rows else "no row"
    return f"cell {cell.scenario}/{cell.task}: {SPLITS[split]} must have both classes for an AUC, got {got}"
