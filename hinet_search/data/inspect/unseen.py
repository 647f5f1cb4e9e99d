"""Unseen: warn of values that training rows do not have, and of rows that are in two splits.

Shape legend: R rows.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.encode import Encoding, ids_of
from hinet_search.data.mapped import column_of
from hinet_search.data.rows import Rows
from hinet_search.data.splits import SPLIT
from hinet_search.study.data_definition import ColumnSplit, DataDefinition, RandomSplit

WARN_ABOVE = 0.05
WITHOUT_ID = "have a value without an id (unseen or rare in train); they share id 0"
SPLIT_BITS = np.uint64(3)


def unseen_shares(rows: Rows, encoding: Encoding, split: int) -> tuple[float, ...]:
    """Per field the share of a split's rows whose value has no id: unseen, or rare in train."""
    num_unseen = np.zeros(len(encoding.vocabularies), dtype=np.int64)
    for block in rows.blocks():
        of_split = rows.frame[block].filter(column_of(SPLIT, rows.split_R[block]) == split)
        for field, vocabulary in enumerate(encoding.vocabularies):
            values = of_split[vocabulary.name]
            has_no_id_R = (ids_of(values, vocabulary) == 0) & values.is_not_null().to_numpy()
            num_unseen[field] += has_no_id_R.sum()
    return tuple((num_unseen / max(rows.num_rows_of_splits[split], 1)).tolist())


def unseen_warnings(rates: Sequence[float], names: Sequence[str]) -> list[str]:
    """One line per field with values without an id in more than 5 % of the validation rows."""
    high = [(name, rate) for name, rate in zip(names, rates, strict=True) if rate > WARN_ABOVE]
    return [f"{name}: {rate:.1%} of valid rows {WITHOUT_ID}" for name, rate in high]


def duplicate_warnings(definition: DataDefinition, rows: Rows) -> list[str]:
    """Warn of rows in two splits: same user, item and time, else equal in all columns.

    Copies of a row have one time and one user, so splits by those keep them together.
    """
    split = definition.split
    if not isinstance(split, ColumnSplit | RandomSplit):
        return []
    key = {definition.user, definition.item, definition.time} - {None}
    columns = [name for name in rows.frame.columns if name in key]
    what = "same user, item and time"
    if len(columns) < 3:
        what = "equal in all columns"
        no_part = {definition.weight}
        if isinstance(split, ColumnSplit):
            no_part.add(split.column)
        columns = [name for name in rows.frame.columns if name not in no_part]
    count = _num_in_two_splits(rows, columns)
    return [f"{count:,} rows are in two splits ({what})"] if count else []


def _num_in_two_splits(rows: Rows, columns: Sequence[str]) -> int:
    """Count rows that also occur in another split.

    Sorts the hashes of the rows, with the split in place of their last two bits.
    """
    frame = rows.frame.select(columns)
    key_R = rows.mapped(
        (frame[block].hash_rows().to_numpy() & ~SPLIT_BITS) | rows.split_R[block]
        for block in rows.blocks()
    )
    key_R.sort()
    hashes = np.unique(np.concatenate([_in_two(key_R, block) for block in rows.blocks()]))
    starts = np.searchsorted(key_R, hashes)
    ends = np.searchsorted(key_R, hashes | SPLIT_BITS, side="right")
    return int((ends - starts).sum())


def _in_two(sorted_R: NDArray[np.uint64], block: slice) -> NDArray[np.uint64]:
    """Hashes of rows of a block that follow the same row in another split."""
    key_R = sorted_R[max(block.start - 1, 0) : block.stop]
    # 0: the same row in the same split; 1 to 3: the same row in another split.
    difference = key_R[1:] ^ key_R[:-1]
    is_in_two = (difference > 0) & (difference <= SPLIT_BITS)
    return key_R[1:][is_in_two] & ~SPLIT_BITS
