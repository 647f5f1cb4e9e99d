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
from itertools import chain, product
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.blocks import blocks_of
from hinet_search.data.derived.similarity import ItemFactors, ListSimilarity, factors_of
from hinet_search.data.encode import COUNT, VALUE
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
ITEM = "item"

Lists = Mapping[str, ListDefinition]
Usual = Mapping[tuple[str, str], pl.DataFrame]
Named = Iterator[tuple[str, NDArray[np.float64]]]


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
    distinct = {column: distinct_values(rows.frame[column]) for column in matches.by}
    entries = {}
    for name, column in product(matches.lists, matches.by):
        list_ = lists[name]
        entries_E = rows.lists[list_.column].entries_E
        code_E = _codes(column, list_, entries_E, known.usual, distinct[column])
        num_codes = len(distinct[column])
        entries[name, column] = AgreeingEntries.of(rows.lists[list_.column], code_E, num_codes)
    similarities = {}
    for name in matches.similarity:
        similarities[name] = ListSimilarity.of(known.factors[name], rows.lists[lists[name].column])
    matching = _Matching(known, matches, lists, distinct, entries, similarities)
    blocks = (rows.block(block) for block in blocks_of(len(rows.frame)))
    return mapped_frame((matching.numbers(block) for block in blocks), cache)


@dataclass(frozen=True)
class _Matching:
    """What is computed once of all lists; `distinct` has the values of all rows in a column.

    `entries` are by list and column of `by`, `similarities` by list.
    """

    known: KnownMatches
    matches: MatchesDefinition
    lists: Lists
    distinct: Mapping[str, pl.Series]
    entries: Mapping[tuple[str, str], AgreeingEntries]
    similarities: Mapping[str, ListSimilarity]

    def numbers(self, rows: ListedRows) -> pl.DataFrame:
        """The numbers of some rows."""
        named = chain(self._agreements(rows), self._rates(rows), self._similarities(rows))
        return pl.DataFrame({name: number_R.astype(np.float32) for name, number_R in named})

    def _agreements(self, rows: ListedRows) -> Named:
        """Entries of each row's list, and those that agree with the row in a column."""
        codes = {by: codes_of(rows.frame[by], values) for by, values in self.distinct.items()}
        for name in self.matches.lists:
            column = self.lists[name].column
            list_R = rows.list_numbers(column)
            length_R = rows.lists[column].length_D[list_R]
            yield f"{name} length", np.log1p(length_R)
            for by, code_R in codes.items():
                count_R = self.entries[name, by].count(list_R, code_R)
                yield f"{name} same {by}", np.log1p(count_R)
                yield f"{name} share {by}", count_R / np.maximum(length_R, 1)

    def _rates(self, rows: ListedRows) -> Named:
        """Rates of all pairs of lists, then the counts behind them; 0 where a row has no value."""
        counts = {}  # of the row's value, and of all values
        codes: dict[str, NDArray[np.int64]] = {}
        for (name, by), table in self.known.counts.items():
            if by not in codes:  # all lists count the same values
                codes[by] = codes_of(rows.frame[by], table[VALUE])
            count_V = np.append(table[COUNT].to_numpy(), 0.0)  # the last is of NONE
            counts[name, by] = (count_V[codes[by]], float(count_V.sum()))
        for of, among in self.matches.rates.items():
            for by in self.matches.by:
                of_R, of_all = counts[of, by]
                among_R, among_all = counts[among, by]
                num_among = max(among_all, 1.0)
                # Exact, as all are whole numbers: 0 where nothing is known.
                excess_R = of_R * num_among - among_R * of_all
                yield (
                    f"{of}/{among} {by}",
                    excess_R / (num_among * (among_R + self.matches.smoothing)),
                )
        for among in dict.fromkeys(self.matches.rates.values()):
            for by in self.matches.by:
                yield f"{among} {by} count", np.log1p(counts[among, by][0])

    def _similarities(self, rows: ListedRows) -> Named:
        for name, similarity in self.similarities.items():
            list_R = rows.list_numbers(self.lists[name].column)
            items = rows.frame[self.lists[name].own_item]
            item_R = codes_of(items, similarity.factors.items_I)
            yield f"{name} similarity", similarity.of_rows(list_R, item_R)


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
