"""Matches: numbers that compare a row's item, and its attributes, with the row's lists.

Entries of a list are items. They are compared with the row in the columns of `by`: in the item
column directly, in any other column by the value that the item most often has in training rows.
All entries count, not only those that fit into a model's slots.

`known_of` collects what is needed of training rows; after that the numbers of a row depend on the
row alone.

Lists must not be made from the labels. Histories that end before the first row are fair; a list
that contains what the row is to predict leaks it, which cannot be detected here.

Shape legend: R rows, D distinct lists, E entries of all distinct lists, U users of training rows,
V values of a column.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.blocks import blocks_of
from hinet_search.data.derived.key_hashes import MISSING, Hashes, column_hashes, found
from hinet_search.data.derived.match_index import (
    COUNT,
    ITEM,
    KnownFactors,
    MatchIndex,
    ValueCounts,
    match_index,
)
from hinet_search.data.derived.similarity import ItemFactors, ListSimilarity, factors_of
from hinet_search.data.encode import VALUE, known_column
from hinet_search.data.lists import (
    NONE,
    AgreeingEntries,
    ListedRows,
    codes_of,
    distinct_values,
    lists_of_users,
    map_values,
)
from hinet_search.data.mapped import mapped_frame
from hinet_search.data.rows import Rows
from hinet_search.data.splits import SPLIT
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.feature_definition import ListDefinition, MatchesDefinition

TRAIN = 0

Lists = Mapping[str, ListDefinition]
Usual = Mapping[tuple[str, str], pl.DataFrame]
Named = Iterator[tuple[str, NDArray[np.float64]]]
NumbersOfBlock = Callable[["_HashedBlock"], Named]


@dataclass(frozen=True)
class KnownMatches:
    """Facts of items and values from training rows.

    usual    by (item column, column of `by`): `item` and the `value` that it most often has
    counts   by (list, column of `by`): `value` and the number of entries that have it, counted over
             one list of every user
    factors  by list
    """

    usual: Usual
    counts: Mapping[tuple[str, str], pl.DataFrame]
    factors: Mapping[str, ItemFactors]

    @cached_property
    def index(self) -> MatchIndex:
        """The facts for rows that ask, made when the first do."""
        return match_index(self.usual, self.counts, self.factors)


@dataclass(frozen=True)
class _HashedBlock:
    """Some of the rows, and the hashes of their values in the columns of `by` (R,)."""

    rows: ListedRows
    hashes: Mapping[str, Hashes]


def known_of(definition: DataDefinition, matches: MatchesDefinition, rows: Rows) -> KnownMatches:
    """Collect the facts from training rows; values of any row of the study are counted."""
    lists = definition.features.lists
    usual = {
        (item, column): _usual(rows, item, column) for item, column in usual_pairs(matches, lists)
    }
    assert definition.user is not None, "the definition checks it"
    user = known_column(definition.user, rows.frame[definition.user].dtype)
    users = {}  # the list number of every user of training rows (U,), by list
    for name in (*_rated(matches), *matches.similarity):
        column = lists[name].column
        train = rows.columns_and_split(definition.user, column).filter(pl.col(SPLIT) == TRAIN)
        users[name] = lists_of_users(train, user, column)
    return KnownMatches(
        usual=usual,
        counts=dict(_counts(matches, lists, rows, usual, users)),
        factors={
            name: factors_of(rows.lists[lists[name].column], users[name], matches.factors)
            for name in matches.similarity
        },
    )


def match_numbers(
    known: KnownMatches,
    matches: MatchesDefinition,
    lists: Lists,
    rows: ListedRows,
    cache: Path | None = None,
) -> pl.DataFrame:
    """Float32 columns without nulls, aligned with `rows.frame`; C are the columns of `by`.

    Columns of many rows are mapped from a file in the folder `cache`.

    L length      log(1 + entries of list L)
    L same C      log(1 + entries of list L that agree with the row in C)
    L share C     share of entries of list L that agree with the row in C; 0 for an empty list
    L/M C         entries of list L per entry of list M, of those with the row's value of C, counted
                  over one list of every user of training rows, smoothed, minus the rate of all
                  values
    M C count     log(1 + entries of list M with the row's value of C), over the same lists
    L similarity  similarity of the row's item to the entries of list L, see similarity.py
    """
    blocks = [rows.block(block) for block in blocks_of(len(rows.frame))]
    distinct = {}
    for column in matches.by:
        of_blocks = [np.unique(column_hashes(block.frame[column])) for block in blocks]
        distinct[column] = _distinct(np.concatenate(of_blocks))
    of_block = _numbers_of_block(known.index, matches, lists, rows, distinct)
    tables = (pl.DataFrame(_values(of_block, _block(block, matches))) for block in blocks)
    return mapped_frame(tables, cache)


def match_values(
    known: KnownMatches, matches: MatchesDefinition, lists: Lists, rows: ListedRows
) -> NDArray[np.float32]:
    """The values of `match_numbers` (C, R) of a few rows."""
    block = _block(rows, matches)
    distinct = {column: _distinct(hash_R) for column, hash_R in block.hashes.items()}
    of_block = _numbers_of_block(known.index, matches, lists, rows, distinct)
    return np.array(list(_values(of_block, block).values()))


def _numbers_of_block(
    index: MatchIndex,
    matches: MatchesDefinition,
    lists: Lists,
    rows: ListedRows,
    distinct: Mapping[str, Hashes],
) -> list[NumbersOfBlock]:
    """What gives the numbers of a block; `distinct` has the hashes of all rows' values."""
    of_block: list[NumbersOfBlock] = []
    for name in matches.lists:
        of_block += _agreement(name, index, distinct, lists[name], rows)
    of_block += _rates(index, matches)
    for name in matches.similarity:
        of_block.append(_similarity(name, index.factors[name], lists[name], rows))
    return of_block


def _distinct(hash_R: Hashes) -> Hashes:
    """The distinct hashes, ascending, without that of a missing value (V,)."""
    hash_V = np.unique(hash_R)
    known_V: Hashes = hash_V[hash_V != MISSING]
    return known_V


def _block(rows: ListedRows, matches: MatchesDefinition) -> _HashedBlock:
    return _HashedBlock(rows, {column: column_hashes(rows.frame[column]) for column in matches.by})


def _values(
    of_block: Sequence[NumbersOfBlock], block: _HashedBlock
) -> dict[str, NDArray[np.float32]]:
    """The numbers of some rows by name."""
    values: dict[str, NDArray[np.float32]] = {}
    for numbers in of_block:
        values |= {name: number_R.astype(np.float32) for name, number_R in numbers(block)}
    return values


def match_names(matches: MatchesDefinition) -> tuple[str, ...]:
    """The columns of `match_numbers`, in order."""
    names: list[str] = []
    for list_name in matches.lists:
        names.append(f"{list_name} length")
        for column in matches.by:
            names += [f"{list_name} same {column}", f"{list_name} share {column}"]
    for of, among in matches.rates.items():
        names += [f"{of}/{among} {column}" for column in matches.by]
    for among in dict.fromkeys(matches.rates.values()):
        names += [f"{among} {column} count" for column in matches.by]
    names += [f"{list_name} similarity" for list_name in matches.similarity]
    return tuple(names)


def usual_pairs(matches: MatchesDefinition, lists: Lists) -> list[tuple[str, str]]:
    """(item column, column of `by`) for values that entries of a list have through their item."""
    pairs: dict[tuple[str, str], None] = {}
    for name in dict.fromkeys([*matches.lists, *_rated(matches)]):
        item = lists[name].own_item
        pairs |= dict.fromkeys((item, column) for column in matches.by if column != item)
    return list(pairs)


def counted_pairs(matches: MatchesDefinition) -> list[tuple[str, str]]:
    """(list, column of `by`) for values that are counted."""
    return list(product(_rated(matches), matches.by))


def _rated(matches: MatchesDefinition) -> list[str]:
    """The lists that rates are made of, each once."""
    return list(dict.fromkeys([*matches.rates, *matches.rates.values()]))


def _usual(rows: Rows, item: str, column: str) -> pl.DataFrame:
    """The most frequent value of each item in training; of equally frequent values the smallest."""
    types = rows.frame.schema
    pairs = (
        rows.columns_and_split(item, column)
        .filter(pl.col(SPLIT) == TRAIN)
        .select(
            known_column(item, types[item]).alias(ITEM),
            known_column(column, types[column]).alias(VALUE),
        )
        .drop_nulls()
    )
    counted = pairs.group_by(ITEM, VALUE).len().collect(engine="streaming")
    ordered = counted.sort("len", VALUE, descending=[True, False])
    return ordered.unique(ITEM, keep="first", maintain_order=True).drop("len").sort(ITEM)


def _codes(
    column: str,
    list_: ListDefinition,
    entries_E: pl.Series,
    usual: Usual,
    values_V: pl.Series,
) -> NDArray[np.int64]:
    """Position in `values_V` of the value that every entry has in a column (E,)."""
    if column == list_.item:
        return codes_of(entries_E, values_V)
    table = usual[list_.own_item, column]
    codes = pl.Series(codes_of(table[VALUE], values_V), dtype=pl.Int64)
    return map_values(entries_E, table[ITEM], codes)


def _counts(
    matches: MatchesDefinition,
    definitions: Lists,
    rows: Rows,
    usual: Usual,
    users: Mapping[str, NDArray[np.int64]],
) -> Iterator[tuple[tuple[str, str], pl.DataFrame]]:
    """Entries with each value; a list counts as often as it occurs in `users` (U,)."""
    for column in matches.by:
        values_V = distinct_values(rows.frame[column])
        for name in _rated(matches):
            list_ = definitions[name]
            lists = rows.lists[list_.column]
            weight_E = np.bincount(users[name], minlength=lists.num_lists)[lists.list_of_entry]
            code_E = _codes(column, list_, lists.entries_E, usual, values_V)
            known_E = code_E != NONE
            count_V = np.bincount(code_E[known_E], weight_E[known_E], minlength=len(values_V))
            yield (name, column), pl.DataFrame({VALUE: values_V, COUNT: count_V.astype(np.float64)})


def _agreement(
    name: str,
    index: MatchIndex,
    distinct: Mapping[str, Hashes],
    list_: ListDefinition,
    rows: ListedRows,
) -> Iterator[NumbersOfBlock]:
    lists = rows.lists[list_.column]

    def length(block: _HashedBlock) -> Named:
        yield f"{name} length", np.log1p(lists.length_D[block.rows.list_numbers(list_.column)])

    yield length
    for column, hash_V in distinct.items():
        if column == list_.item:
            dtype = rows.frame[column].dtype
            hash_E = column_hashes(lists.entries_E.cast(dtype, strict=False))
        else:
            hash_E = index.usual[list_.own_item, column].of(lists.entries_E)
        entries = AgreeingEntries.of(lists, found(hash_V, hash_E), hash_V.size)
        yield _agreement_in(column, hash_V, entries, name, list_.column)


def _agreement_in(
    column: str, hash_V: Hashes, entries: AgreeingEntries, name: str, list_column: str
) -> NumbersOfBlock:
    """Entries of each row's list that agree with the row in a column."""

    def numbers(block: _HashedBlock) -> Named:
        list_R = block.rows.list_numbers(list_column)
        length_R = block.rows.lists[list_column].length_D[list_R]
        count_R = entries.count(list_R, found(hash_V, block.hashes[column]))
        yield f"{name} same {column}", np.log1p(count_R)
        yield f"{name} share {column}", count_R / np.maximum(length_R, 1)

    return numbers


def _rates(index: MatchIndex, matches: MatchesDefinition) -> Iterator[NumbersOfBlock]:
    """Rates of all pairs of lists, then the counts behind them."""
    for of, among in matches.rates.items():
        for column in matches.by:
            yield _rate_of(
                f"{of}/{among} {column}",
                column,
                index.counts[of, column],
                index.counts[among, column],
                matches.smoothing,
            )
    for among in dict.fromkeys(matches.rates.values()):
        for column in matches.by:
            yield _count_of(f"{among} {column} count", column, index.counts[among, column])


def _rate_of(
    name: str, column: str, of: ValueCounts, among: ValueCounts, smoothing: float
) -> NumbersOfBlock:
    """The rate of each row's value in a column; 0 where it has none."""

    def numbers(block: _HashedBlock) -> Named:
        of_R, is_known_R = of.of(block.hashes[column])
        among_R, _ = among.of(block.hashes[column])
        rate_R = excess_rates(of_R, of.total, among_R, among.total, smoothing)
        yield name, np.where(is_known_R, rate_R, 0.0)

    return numbers


def _count_of(name: str, column: str, counts: ValueCounts) -> NumbersOfBlock:
    """The log of the count of each row's value in a column; 0 where it has none."""

    def numbers(block: _HashedBlock) -> Named:
        count_R, _ = counts.of(block.hashes[column])
        yield name, np.log1p(count_R)

    return numbers


def excess_rates(
    of_V: NDArray[np.float64],
    num_of: float,
    among_V: NDArray[np.float64],
    num_among: float,
    smoothing: float,
) -> NDArray[np.float64]:
    """The smoothed rate of each value minus the overall rate; exactly 0 where nothing is known.

    Given are the entries with every value, and those of all values.
    """
    num_among = max(num_among, 1.0)
    excess_V = of_V * num_among - among_V * num_of  # exact: all are whole numbers
    return np.asarray(excess_V / (num_among * (among_V + smoothing)))


def _similarity(
    name: str, known: KnownFactors, list_: ListDefinition, rows: ListedRows
) -> NumbersOfBlock:
    lists = rows.lists[list_.column]
    item_E = known.positions(lists.entries_E)
    similarity = ListSimilarity.of(known.factors, known.is_known_I, lists, item_E)

    def numbers(block: _HashedBlock) -> Named:
        list_R = block.rows.list_numbers(list_.column)
        item_R = known.positions(block.rows.frame[list_.own_item])
        yield f"{name} similarity", similarity.of_rows(list_R, item_R)

    return numbers
