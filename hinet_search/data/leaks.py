"""Leaks: single inputs that alone tell a label so well that they probably know it.

Shape legend: R rows, F categorical fields, N numeric inputs, S slots of all lists, T tasks.
"""

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.cells import auc
from hinet_search.data.columns import Dataset
from hinet_search.data.hashing import uniform
from hinet_search.records import LeakSuspect
from hinet_search.schema import Schema

SUSPICIOUS_AUC = 0.95
PRIOR_ROWS = 10.0  # an id needs about this many rows before its own rate counts more than the mean
MAX_ROWS = 200_000


def leak_suspects(dataset: Dataset) -> tuple[LeakSuspect, ...]:
    """Suspects on training rows (every k-th of more than 200,000).

    Numbers tell by value, ids by out-of-fold label rate, lists by how often they hold the row's own item.
    """
    train, schema = dataset.train, dataset.full_schema
    step = -(-train.num_rows // MAX_ROWS)
    labels_RT = np.asarray(train.labels_RT[::step])
    numeric_RN, ids_RF = np.asarray(train.numeric_RN[::step]), np.asarray(train.ids_RF[::step])
    lists = _own_item_counts(schema, np.asarray(train.lists_RS[::step]), ids_RF)
    found = []
    for task, task_name in enumerate(schema.tasks):
        labels_R = labels_RT[:, task]
        for position, name in enumerate(schema.numeric):
            found.append((name, task_name, auc(numeric_RN[:, position].astype(np.float64), labels_R)))
        for field, name in enumerate(schema.categorical):
            found.append((name, task_name, auc(out_of_fold_rates(ids_RF[:, field], labels_R), labels_R)))
        for name, count_R in lists.items():
            found.append((name, task_name, auc(count_R, labels_R)))
    return tuple(
        LeakSuspect(feature, task_name, area)
        for feature, task_name, area in found
        if area is not None and not 1 - SUSPICIOUS_AUC <= area <= SUSPICIOUS_AUC
    )


def _own_item_counts(
    schema: Schema, lists_RS: NDArray[np.int32], ids_RF: NDArray[np.int32]
) -> dict[str, NDArray[np.float64]]:
    """How often each list holds the row's own item: a history that reaches past its row knows what was watched."""
    counts, start = {}, 0
    for one in schema.lists:
        slots_RS = lists_RS[:, start : start + one.length]
        item_R1 = ids_RF[:, one.field, None]
        counts[one.name] = ((slots_RS == item_R1) & (item_R1 > 0)).sum(axis=1).astype(np.float64)
        start += one.length
    return counts


def out_of_fold_rates(ids_R: NDArray[np.int32], labels_R: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Label rate of each row's id in the half of the rows that the row is not in, drawn to that half's mean.

    A rate that counted the row itself would make every rare id look like a leak.
    """
    half_R = uniform(np.arange(ids_R.size, dtype=np.uint64), seed=0) < 0.5
    rates_R = np.empty(ids_R.size)
    for inside_R in (half_R, ~half_R):
        other_ids, other_labels = ids_R[~inside_R], labels_R[~inside_R]
        size = int(ids_R.max()) + 1
        counts = np.bincount(other_ids, minlength=size)
        positives = np.bincount(other_ids, weights=other_labels, minlength=size)
        mean = other_labels.mean() if other_labels.size else 0.0
        rates_R[inside_R] = ((positives + PRIOR_ROWS * mean) / (counts + PRIOR_ROWS))[ids_R[inside_R]]
    return rates_R
