"""Lists: store a column of lists as its distinct lists, encode them, and compare their entries.

A column of texts with a separator becomes one of lists. Rows of one user mostly have the same list,
so every distinct list is stored once and a row holds the number of its list. Values are compared as
codes: their positions in a sorted table of distinct values. NONE (missing or unknown) agrees with
nothing.
Shape legend: R rows, D distinct lists, E entries of all distinct lists (one list after the other),
S slots of one list, K entries with a slot, V distinct values, P pairs of list and code.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.encode import (
    COUNT,
    VALUE,
    Vocabulary,
    ids_of,
    known_values,
    vocabulary_of,
)
from hinet_search.study.feature_definition import ListDefinition

FIRST, LIST = "first row", "list"
NONE = -1

Types = Mapping[str, pl.DataType]


@dataclass(frozen=True)
class DistinctLists:
    """The distinct lists of a column; a missing list is empty, and missing entries are left out."""

    entries_E: pl.Series
    length_D: NDArray[np.int64]

    @property
    def num_lists(self) -> int:
        """The number of distinct lists, D."""
        return self.length_D.size

    @property
    def list_of_entry(self) -> NDArray[np.int64]:
        """The number of the list that each entry is in (E,)."""
        return np.repeat(np.arange(self.num_lists), self.length_D)

    @property
    def position_of_entry(self) -> NDArray[np.int64]:
        """The position of each entry in its list, from 0 (E,)."""
        start_D = self.length_D.cumsum() - self.length_D
        return np.arange(len(self.entries_E)) - np.repeat(start_D, self.length_D)


@dataclass(frozen=True)
class ListedRows:
    """Rows with numbered lists: a column of lists in `frame` holds numbers of lists in `lists`."""

    frame: pl.DataFrame
    lists: Mapping[str, DistinctLists]  # by column

    def list_numbers(self, column: str) -> NDArray[np.int64]:
        """The number of each row's list of a column (R,)."""
        return self.frame[column].to_numpy().astype(np.int64)


def with_numbered_lists(
    frame: pl.DataFrame, definitions: Iterable[ListDefinition], entry_types: Types
) -> ListedRows:
    """Replace the lists in the columns of these definitions by their numbers.

    `entry_types` has the types of the items: entries of texts with a separator are cast to them.
    """
    lists: dict[str, DistinctLists] = {}
    for definition in definitions:
        name, separator = definition.column, definition.separator
        if name in lists:
            continue
        if separator is None:
            numbers, lists[name] = distinct_lists(frame[name])
        else:
            entry_type = entry_types[definition.item] if definition.item else pl.String()
            numbers, lists[name] = distinct_texts(frame[name], separator, entry_type)
        frame = frame.with_columns(numbers)
    return ListedRows(frame, lists)


def distinct_lists(column: pl.Series) -> tuple[pl.Series, DistinctLists]:
    """The number of each row's list (R,), and the distinct lists in order of first occurrence."""
    number_R, list_D = _numbered(column.fill_null([]).list.drop_nulls())
    return number_R, _distinct(list_D)


def distinct_texts(
    column: pl.Series, separator: str, entry_type: pl.DataType
) -> tuple[pl.Series, DistinctLists]:
    """As `distinct_lists`, of texts: every distinct text is split once, see `split_texts`."""
    number_R, text_D = _numbered(column.fill_null(""))
    list_D = split_texts(text_D, separator)
    return number_R, _distinct(list_D.list.eval(pl.element().cast(entry_type, strict=False)))


def split_texts(texts: pl.Series, separator: str) -> pl.Series:
    """Lists of the texts between separators, stripped of white space, without empty ones."""
    entry = pl.element().str.strip_chars()
    return texts.str.split(separator).list.eval(entry.filter(entry != ""))


def _numbered(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The number of each row's value (R,), and the distinct values in order of first occurrence."""
    rows = pl.DataFrame({LIST: values}).with_row_index(FIRST)
    grouped = rows.group_by(LIST, maintain_order=True).agg(FIRST)
    number_of_row = (
        grouped.select(FIRST).with_row_index("number").explode(FIRST).sort(FIRST)["number"]
    )
    return number_of_row.alias(values.name), grouped[LIST]


def _distinct(list_D: pl.Series) -> DistinctLists:
    lists = list_D.list.drop_nulls()
    length_D = lists.list.len().to_numpy().astype(np.int64)
    return DistinctLists(lists.explode().drop_nulls(), length_D)


def fit_list_vocabulary(
    name: str,
    lists: DistinctLists,
    list_R: NDArray[np.int64],
    length: int,
    minimum_frequency: int,
) -> Vocabulary:
    """The vocabulary of a list of its own; `list_R` are the list numbers of training rows.

    The first `length` entries of every row count.
    """
    num_rows_D = np.bincount(list_R, minlength=lists.num_lists)
    num_rows_E = num_rows_D[lists.list_of_entry]
    is_used_E = (lists.position_of_entry < length) & (num_rows_E > 0)
    used = pl.DataFrame({VALUE: lists.entries_E, COUNT: num_rows_E}).filter(pl.Series(is_used_E))
    counts = used.group_by(VALUE).agg(pl.col(COUNT).sum().cast(pl.UInt32))
    return vocabulary_of(name, counts, minimum_frequency)


def encode_list(lists: DistinctLists, vocabulary: Vocabulary, length: int) -> NDArray[np.int32]:
    """Ids (D, S) of the first `length` entries: known ids in the order of the list, then zeros."""
    entries_E = lists.entries_E.cast(vocabulary.table[VALUE].dtype, strict=False)
    id_E = ids_of(entries_E, vocabulary)
    has_slot_E = (lists.position_of_entry < length) & (id_E > 0)
    list_K = lists.list_of_entry[has_slot_E]
    slot_K = np.arange(list_K.size) - np.searchsorted(list_K, list_K)  # position in its own list
    id_DS = np.zeros((lists.num_lists, length), dtype=np.int32)
    id_DS[list_K, slot_K] = id_E[has_slot_E]
    return id_DS


def distinct_values(values: pl.Series) -> pl.Series:
    """The distinct values without null and NaN, sorted (V,)."""
    return known_values(values).drop_nulls().unique().sort()


def codes_of(values: pl.Series, distinct_V: pl.Series) -> NDArray[np.int64]:
    """Position of each value in `distinct_V`; NONE where the value is missing or unknown."""
    return map_values(values, distinct_V, pl.Series(np.arange(len(distinct_V), dtype=np.int64)))


def map_values(values: pl.Series, distinct_V: pl.Series, code_V: pl.Series) -> NDArray[np.int64]:
    """Code of each value, `code_V` aligned with `distinct_V`; NONE where missing or unknown."""
    cast_values = known_values(values.cast(distinct_V.dtype, strict=False))
    codes = cast_values.replace_strict(distinct_V, code_V, default=NONE, return_dtype=pl.Int64)
    return codes.to_numpy()


def count_agreeing(
    lists: DistinctLists,
    code_E: NDArray[np.int64],
    list_R: NDArray[np.int64],
    code_R: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Count the entries of each row's list that have the row's code (R,)."""
    num_codes = 1 + max(code_E.max(initial=0), code_R.max(initial=0))
    known_E = code_E != NONE
    pair_P, count_P = np.unique(
        lists.list_of_entry[known_E] * num_codes + code_E[known_E], return_counts=True
    )
    if pair_P.size == 0:
        return np.zeros(code_R.size, dtype=np.int64)
    pair_R = list_R * num_codes + code_R
    position_R = np.searchsorted(pair_P, pair_R).clip(max=pair_P.size - 1)
    return np.where((pair_P[position_R] == pair_R) & (code_R != NONE), count_P[position_R], 0)


def lists_of_users(user: pl.Series, list_: pl.Series) -> NDArray[np.int64]:
    """The list number of every user, taken from the user's last row."""
    rows = pl.DataFrame({"user": known_values(user), "list": list_}).drop_nulls()
    return rows.unique("user", keep="last", maintain_order=True)["list"].to_numpy().astype(np.int64)
