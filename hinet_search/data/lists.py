"""Lists: columns of lists kept as their distinct lists, and their entries as ids of the item's field.

Rows of one user mostly have the same list, so a table keeps the number of the list in each row and every list once.
Shape legend: R rows, D distinct lists, E entries of all distinct lists, one list after the other, S slots of one list, K entries that are kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.encode import VALUE, Vocabulary, ids_of

FIRST, LIST = "first row", "list"


@dataclass(frozen=True)
class DistinctLists:
    """The distinct lists of a column. A missing list is an empty one, and a missing entry is none."""

    entries_E: pl.Series
    length_D: NDArray[np.int64]

    @property
    def num_lists(self) -> int:
        """D."""
        return self.length_D.size

    @property
    def list_of_entry(self) -> NDArray[np.int64]:
        """The list that each entry stands in."""
        return np.repeat(np.arange(self.num_lists), self.length_D)

    @property
    def place_of_entry(self) -> NDArray[np.int64]:
        """The place of each entry in its list, from 0."""
        return np.arange(len(self.entries_E)) - np.repeat(self.length_D.cumsum() - self.length_D, self.length_D)


@dataclass(frozen=True)
class ListedRows:
    """Rows in whose `frame` a column of lists holds the number of the row's list in `lists`, which has every list once."""

    frame: pl.DataFrame
    lists: Mapping[str, DistinctLists]  # by column

    def list_numbers(self, column: str) -> NDArray[np.int64]:
        """The number of each row's list of a column (R,)."""
        return self.frame[column].to_numpy().astype(np.int64)


def with_numbered_lists(frame: pl.DataFrame, columns: Iterable[str]) -> ListedRows:
    """The rows of a frame, with the lists of those columns apart."""
    lists = {}
    for column in dict.fromkeys(columns):
        numbers, lists[column] = distinct_lists(frame[column])
        frame = frame.with_columns(numbers)
    return ListedRows(frame, lists)


def distinct_lists(column: pl.Series) -> tuple[pl.Series, DistinctLists]:
    """The number of each row's list (R,), and the lists in order of their first rows."""
    lists = pl.DataFrame({LIST: column.fill_null([]).list.drop_nulls()}).with_row_index(FIRST)
    grouped = lists.group_by(LIST, maintain_order=True).agg(FIRST)
    number_of_row = grouped.select(FIRST).with_row_index("number").explode(FIRST).sort(FIRST)["number"]
    length_D = grouped[LIST].list.len().to_numpy().astype(np.int64)
    return number_of_row.alias(column.name), DistinctLists(grouped[LIST].explode().drop_nulls(), length_D)


def encode_list(lists: DistinctLists, vocabulary: Vocabulary, length: int) -> NDArray[np.int32]:
    """Ids (D, S)  of the first `length` entries; known ids stand first, in the order of the list, then zeros."""
    id_E = ids_of(lists.entries_E.cast(vocabulary.table[VALUE].dtype, strict=False), vocabulary)
    kept_E = (lists.place_of_entry < length) & (id_E > 0)
    list_K = lists.list_of_entry[kept_E]
    id_DS = np.zeros((lists.num_lists, length), dtype=np.int32)
    id_DS[list_K, _place_in_run(list_K)] = id_E[kept_E]
    return id_DS


def _place_in_run(sorted_K: NDArray[np.int64]) -> NDArray[np.int64]:
    """For sorted numbers, how many equal ones stand before each."""
    return np.arange(sorted_K.size) - np.searchsorted(sorted_K, sorted_K)
