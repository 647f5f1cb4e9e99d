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
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.blocks import blocks_of
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
from hinet_search.data.mapped_table import mapped_frame
from hinet_search.data.rows import Rows
from hinet_search.data.splits import SPLIT
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.feature_definition import ListDefinition, MatchesDefinition

TRAIN = 0
ITEM, COUNT = "item", "count"

Lists = Mapping[str, ListDefinition]
Usual = Mapping[tuple[str, str], pl.DataFrame]
Named = Iterator[tuple[str, NDArray[np.float64]]]
NumbersOfBlock = Callable[[ListedRows], Named]  # of some rows


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
    users = {
        name: _lists_of_training_users(definition, lists[name], rows)
        for name in (*_rated(matches), *matches.similarity)
    }
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
    of_block: list[NumbersOfBlock] = []
    for name in matches.lists:
        of_block += _agreement(name, known, matches, lists[name], rows)
    of_block += _rates(known, matches)
    for name in matches.similarity:
        of_block.append(_similarity(name, known.factors[name], lists[name], rows))
    blocks = (rows.block(block) for block in blocks_of(len(rows.frame)))
    return mapped_frame((_columns(of_block, block) for block in blocks), cache)


def _columns(of_block: Sequence[NumbersOfBlock], rows: ListedRows) -> pl.DataFrame:
    """The numbers of some rows as columns."""
    named = [number for numbers in of_block for number in numbers(rows)]
    return pl.DataFrame([pl.Series(name, number_R.astype(np.float32)) for name, number_R in named])


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
    return [(name, column) for name in _rated(matches) for column in matches.by]


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


def _lists_of_training_users(
    definition: DataDefinition, list_: ListDefinition, rows: Rows
) -> NDArray[np.int64]:
    """The list number of every user of training rows (U,)."""
    assert definition.user is not None, "the definition checks it"
    user = definition.user
    train = rows.columns_and_split(user, list_.column).filter(pl.col(SPLIT) == TRAIN)
    return lists_of_users(train, known_column(user, rows.frame[user].dtype), list_.column)


def _agreement(
    name: str,
    known: KnownMatches,
    matches: MatchesDefinition,
    list_: ListDefinition,
    rows: ListedRows,
) -> Iterator[NumbersOfBlock]:
    lists = rows.lists[list_.column]

    def length(block: ListedRows) -> Named:
        yield f"{name} length", np.log1p(lists.length_D[block.list_numbers(list_.column)])

    yield length
    for column in matches.by:
        values_V = distinct_values(rows.frame[column])
        code_E = _codes(column, list_, lists.entries_E, known.usual, values_V)
        entries = AgreeingEntries.of(lists, code_E, len(values_V))
        yield _agreement_in(column, values_V, entries, name, list_.column)


def _agreement_in(
    column: str, values_V: pl.Series, entries: AgreeingEntries, name: str, list_column: str
) -> NumbersOfBlock:
    """Entries of each row's list that agree with the row in a column."""

    def numbers(block: ListedRows) -> Named:
        list_R = block.list_numbers(list_column)
        length_R = block.lists[list_column].length_D[list_R]
        count_R = entries.count(list_R, codes_of(block.frame[column], values_V))
        yield f"{name} same {column}", np.log1p(count_R)
        yield f"{name} share {column}", count_R / np.maximum(length_R, 1)

    return numbers


def _rates(known: KnownMatches, matches: MatchesDefinition) -> Iterator[NumbersOfBlock]:
    """Rates of all pairs of lists, then the counts behind them."""
    for of, among in matches.rates.items():
        for column in matches.by:
            of_table, among_table = known.counts[of, column], known.counts[among, column]
            of_V, among_V = of_table[COUNT].to_numpy(), among_table[COUNT].to_numpy()
            rate_V = excess_rates(of_V, among_V, matches.smoothing)
            yield _by_value(f"{of}/{among} {column}", column, of_table[VALUE], rate_V)
    for among in dict.fromkeys(matches.rates.values()):
        for column in matches.by:
            table = known.counts[among, column]
            log_count_V = np.log1p(table[COUNT].to_numpy())
            yield _by_value(f"{among} {column} count", column, table[VALUE], log_count_V)


def excess_rates(
    of_V: NDArray[np.float64], among_V: NDArray[np.float64], smoothing: float
) -> NDArray[np.float64]:
    """The smoothed rate of each value minus the overall rate; exactly 0 where nothing is known."""
    num_of, num_among = of_V.sum(), max(among_V.sum(), 1.0)
    excess_V = of_V * num_among - among_V * num_of  # exact: all are whole numbers
    return np.asarray(excess_V / (num_among * (among_V + smoothing)))


def _by_value(
    name: str, column: str, values_V: pl.Series, number_V: NDArray[np.float64]
) -> NumbersOfBlock:
    """The number of each row's value in a column; 0 where it has none."""
    number_or_0 = np.append(number_V, 0.0)  # NONE is -1, the appended position

    def numbers(block: ListedRows) -> Named:
        yield name, number_or_0[codes_of(block.frame[column], values_V)]

    return numbers


def _similarity(
    name: str, factors: ItemFactors, list_: ListDefinition, rows: ListedRows
) -> NumbersOfBlock:
    similarity = ListSimilarity.of(factors, rows.lists[list_.column])

    def numbers(block: ListedRows) -> Named:
        list_R = block.list_numbers(list_.column)
        yield f"{name} similarity", similarity.of_rows(list_R, block.frame[list_.own_item])

    return numbers
