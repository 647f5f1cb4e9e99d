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
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.encode import COUNT, VALUE, Vocabulary, ids_of, vocabulary_of
from hinet_search.data.mapped import collect_to_mapped_file, is_one_block
from hinet_search.data.raw_values import known_values
from hinet_search.study.feature_definition import ListDefinition

ROW = "row"
LIST = "list"
CLEANED = "cleaned"
NUMBER = "number"
USER = "user"
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

    def block(self, rows: slice) -> "ListedRows":
        """Some of the rows, with all lists."""
        return ListedRows(self.frame[rows], self.lists)


def with_numbered_lists(
    frame: pl.DataFrame,
    definitions: Iterable[ListDefinition],
    entry_types: Types,
    cache: Path | None = None,
) -> ListedRows:
    """Replace the lists in the columns of the definitions by their numbers.

    `entry_types` has the types of the items: entries of texts with a separator are cast to them.
    Numbers of many rows are mapped from a file in the folder `cache`.
    """
    lists: dict[str, DistinctLists] = {}
    for definition in definitions:
        name = definition.column
        separator = definition.separator
        if name in lists:
            continue
        if separator is None:
            numbers, lists[name] = distinct_lists(frame[name], cache)
        else:
            entry_type = entry_types[definition.item] if definition.item else pl.String()
            numbers, lists[name] = distinct_texts(frame[name], separator, entry_type, cache)
        frame = frame.with_columns(numbers)
    return ListedRows(frame, lists)


def distinct_lists(column: pl.Series, cache: Path | None = None) -> tuple[pl.Series, DistinctLists]:
    """The number of each row's list (R,), and the distinct lists in order of first occurrence."""
    without_nulls = pl.col(LIST).fill_null([]).list.drop_nulls()
    number_R, list_D = _numbered(column, without_nulls, cache)
    return number_R, _distinct(list_D)


def distinct_texts(
    column: pl.Series, separator: str, entry_type: pl.DataType, cache: Path | None = None
) -> tuple[pl.Series, DistinctLists]:
    """As `distinct_lists`, of texts: every distinct text is split once, see `split_texts`."""
    number_R, text_D = _numbered(column, pl.col(LIST).fill_null(""), cache)
    list_D = split_texts(text_D, separator)
    return number_R, _distinct(list_D.list.eval(pl.element().cast(entry_type, strict=False)))


def split_texts(texts: pl.Series, separator: str) -> pl.Series:
    """Lists of the texts between separators, stripped of white space, without empty ones."""
    entry = pl.element().str.strip_chars()
    return texts.str.split(separator).list.eval(entry.filter(entry != ""))


def _numbered(
    column: pl.Series, cleaned: pl.Expr, cache: Path | None
) -> tuple[pl.Series, pl.Series]:
    """The number of each row's value (R,), and the distinct values in order of first occurrence.

    Values count as equal if they are once `cleaned`, an expression of the column LIST.
    """
    rows = column.alias(LIST).to_frame().lazy()
    first_rows = rows.with_row_index(ROW).group_by(LIST).agg(pl.col(ROW).min())
    written = first_rows.collect(engine="streaming").sort(ROW)
    written = written.select(LIST, cleaned.alias(CLEANED))
    distinct = written.group_by(CLEANED, maintain_order=True).agg()
    numbered = written.join(distinct.with_row_index(NUMBER), on=CLEANED).select(LIST, NUMBER)
    numbers = rows.join(
        numbered.lazy(), on=LIST, how="left", maintain_order="left", nulls_equal=True
    ).select(pl.col(NUMBER).alias(column.name))
    if cache is None or is_one_block(len(column)):
        number_R = numbers.collect()
    else:
        number_R = collect_to_mapped_file(numbers, cache)
    return number_R.to_series(), distinct[CLEANED]


def _distinct(list_D: pl.Series) -> DistinctLists:
    lists = list_D.list.drop_nulls()
    length_D = lists.list.len().to_numpy().astype(np.int64)
    return DistinctLists(lists.explode().drop_nulls(), length_D)


def fit_list_vocabulary(
    name: str,
    lists: DistinctLists,
    num_rows_D: NDArray[np.int64],
    length: int,
    minimum_frequency: int,
) -> Vocabulary:
    """The vocabulary of a list of its own; `num_rows_D` are the training rows of every list.

    The first `length` entries of every row count.
    """
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
    distinct = values.to_frame().lazy().unique().collect(engine="streaming").to_series()
    return known_values(distinct).drop_nulls().sort()


def codes_of(values: pl.Series, distinct_V: pl.Series) -> NDArray[np.int64]:
    """Position of each value in `distinct_V`; NONE where the value is missing or unknown."""
    return map_values(values, distinct_V, pl.Series(np.arange(len(distinct_V), dtype=np.int64)))


def map_values(values: pl.Series, distinct_V: pl.Series, code_V: pl.Series) -> NDArray[np.int64]:
    """Code of each value, `code_V` aligned with `distinct_V`; NONE where missing or unknown."""
    cast_values = known_values(values.cast(distinct_V.dtype, strict=False))
    codes = cast_values.replace_strict(distinct_V, code_V, default=NONE, return_dtype=pl.Int64)
    return codes.to_numpy()


@dataclass(frozen=True)
class AgreeingEntries:
    """How often each list holds each code: the pairs of list and code that occur, ascending."""

    num_codes: int
    pair_P: NDArray[np.int64]
    count_P: NDArray[np.int64]

    @staticmethod
    def of(lists: DistinctLists, code_E: NDArray[np.int64], num_codes: int) -> "AgreeingEntries":
        """Count the entries; their codes are below `num_codes`, or NONE."""
        known_E = code_E != NONE
        pair_E = lists.list_of_entry[known_E] * num_codes + code_E[known_E]
        if lists.num_lists * num_codes <= pair_E.size:  # as of few rows
            count_E = np.bincount(pair_E)
            pair_P = np.flatnonzero(count_E)
            return AgreeingEntries(num_codes, pair_P, count_E[pair_P])
        pair_P, count_P = np.unique(pair_E, return_counts=True)
        return AgreeingEntries(num_codes, pair_P, count_P)

    def count(self, list_R: NDArray[np.int64], code_R: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the entries of each row's list that have the row's code (R,)."""
        if self.pair_P.size == 0:
            return np.zeros(code_R.size, dtype=np.int64)
        pair_R = list_R * self.num_codes + code_R
        position_R = np.searchsorted(self.pair_P, pair_R).clip(max=self.pair_P.size - 1)
        agrees_R = (self.pair_P[position_R] == pair_R) & (code_R != NONE)
        return np.where(agrees_R, self.count_P[position_R], 0)


def lists_of_users(rows: pl.LazyFrame, user: pl.Expr, list_: str) -> NDArray[np.int64]:
    """The list number of every user, taken from the user's last row, in the order of last rows."""
    numbered = rows.select(user.alias(USER), pl.col(list_).alias(LIST)).with_row_index(ROW)
    present = numbered.drop_nulls()
    last_rows = present.group_by(USER).agg(pl.col(ROW).max()).select(ROW)
    of_users = present.join(last_rows, on=ROW, how="semi").collect(engine="streaming")
    return of_users.sort(ROW)[LIST].to_numpy().astype(np.int64)
