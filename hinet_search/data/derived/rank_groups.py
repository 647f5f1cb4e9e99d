"""Rank groups: the group of every row that a ranking orders, and what its inputs are as of.

A group is named by the place of its first row in the table: the earliest by time if the data have
one, else the first that the source has. A row without a value in a column of the group, without a
user, or without a time, is in no group.
Shape legend: R rows of the table, S rows of some keys, N test rows of a task, G groups.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.event_log import (
    Integers,
    KeyedRows,
    Moments,
    Walk,
    for_rows_of_keys,
    key_codes,
    last_position,
    log_of,
    moments_of,
)
from hinet_search.data.rows import RankGroups, Rows
from hinet_search.data.splits import ASKING
from hinet_search.data.times import reads_moments
from hinet_search.results.data_record import GroupCount
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.task_definition import RankDefinition

NO_GROUP = -1


def with_rank_groups(definition: DataDefinition, rows: Rows) -> Rows:
    """The rows with the groups that a ranking orders, if it has any."""
    if definition.rank is None:
        return rows
    moments = moments_of(definition, rows) if reads_moments(definition) else None
    return replace(rows, groups=rank_groups(definition.rank, rows, definition.user, moments))


def rank_groups(
    definition: RankDefinition, rows: Rows, user: str | None, moments: Moments | None
) -> RankGroups:
    """The groups that a ranking orders; `moments` are None if nothing reads them."""
    return RankGroups(_first_rows(definition, rows, user, moments), definition.as_of == "group")


def _first_rows(
    definition: RankDefinition, rows: Rows, user: str | None, moments: Moments | None
) -> NDArray[np.int32]:
    """The place of the first row of every row's group (R,), or NO_GROUP."""
    key = dict.fromkeys([*([user] if user else []), *(definition.group or ())])
    code_R = key_codes(rows, list(key))
    blocks = rows.blocks()
    first_R = rows.mapped(np.full(len(code_R[block]), NO_GROUP, np.int32) for block in blocks)
    if moments is None:
        _, place_R, number_R = np.unique(code_R, return_index=True, return_inverse=True)
        first_R[:] = np.where(code_R < 0, NO_GROUP, place_R[number_R])
        return first_R
    gap = moments.units(definition.visit)
    log = log_of(rows, moments, Walk(ASKING, (ASKING,)))

    def write(keyed: KeyedRows) -> None:
        row_S = log.row_E[keyed.place_S]
        first_R[row_S] = row_S[_first_positions(keyed, gap)]

    for_rows_of_keys(log, code_R, write)
    return first_R


def _first_positions(keyed: KeyedRows, gap: int | None) -> Integers:
    """The position of the first row of every row's group (S,); visits end after a `gap`."""
    if gap is None:
        return keyed.start_S
    begins_S = np.diff(keyed.time_S, prepend=0) > gap
    begins_S[keyed.start_S] = True
    return last_position(begins_S)


def count_groups(rows: Rows, tasks: Sequence[str]) -> tuple[GroupCount, ...]:
    """Count the groups in the test rows of every task, and those whose labels differ."""
    if rows.groups is None:
        return ()
    counts = []
    is_test_R = rows.split_R == SPLITS.index("test")
    for task, name in enumerate(tasks):
        row_N = np.flatnonzero(is_test_R & rows.has_task_MT[rows.scenario_R, task])
        group_N = rows.groups.first_R[row_N].astype(np.int64)
        in_group_N = group_N >= 0
        key_N = (group_N * len(rows.scenarios) + rows.scenario_R[row_N])[in_group_N]
        label_N = rows.labels_of(task)[row_N][in_group_N]
        order_N = np.argsort(key_N, kind="stable")
        _, first_G, rows_G = np.unique(key_N[order_N], return_index=True, return_counts=True)
        differs_G = np.zeros(len(first_G), bool)
        if len(first_G):
            low_G = np.minimum.reduceat(label_N[order_N], first_G)
            differs_G = low_G < np.maximum.reduceat(label_N[order_N], first_G)
        share = float(rows_G[differs_G].sum() / max(1, len(row_N)))
        counts.append(GroupCount(name, len(first_G), int(differs_G.sum()), share))
    return tuple(counts)
