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

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.similarity import ItemFactors, factors_of, similarity
from hinet_search.data.encode import VALUE, known_values
from hinet_search.data.lists import (
    NONE,
    ListedRows,
    codes_of,
    count_agreeing,
    distinct_values,
    lists_of_users,
    map_values,
)
from hinet_search.data.rows import Rows
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.feature_definition import ListDefinition, MatchesDefinition

TRAIN = 0
ITEM, COUNT = "item", "count"

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
    is_train = pl.Series(rows.split_R == TRAIN)
    usual = {}
    for item, column in usual_pairs(matches, lists):
        train_items = rows.frame[item].filter(is_train)
        usual[item, column] = _usual(train_items, rows.frame[column].filter(is_train))
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
    known: KnownMatches, matches: MatchesDefinition, lists: Lists, rows: ListedRows
) -> pl.DataFrame:
    """Float32 columns without nulls, aligned with `rows.frame`; C are the columns of `by`.

    L length      log(1 + entries of list L)
    L same C      log(1 + entries of list L that agree with the row in C)
    L share C     share of entries of list L that agree with the row in C; 0 for an empty list
    L/M C         entries of list L per entry of list M, of those with the row's value of C, counted
                  over one list of every user of training rows, smoothed, minus the rate of all
                  values
    M C count     log(1 + entries of list M with the row's value of C), over the same lists
    L similarity  similarity of the row's item to the entries of list L, see similarity.py
    """
    numbers: list[tuple[str, NDArray[np.float64]]] = []
    for name in matches.lists:
        numbers += _agreement(name, known, matches, lists[name], rows)
    numbers += _rates(known, matches, rows)
    for name in matches.similarity:
        numbers.append((f"{name} similarity", _similarity(known.factors[name], lists[name], rows)))
    return pl.DataFrame(
        [pl.Series(name, number_R.astype(np.float32)) for name, number_R in numbers]
    )


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


def _usual(item: pl.Series, values: pl.Series) -> pl.DataFrame:
    """The most frequent value of each item; of equally frequent values the smallest."""
    pairs = pl.DataFrame({ITEM: known_values(item), VALUE: known_values(values)}).drop_nulls()
    counted = pairs.group_by(ITEM, VALUE).len().sort("len", VALUE, descending=[True, False])
    return counted.unique(ITEM, keep="first", maintain_order=True).drop("len").sort(ITEM)


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
    train = rows.frame.select(definition.user, list_.column).filter(rows.split_R == TRAIN)
    return lists_of_users(train[definition.user], train[list_.column])


def _agreement(
    name: str,
    known: KnownMatches,
    matches: MatchesDefinition,
    list_: ListDefinition,
    rows: ListedRows,
) -> Named:
    lists, list_R = rows.lists[list_.column], rows.list_numbers(list_.column)
    length_R = lists.length_D[list_R]
    yield f"{name} length", np.log1p(length_R)
    for column in matches.by:
        values_V = distinct_values(rows.frame[column])
        code_E = _codes(column, list_, lists.entries_E, known.usual, values_V)
        count_R = count_agreeing(lists, code_E, list_R, codes_of(rows.frame[column], values_V))
        yield f"{name} same {column}", np.log1p(count_R)
        yield f"{name} share {column}", count_R / np.maximum(length_R, 1)


def _rates(known: KnownMatches, matches: MatchesDefinition, rows: ListedRows) -> Named:
    """Rates of all pairs of lists, then the counts behind them."""
    for of, among in matches.rates.items():
        for column in matches.by:
            of_table, among_table = known.counts[of, column], known.counts[among, column]
            of_V, among_V = of_table[COUNT].to_numpy(), among_table[COUNT].to_numpy()
            rate_V = excess_rates(of_V, among_V, matches.smoothing)
            rate_R = _of_rows(rate_V, of_table[VALUE], rows.frame[column])
            yield f"{of}/{among} {column}", rate_R
    for among in dict.fromkeys(matches.rates.values()):
        for column in matches.by:
            table = known.counts[among, column]
            log_count_V = np.log1p(table[COUNT].to_numpy())
            log_count_R = _of_rows(log_count_V, table[VALUE], rows.frame[column])
            yield f"{among} {column} count", log_count_R


def excess_rates(
    of_V: NDArray[np.float64], among_V: NDArray[np.float64], smoothing: float
) -> NDArray[np.float64]:
    """The smoothed rate of each value minus the overall rate; exactly 0 where nothing is known."""
    num_of, num_among = of_V.sum(), max(among_V.sum(), 1.0)
    excess_V = of_V * num_among - among_V * num_of  # exact: all are whole numbers
    return np.asarray(excess_V / (num_among * (among_V + smoothing)))


def _of_rows(
    number_V: NDArray[np.float64], values_V: pl.Series, values_R: pl.Series
) -> NDArray[np.float64]:
    """The number of each row's value; 0 where it has none: NONE is -1, the appended position."""
    return np.append(number_V, 0.0)[codes_of(values_R, values_V)]


def _similarity(
    factors: ItemFactors, list_: ListDefinition, rows: ListedRows
) -> NDArray[np.float64]:
    return similarity(
        factors,
        rows.lists[list_.column],
        rows.list_numbers(list_.column),
        rows.frame[list_.own_item],
    )
