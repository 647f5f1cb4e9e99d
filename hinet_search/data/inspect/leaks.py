"""Leaks: find single inputs that predict a label so well that they probably contain it.

Shape legend: R rows, F categorical fields, N numeric inputs, S slots of all lists, T tasks, K
distinct values.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.cell_counts import auc
from hinet_search.data.columns import Dataset
from hinet_search.data.hashing import uniform
from hinet_search.data.schema import Schema
from hinet_search.results.cells import of_kind
from hinet_search.results.data_record import LeakSuspect

SUSPICIOUS_AUC = 0.95
AFTERWARDS = "if it is known only afterwards, move it to never_features"
MAX_ROWS = 200_000
PRIOR_ROWS = 10.0  # an id needs about this many rows before its own rate counts more than the mean


def leak_suspects(dataset: Dataset) -> tuple[LeakSuspect, ...]:
    """Inputs with a suspicious AUC on training rows (every k-th of more than MAX_ROWS).

    Rows count for the tasks that their scenario has.
    A number is scored by its value, an id by its out-of-fold label rate, a list by how often it
    holds the row's own item, or by its length if it has no item.
    """
    train = dataset.train
    schema = dataset.full_schema
    step = -(-train.num_rows // MAX_ROWS)
    labels_RT = np.asarray(train.labels_RT[::step])
    has_label_RT = schema.has_task[train.scenario_R[::step]]
    numeric_RN = np.asarray(train.numeric_RN[::step])
    ids_RF = np.asarray(train.ids_RF[::step])
    lists = _entry_counts(schema, np.asarray(train.lists_RS[::step]), ids_RF)
    suspects = []
    for task, task_name in enumerate(schema.tasks):
        has_label_R = has_label_RT[:, task]
        labels_R = of_kind(labels_RT[has_label_R, task], is_amount=bool(schema.is_amount[task]))
        scores: list[tuple[str, NDArray[np.float64]]] = []
        for position, name in enumerate(schema.numeric):
            scores.append((name, numeric_RN[has_label_R, position].astype(np.float64)))
        for field, name in enumerate(schema.categorical):
            scores.append((name, out_of_fold_rates(ids_RF[has_label_R, field], labels_R)))
        scores += [(name, count_R[has_label_R]) for name, count_R in lists.items()]
        for name, score_R in scores:
            area = auc(score_R, labels_R)
            if area is not None and is_suspicious(area):
                suspects.append(LeakSuspect(name, task_name, area))
    return tuple(suspects)


def is_suspicious(area: float) -> bool:
    """Whether one input alone orders the rows so well that it probably knows the label."""
    return not 1 - SUSPICIOUS_AUC <= area <= SUSPICIOUS_AUC


def out_of_fold_rates(ids_R: NDArray[Any], labels_R: NDArray[Any]) -> NDArray[np.float64]:
    """Label rate, or mean amount, of each row's id in the half of the rows that the row is not in.

    Rates are shrunk towards the mean of that half. A rate that counted the row itself would make
    every rare id look like a leak.
    """
    is_first_R = uniform(np.arange(ids_R.size, dtype=np.uint64), seed=0) < 0.5
    num_values = int(ids_R.max()) + 1
    rate_R = np.empty(ids_R.size)
    for is_other_R in (is_first_R, ~is_first_R):
        labels = labels_R[is_other_R]
        counts_K = np.bincount(ids_R[is_other_R], minlength=num_values)
        ones_K = np.bincount(ids_R[is_other_R], weights=labels, minlength=num_values)
        mean = labels.mean() if labels.size else 0.0
        rate_K = (ones_K + PRIOR_ROWS * mean) / (counts_K + PRIOR_ROWS)
        rate_R[~is_other_R] = rate_K[ids_R[~is_other_R]]
    return rate_R


def _entry_counts(
    schema: Schema, lists_RS: NDArray[np.int32], ids_RF: NDArray[np.int32]
) -> dict[str, NDArray[np.float64]]:
    """How often each list holds the row's own item; without an item, its known entries.

    A history that reaches past its row already contains the item that was watched.
    """
    counts = {}
    start = 0
    for list_ in schema.lists:
        slots_RS = lists_RS[:, start : start + list_.length]
        is_counted_RS = slots_RS > 0
        if schema.has_item(list_):
            is_counted_RS &= slots_RS == ids_RF[:, list_.field, None]
        counts[list_.name] = is_counted_RS.sum(axis=1).astype(np.float64)
        start += list_.length
    return counts
