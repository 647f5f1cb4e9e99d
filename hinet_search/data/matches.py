"""Matches: numbers that compare a row's item, and attributes of it, with the row's lists.

Entries of a list are items. They are compared with a row in a column of `by`: in the item column as they are, in any
other by the value that the item most often has in training rows. All entries count, not only those a model sees.

What training rows say is gathered once (`known_of`); with it the numbers of any row follow from the row alone.

Lists must not come from the labels. Of histories from before the first row these numbers are fair; a list that holds
what the row is to predict gives it away, and nothing here can see that.

Shape legend: R rows, D distinct lists, E entries of all distinct lists, U users of training rows, V values of a column.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.agreement import NONE, agreeing, codes_of, distinct_values, lists_of_users, replaced
from hinet_search.data.encode import VALUE, known_values
from hinet_search.data.lists import ListedRows
from hinet_search.data.rows import Rows
from hinet_search.data.similarity import ItemFactors, factors_of, similarity
from hinet_search.definition import DataDefinition
from hinet_search.features import ListDefinition, MatchesDefinition

TRAIN = 0
ITEM, COUNT = "item", "count"

Lists = Mapping[str, ListDefinition]
Usual = Mapping[tuple[str, str], pl.DataFrame]
Named = Iterator[tuple[str, NDArray[np.float64]]]


@dataclass(frozen=True)
class KnownMatches:
    """What training rows say of items and values, each as a table.

    `usual` is by column of items and column of `by`: `item` and the `value` that it most often has. `counts` is by list
    and column of `by`: `value` and how many entries have it, over one list of every user. `factors` are by list.
    """

    usual: Usual
    counts: Mapping[tuple[str, str], pl.DataFrame]
    factors: Mapping[str, ItemFactors]


def known_of(definition: DataDefinition, matches: MatchesDefinition, rows: Rows) -> KnownMatches:
    """Gathered of training rows; values are counted that any row of the study has."""
    lists = definition.features.lists
    pairs = usual_pairs(matches, lists)
    is_train = pl.Series(rows.split_R == TRAIN)
    train = {column: rows.frame[column].filter(is_train) for pair in pairs for column in pair}
    usual = {(item, column): _usual(train[item], train[column]) for item, column in pairs}
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


def match_numbers(known: KnownMatches, matches: MatchesDefinition, lists: Lists, rows: ListedRows) -> pl.DataFrame:
    """Float32 columns, a row per row of `rows.frame` in its order, without nulls; C are the columns of `by`.

    L length               log(1 + entries of list L)
    L same C, L share C    log(1 + entries that agree in C), and their share of the list; 0 for an empty list
    L/M C                  entries of list L per entry of list M among those with the row's value of C, counted over one
                           list of every user of training rows, smoothed, less the same of all values
    M C count              log(1 + entries of list M with the row's value of C), over the same lists
    L similarity           likeness of the row's item and the entries of list L, see similarity.py
    """
    named = [
        *(number for name in matches.lists for number in _agreement(name, known, matches, lists[name], rows)),
        *_rates(known, matches, rows),
        *((f"{name} similarity", _similarity(known.factors[name], lists[name], rows)) for name in matches.similarity),
    ]
    return pl.DataFrame([pl.Series(name, numbers_R.astype(np.float32)) for name, numbers_R in named])


def usual_pairs(matches: MatchesDefinition, lists: Lists) -> list[tuple[str, str]]:
    """Columns of items and of `by` whose values are compared through the item that has them."""
    named = [lists[name] for name in dict.fromkeys([*matches.lists, *_rated(matches)])]
    return list(dict.fromkeys((one.item, column) for one in named for column in matches.by if column != one.item))


def counted_pairs(matches: MatchesDefinition) -> list[tuple[str, str]]:
    """Lists and columns of `by` whose values are counted."""
    return [(name, column) for name in dict.fromkeys(_rated(matches)) for column in matches.by]


def _rated(matches: MatchesDefinition) -> tuple[str, ...]:
    """The lists that rates are made of."""
    return (*matches.rates, *matches.rates.values())


def _usual(item: pl.Series, values: pl.Series) -> pl.DataFrame:
    """The value that each item most often has beside it; the smallest of equally frequent ones."""
    pairs = pl.DataFrame({ITEM: known_values(item), VALUE: known_values(values)}).drop_nulls()
    counted = pairs.group_by(ITEM, VALUE).len().sort("len", VALUE, descending=[True, False])
    return counted.unique(ITEM, keep="first", maintain_order=True).drop("len").sort(ITEM)


def _codes(
    column: str,
    one: ListDefinition,
    entries_E: pl.Series,
    usual: Usual,
    values_V: pl.Series,
) -> NDArray[np.int64]:
    """The place in `values_V` of what every entry has in a column (E,)."""
    if column == one.item:
        return codes_of(entries_E, values_V)
    table = usual[one.item, column]
    codes = pl.Series(codes_of(table[VALUE], values_V), dtype=pl.Int64)
    return replaced(entries_E, table[ITEM], codes)


def _counts(
    matches: MatchesDefinition, definitions: Lists, rows: Rows, usual: Usual, users: Mapping[str, NDArray[np.int64]]
) -> Iterator[tuple[tuple[str, str], pl.DataFrame]]:
    """Entries with each value, each list as often as there are `users` (U,) who have it."""
    for column in matches.by:
        values_V = distinct_values(rows.frame[column])
        for name in dict.fromkeys(_rated(matches)):
            one = definitions[name]
            lists = rows.lists[one.column]
            weight_E = np.bincount(users[name], minlength=lists.num_lists)[lists.list_of_entry]
            code_E = _codes(column, one, lists.entries_E, usual, values_V)
            known_E = code_E != NONE
            count_V = np.bincount(code_E[known_E], weight_E[known_E], minlength=len(values_V))
            yield (name, column), pl.DataFrame({VALUE: values_V, COUNT: count_V.astype(np.float64)})


def _lists_of_training_users(definition: DataDefinition, one: ListDefinition, rows: Rows) -> NDArray[np.int64]:
    """The number of one list of every user of training rows (U,)."""
    assert definition.user is not None, "the definition checks it"
    train = rows.frame.select(definition.user, one.column).filter(rows.split_R == TRAIN)
    return lists_of_users(train[definition.user], train[one.column])


def _agreement(
    name: str, known: KnownMatches, matches: MatchesDefinition, one: ListDefinition, rows: ListedRows
) -> Named:
    lists, list_R = rows.lists[one.column], rows.list_numbers(one.column)
    length_R = lists.length_D[list_R]
    yield f"{name} length", np.log1p(length_R)
    for column in matches.by:
        values_V = distinct_values(rows.frame[column])
        code_E = _codes(column, one, lists.entries_E, known.usual, values_V)
        count_R = agreeing(lists, code_E, list_R, codes_of(rows.frame[column], values_V))
        yield f"{name} same {column}", np.log1p(count_R)
        yield f"{name} share {column}", count_R / np.maximum(length_R, 1)


def _rates(known: KnownMatches, matches: MatchesDefinition, rows: ListedRows) -> Named:
    """Rates of all pairs of lists, then the counts that they rest on."""
    for of, among in matches.rates.items():
        for column in matches.by:
            of_V, among_V = (known.counts[name, column][COUNT].to_numpy() for name in (of, among))
            rate_V = excess_rates(of_V, among_V, matches.smoothing)
            yield f"{of}/{among} {column}", _of_rows(rate_V, known.counts[of, column][VALUE], rows.frame[column])
    for among in dict.fromkeys(matches.rates.values()):
        for column in matches.by:
            table = known.counts[among, column]
            yield (
                f"{among} {column} count",
                _of_rows(np.log1p(table[COUNT].to_numpy()), table[VALUE], rows.frame[column]),
            )


def excess_rates(of_V: NDArray[np.float64], among_V: NDArray[np.float64], smoothing: float) -> NDArray[np.float64]:
    """The smoothed rate of each value less the rate of all; exactly 0 where nothing is known."""
    num_of, num_among = of_V.sum(), max(among_V.sum(), 1.0)
    excess_V = of_V * num_among - among_V * num_of  # of whole numbers
    return np.asarray(excess_V / (num_among * (among_V + smoothing)))


def _of_rows(number_V: NDArray[np.float64], values_V: pl.Series, values_R: pl.Series) -> NDArray[np.float64]:
    """The number of each row's value; 0 where it has none, as -1 is the last place."""
    return np.append(number_V, 0.0)[codes_of(values_R, values_V)]


def _similarity(factors: ItemFactors, one: ListDefinition, rows: ListedRows) -> NDArray[np.float64]:
    return similarity(factors, rows.lists[one.column], rows.list_numbers(one.column), rows.frame[one.item])
