"""Matches: numbers that compare a row's item, and attributes of it, with the row's lists.

Entries of a list are items. They are compared with a row in a column of `by`: in the item column as they are, in any
other by the value that the item most often has in training rows. All entries count, not only those a model sees.

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
from hinet_search.data.encode import known_values
from hinet_search.data.lists import DistinctLists
from hinet_search.data.rows import Rows
from hinet_search.data.similarity import similarity
from hinet_search.definition import DataDefinition
from hinet_search.features import MatchesDefinition

TRAIN = 0

Named = Iterator[tuple[str, NDArray[np.float64]]]


@dataclass(frozen=True)
class _Compared:
    """Lists and rows as codes. `code_E` is by list and column, `code_R` and the number of values by column."""

    lists: Mapping[str, DistinctLists]
    list_R: Mapping[str, NDArray[np.int64]]
    code_E: Mapping[tuple[str, str], NDArray[np.int64]]
    code_R: Mapping[str, NDArray[np.int64]]
    num_values: Mapping[str, int]


def match_numbers(definition: DataDefinition, matches: MatchesDefinition, rows: Rows) -> pl.DataFrame:
    """Float32 columns, a row per row of `rows.frame` in its order, without nulls; C are the columns of `by`.

    L length               log(1 + entries of list L)
    L same C, L share C    log(1 + entries that agree in C), and their share of the list; 0 for an empty list
    L/M C                  entries of list L per entry of list M among those with the row's value of C, counted over one
                           list of every user of training rows, smoothed, less the same of all values
    M C count              log(1 + entries of list M with the row's value of C), over the same lists
    L similarity           likeness of the row's item and the entries of list L, see similarity.py
    """
    compared = _compared(definition, matches, rows)
    named = [
        *(number for name in matches.lists for number in _agreement(name, matches, compared)),
        *_rates(matches, compared, _num_users(definition, matches, rows)),
        *((f"{name} similarity", _similarity(definition, name, rows)) for name in matches.similarity),
    ]
    return pl.DataFrame([pl.Series(name, numbers_R.astype(np.float32)) for name, numbers_R in named])


def _compared(definition: DataDefinition, matches: MatchesDefinition, rows: Rows) -> _Compared:
    lists = {name: definition.features.lists[name] for name in (*matches.lists, *_rated(matches))}
    distinct = {column: distinct_values(rows.frame[column]) for column in matches.by}
    train = rows.frame.select(list(dict.fromkeys([*matches.by, *(one.item for one in lists.values())]))).filter(
        rows.split_R == TRAIN
    )
    return _Compared(
        lists={name: rows.lists[one.column] for name, one in lists.items()},
        list_R={name: rows.listed.list_numbers(one.column) for name, one in lists.items()},
        code_E={
            (name, column): codes_of(rows.lists[one.column].entries_E, distinct_V)
            if column == one.item
            else _codes_by_item(rows.lists[one.column], train[one.item], codes_of(train[column], distinct_V))
            for name, one in lists.items()
            for column, distinct_V in distinct.items()
        },
        code_R={column: codes_of(rows.frame[column], distinct_V) for column, distinct_V in distinct.items()},
        num_values={column: len(distinct_V) for column, distinct_V in distinct.items()},
    )


def _rated(matches: MatchesDefinition) -> tuple[str, ...]:
    return (*matches.rates, *matches.rates.values())


def _codes_by_item(lists: DistinctLists, item: pl.Series, codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The code that each entry's item most often has beside it; the smallest of equally frequent ones."""
    pairs = pl.DataFrame({"item": known_values(item), "code": codes}).drop_nulls().filter(pl.col("code") != NONE)
    counted = pairs.group_by("item", "code").len().sort("len", "code", descending=[True, False])
    usual = counted.unique("item", keep="first", maintain_order=True)
    return replaced(lists.entries_E, usual["item"], usual["code"])


def _agreement(name: str, matches: MatchesDefinition, compared: _Compared) -> Named:
    lists, list_R = compared.lists[name], compared.list_R[name]
    length_R = lists.length_D[list_R]
    yield f"{name} length", np.log1p(length_R)
    for column in matches.by:
        count_R = agreeing(lists, compared.code_E[name, column], list_R, compared.code_R[column])
        yield f"{name} same {column}", np.log1p(count_R)
        yield f"{name} share {column}", count_R / np.maximum(length_R, 1)


def _num_users(definition: DataDefinition, matches: MatchesDefinition, rows: Rows) -> dict[str, NDArray[np.int64]]:
    """How many users of training rows have each list (D,), by list."""
    columns = {name: definition.features.lists[name].column for name in _rated(matches)}
    return {
        name: np.bincount(lists_of_training_users(definition, column, rows), minlength=rows.lists[column].num_lists)
        for name, column in columns.items()
    }


def lists_of_training_users(definition: DataDefinition, column: str, rows: Rows) -> NDArray[np.int64]:
    """The number of one list of every user of training rows (U,)."""
    assert definition.user is not None, "the definition checks it"
    train = rows.frame.select(definition.user, column).filter(rows.split_R == TRAIN)
    return lists_of_users(train[definition.user], train[column])


def _rates(matches: MatchesDefinition, compared: _Compared, num_users: Mapping[str, NDArray[np.int64]]) -> Named:
    """Rates of all pairs of lists, then the counts that they rest on."""
    for of, among in matches.rates.items():
        for column in matches.by:
            of_V = _count_by_value(compared, of, column, num_users[of])
            among_V = _count_by_value(compared, among, column, num_users[among])
            rate_V = excess_rates(of_V, among_V, matches.smoothing)
            yield f"{of}/{among} {column}", _of_rows(rate_V, compared.code_R[column])
    for among in dict.fromkeys(matches.rates.values()):
        for column in matches.by:
            count_V = _count_by_value(compared, among, column, num_users[among])
            yield f"{among} {column} count", _of_rows(np.log1p(count_V), compared.code_R[column])


def excess_rates(of_V: NDArray[np.float64], among_V: NDArray[np.float64], smoothing: float) -> NDArray[np.float64]:
    """The smoothed rate of each value less the rate of all; exactly 0 where nothing is known."""
    num_of, num_among = of_V.sum(), max(among_V.sum(), 1.0)
    excess_V = of_V * num_among - among_V * num_of  # of whole numbers
    return np.asarray(excess_V / (num_among * (among_V + smoothing)))


def _count_by_value(compared: _Compared, name: str, column: str, num_users_D: NDArray[np.int64]) -> NDArray[np.float64]:
    """Entries with each value (V,), each list as often as users have it."""
    code_E, weight_E = compared.code_E[name, column], num_users_D[compared.lists[name].list_of_entry]
    known_E = code_E != NONE
    count_V = np.bincount(code_E[known_E], weight_E[known_E], minlength=compared.num_values[column])
    return count_V.astype(np.float64)


def _of_rows(number_V: NDArray[np.float64], code_R: NDArray[np.int64]) -> NDArray[np.float64]:
    """The number of each row's value; 0 where it has none, as -1 is the last place."""
    return np.append(number_V, 0.0)[code_R]


def _similarity(definition: DataDefinition, name: str, rows: Rows) -> NDArray[np.float64]:
    one, matches = definition.features.lists[name], definition.features.matches
    assert matches is not None, "it is being computed"
    users_U = lists_of_training_users(definition, one.column, rows)
    return similarity(
        rows.lists[one.column], rows.listed.list_numbers(one.column), rows.frame[one.item], users_U, matches.factors
    )
