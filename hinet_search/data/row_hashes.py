"""Row hashes: know a test split by the hashes of its rows, whichever features a model sees.

Shape legend: R rows of the test split, T tasks, M scenarios.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import SPLITS
from hinet_search.data.hashing import MISSING, keys_of, keys_of_values, mix_bits
from hinet_search.data.labels import has_label
from hinet_search.data.mapped import blocks_of
from hinet_search.data.rows import Rows, Value
from hinet_search.data.splits import SPLIT
from hinet_search.results.cells import Labels
from hinet_search.results.data_record import RowHashes
from hinet_search.study.data_definition import DataDefinition

TEST = SPLITS.index("test")
DIGEST_BYTES = 16

Keys = NDArray[np.uint64]


def row_hashes(definition: DataDefinition, rows: Rows) -> RowHashes:
    """The hashes of a test split; features and the names of files and studies do not enter.

    A row without a task is another one than a row with label 0.
    """
    scenario_R = _of_test(rows, rows.scenario_R)
    labels_RT = _of_test(rows, rows.labels_RT)
    in_order = _in_order(rows, scenario_R, labels_RT)
    columns = {"user": definition.user, "item": definition.item, "time": definition.time}
    names = {role: name for role, name in columns.items() if name}
    if not names:
        return RowHashes(in_order, None)
    test = rows.columns_and_split(*names.values()).filter(pl.col(SPLIT) == TEST)
    frame = rows.collected(test)
    keys = {role: keys_of_values(frame[name]) for role, name in names.items()}
    key_M = keys_of(pl.Series(rows.scenarios))
    task_names = sorted(definition.tasks)
    tasks = [list(definition.tasks).index(name) for name in task_names]

    def keys_of_rows(block: slice) -> Iterator[Keys]:
        yield from (of_column(block) for of_column in keys.values())
        yield key_M[scenario_R[block]]
        has_label_RT = rows.has_task_MT[scenario_R[block]]
        yield from np.where(has_label_RT, _bits(labels_RT[block]), MISSING).T[tasks]

    key_R = rows.mapped(_mixed(keys_of_rows(block)) for block in blocks_of(len(frame)))
    key_R.sort()
    columns_in_order = [*keys, "scenario", *(f"task {name}" for name in task_names)]
    header = "\n".join(columns_in_order).encode()
    return RowHashes(in_order, _digest([header, key_R.astype("<u8", copy=False).data]))


def _of_test(rows: Rows, value_R: NDArray[Value]) -> NDArray[Value]:
    """The values of the test rows."""
    return rows.mapped(value_R[block][rows.split_R[block] == TEST] for block in rows.blocks())


def _bits(labels_BT: Labels) -> NDArray[np.uint64]:
    """Whole numbers for labels: 0 and 1 for these, and of other amounts the bits of a float32."""
    if labels_BT.dtype == np.uint8:
        return labels_BT.astype(np.uint64)
    is_class_BT = (labels_BT == 0) | (labels_BT == 1)
    bits_BT = labels_BT.view(np.uint32).astype(np.uint64)
    return np.where(is_class_BT, labels_BT, bits_BT).astype(np.uint64)


def _in_order(rows: Rows, scenario_R: NDArray[np.int16], labels_RT: Labels) -> str:
    """A hash of scenarios and labels in row order.

    Names and order of scenarios and tasks do not enter: scenarios are numbered by first occurrence,
    and the digests of tasks are sorted.
    """
    rank_M = _ranks(scenario_R, len(rows.scenarios))
    ranks = (rank_M[scenario_R[block]] for block in blocks_of(scenario_R.size))
    digests = []
    for task, has_task_M in enumerate(rows.has_task_MT.T):
        labels_R: NDArray[Any] = labels_RT[:, task]
        if task not in rows.units:
            labels_R = np.packbits(labels_R > 0)
        parts: list[bytes | memoryview] = [np.ascontiguousarray(labels_R).data]
        has_label_R = has_label(has_task_M, scenario_R)
        if not has_label_R.all():
            parts.append(np.packbits(~has_label_R).data)
        digests.append(_digest(parts).encode())
    return _digest([rows.mapped(ranks).data, *sorted(digests)])


def _ranks(scenario_R: NDArray[np.int16], num_scenarios: int) -> NDArray[np.int16]:
    """The place of every scenario (M,) in order of first occurrence."""
    first_row_M = np.full(num_scenarios, scenario_R.size)
    for block in blocks_of(scenario_R.size):
        scenarios, first_rows = np.unique(scenario_R[block], return_index=True)
        first_row_M[scenarios] = np.minimum(first_row_M[scenarios], first_rows + block.start)
    return np.argsort(np.argsort(first_row_M, kind="stable")).astype("<i2")


def _mixed(keys: Iterator[Keys]) -> Keys:
    """One key for every row from its keys in all columns, in order."""
    key_R = mix_bits(next(keys), 0)
    for position, column_key_R in enumerate(keys, start=1):
        key_R = mix_bits(key_R ^ column_key_R, position)
    return key_R


def _digest(parts: Iterable[bytes | memoryview]) -> str:
    hashed = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        hashed.update(memoryview(part).nbytes.to_bytes(8, "little"))
        hashed.update(part)
    return hashed.hexdigest()
