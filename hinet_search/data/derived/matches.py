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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, product
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.blocks import blocks_of
from hinet_search.data.derived.key_hashes import MISSING, Hashes, column_hashes, found
from hinet_search.data.derived.match_index import (
    COUNT,
    ITEM,
    MatchIndex,
    match_index,
)
from hinet_search.data.derived.similarity import ItemFactors, ListSimilarity, factors_of
from hinet_search.data.encode import VALUE
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
from hinet_search.data.raw_values import known_column
from hinet_search.data.rows import Rows
from hinet_search.data.splits import SPLIT
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.feature_definition import ListDefinition, MatchesDefinition

TRAIN = 0

Lists = Mapping[str, ListDefinition]
Usual = Mapping[tuple[str, str], pl.DataFrame]
Named = Iterator[tuple[str, NDArray[np.float64]]]
HashesByColumn = Mapping[str, Hashes]


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
    matching = _matching(known.index, matches, lists, rows, distinct)
    tables = (pl.DataFrame(matching.values(block, _hashes(block, matches))) for block in blocks)
    return mapped_frame(tables, cache)


def match_values(
    known: KnownMatches, matches: MatchesDefinition, lists: Lists, rows: ListedRows
) -> NDArray[np.float32]:
    """The values of `match_numbers` (C, R) of a few rows."""
    hashes = _hashes(rows, matches)
    distinct = {column: _distinct(hash_R) for column, hash_R in hashes.items()}
    matching = _matching(known.index, matches, lists, rows, distinct)
    return np.array(list(matching.values(rows, hashes).values()))


def _matching(
    index: MatchIndex,
    matches: MatchesDefinition,
    lists: Lists,
    rows: ListedRows,
    distinct: HashesByColumn,
) -> "_Matching":
    entries = {}
    for name, column in product(matches.lists, matches.by):
        list_ = lists[name]
        distinct_lists = rows.lists[list_.column]
        if column == list_.item:
            own_type = rows.frame[column].dtype
            hash_E = column_hashes(distinct_lists.entries_E.cast(own_type, strict=False))
        else:
            hash_E = index.usual[list_.own_item, column].of(distinct_lists.entries_E)
        hash_V = distinct[column]
        code_E = found(hash_V, hash_E)
        entries[name, column] = AgreeingEntries.of(distinct_lists, code_E, hash_V.size)
    similarities = {}
    for name in matches.similarity:
        known = index.factors[name]
        distinct_lists = rows.lists[lists[name].column]
        item_E = known.positions(distinct_lists.entries_E)
        similarities[name] = ListSimilarity.of(
            known.factors, known.is_known_I, distinct_lists, item_E
        )
    return _Matching(index, matches, lists, distinct, entries, similarities)


@dataclass(frozen=True)
class _Matching:
    """What is computed once of all lists; `distinct` has the hashes of all rows' values.

    `entries` are by list and column of `by`, `similarities` by list.
    """

    index: MatchIndex
    matches: MatchesDefinition
    lists: Lists
    distinct: HashesByColumn
    entries: Mapping[tuple[str, str], AgreeingEntries]
    similarities: Mapping[str, ListSimilarity]

    def values(self, rows: ListedRows, hashes: HashesByColumn) -> dict[str, NDArray[np.float32]]:
        """The numbers of some rows by name, of which these are the hashes of values (R,)."""
        numbers = chain(
            self._agreements(rows, hashes), self._rates(hashes), self._similarities(rows)
        )
        return {name: number_R.astype(np.float32) for name, number_R in numbers}

    def _agreements(self, rows: ListedRows, hashes: HashesByColumn) -> Named:
        """Entries of each row's list, and those that agree with the row in a column."""
        codes = {by: found(self.distinct[by], hash_R) for by, hash_R in hashes.items()}
        for name in self.matches.lists:
            column = self.lists[name].column
            list_R = rows.list_numbers(column)
            length_R = rows.lists[column].length_D[list_R]
            yield f"{name} length", np.log1p(length_R)
            for by, code_R in codes.items():
                count_R = self.entries[name, by].count(list_R, code_R)
                yield f"{name} same {by}", np.log1p(count_R)
                yield f"{name} share {by}", count_R / np.maximum(length_R, 1)

    def _rates(self, hashes: HashesByColumn) -> Named:
        """Rates of all pairs of lists, then the counts behind them; 0 where a row has no value."""
        values = self.index.values
        positions = {by: index.positions(hashes[by]) for by, index in values.items()}
        for of, among in self.matches.rates.items():
            for by, position_R in positions.items():
                of_counts = self.index.counts[of, by]
                among_counts = self.index.counts[among, by]
                of_R = of_counts.count_V[position_R]
                among_R = among_counts.count_V[position_R]
                num_among = max(among_counts.total, 1.0)
                # Exact, as all are whole numbers: 0 where nothing is known.
                excess_R = of_R * num_among - among_R * of_counts.total
                rate_R = excess_R / (num_among * (among_R + self.matches.smoothing))
                yield f"{of}/{among} {by}", np.where(position_R != NONE, rate_R, 0.0)
        for among in dict.fromkeys(self.matches.rates.values()):
            for by, position_R in positions.items():
                count_R = self.index.counts[among, by].count_V[position_R]
                yield f"{among} {by} count", np.log1p(count_R)

    def _similarities(self, rows: ListedRows) -> Named:
        for name, similarity in self.similarities.items():
            list_R = rows.list_numbers(self.lists[name].column)
            items = rows.frame[self.lists[name].own_item]
            item_R = self.index.factors[name].positions(items)
            yield f"{name} similarity", similarity.of_rows(list_R, item_R)


def _distinct(hash_R: Hashes) -> Hashes:
    """The distinct hashes, ascending, without that of a missing value (V,)."""
    hash_V = np.unique(hash_R)
    known_V: Hashes = hash_V[hash_V != MISSING]
    return known_V


def _hashes(rows: ListedRows, matches: MatchesDefinition) -> HashesByColumn:
    return {column: column_hashes(rows.frame[column]) for column in matches.by}


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
