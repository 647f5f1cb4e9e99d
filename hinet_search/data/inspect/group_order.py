"""Group order: warn of inputs that order the rows of a group worse than chance, the mark of a leak.

An input that is counted from labels of its own group, but not from the row's own, is lowest where
that label is highest. Trained on all rows it loses the order within groups; whatever looks at
groups while it trains or chooses undoes it, and seems to gain. Tested are inputs that are made of
labels, and numeric features that are above chance over all rows: their mean AUC within groups of
training rows against 0.5, one-sided by Student's t over users, at 0.05 over all inputs and tasks by
Bonferroni. docs/results/claims.md has how often a right input is accused.
Shape legend: R rows of the table, C rows that are tested, G groups, U users.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from hinet_search.data.cell_counts import auc
from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.event_log import key_codes
from hinet_search.data.hashing import uniform
from hinet_search.data.rows import Rows
from hinet_search.results.statistics.ordered_pairs import auc_of_users
from hinet_search.results.statistics.scored_cell import ScoredCell, sums_by_unit
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.feature_definition import EVENTS, STATISTICS

MOST_ROWS = 200_000
LEVEL = 0.05
SEED = 3_141_592_653
LEAK = (
    "as what is counted inside a group does; count it as of the group's first row, or leave it out"
)
MAY_LEAK = (
    "but all rows better: groups differ in it, or it counts labels of its own group; if it does, "
    "count it as of the group's first row"
)
NOT_OF_LABELS = (" rows", " recency")


def order_warnings(
    definition: DataDefinition, rows: Rows, derived: Mapping[str, pl.DataFrame]
) -> list[str]:
    """One line per input that is shown to order rows within groups worse than chance."""
    if rows.groups is None:
        return []
    row_C = _tested_rows(rows)
    user_R = rows.groups.first_R if definition.user is None else key_codes(rows, [definition.user])
    user_C = user_R[row_C].astype(np.int64)
    found = []
    columns = list(_inputs(definition, rows, derived))
    for name, is_of_labels, values in columns:
        number_C = values.gather(row_C).cast(pl.Float64).fill_nan(None).to_numpy()
        for task, task_name in enumerate(definition.tasks):
            has_C = rows.has_task_MT[rows.scenario_R[row_C], task] & np.isfinite(number_C)
            score_C = number_C[has_C]
            label_C = rows.labels_of(task)[row_C[has_C]]
            if not is_of_labels and (auc(score_C, label_C) or 0.0) <= 0.5:
                continue
            cell = _cell(rows, task, row_C[has_C], score_C, user_C[has_C])
            mean, chance = _below_chance(cell)
            if chance * len(columns) * len(definition.tasks) < LEVEL:
                found.append((chance, name, task_name, mean, LEAK if is_of_labels else MAY_LEAK))
    return [
        f"{name}: orders rows within groups worse than chance for {task} (AUC {mean:.3f}), {why}"
        for _, name, task, mean, why in sorted(found)
    ]


def _tested_rows(rows: Rows) -> NDArray[np.int64]:
    """Return training rows (C,) of whole groups, about MOST_ROWS if there are more."""
    assert rows.groups is not None, "the caller checked it"
    first_R = rows.groups.first_R
    row_C = np.flatnonzero((first_R >= 0) & (rows.split_R == SPLITS.index("train")))
    if row_C.size <= MOST_ROWS:
        return row_C
    share = MOST_ROWS / row_C.size
    return row_C[uniform(first_R[row_C].astype(np.uint64), SEED) < share]


def _inputs(
    definition: DataDefinition, rows: Rows, derived: Mapping[str, pl.DataFrame]
) -> Iterator[tuple[str, bool, pl.Series]]:
    """Yield the name of each tested input, whether it is made of labels, and its values."""
    for group in (STATISTICS, EVENTS):
        for values in derived.get(group, pl.DataFrame()):
            if not values.name.endswith(NOT_OF_LABELS) and " exposures " not in values.name:
                yield values.name, True, values
    for name in definition.features.numeric:
        yield name, False, rows.frame[name]


def _cell(
    rows: Rows,
    task: int,
    row_C: NDArray[np.int64],
    score_C: NDArray[np.float64],
    user_C: NDArray[np.int64],
) -> ScoredCell:
    assert rows.groups is not None, "the caller checked it"
    label_C = rows.labels_of(task)[row_C]
    cell = ScoredCell(score_C, label_C, user_C, family=rows.family_of(task))
    return cell.by_groups(rows.groups.first_R[row_C])


def _below_chance(cell: ScoredCell) -> tuple[float, float]:
    """Return the mean AUC within groups, and how likely one so low is by chance."""
    if not cell.has_users:
        return 0.5, 1.0
    auc_G = auc_of_users(cell)
    known_G = ~np.isnan(auc_G)
    assert cell.user_of_units is not None, "units are groups"
    _, user_G = np.unique(cell.user_of_units[cell.users.unit_G][known_G], return_inverse=True)
    num_users = int(user_G.max(initial=-1)) + 1
    if num_users < 2:
        return 0.5, 1.0
    rows_G = cell.users.num_rows[known_G]
    mean = float(auc_G[known_G] @ rows_G / rows_G.sum())
    residual_U = sums_by_unit(user_G, rows_G * (auc_G[known_G] - mean), num_users)
    spread = np.sqrt(num_users / (num_users - 1) * (residual_U @ residual_U)) / rows_G.sum()
    if not spread:  # all groups alike
        return mean, 0.5**num_users if mean < 0.5 else 1.0
    return mean, float(stats.t.cdf((mean - 0.5) / spread, num_users - 1))
