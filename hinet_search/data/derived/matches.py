"""Matches: numbers that compare a row's item, and its attributes, with the row's lists.

Entries of a list are items. They are compared with the row in the columns of `by`: in the item
column directly, in any other column by the value that the item most often has in training rows.
All entries count, not only those that fit into a model's slots.

`known_of` collects what is needed of training rows; after that the numbers of a row depend on the
row alone.

Lists must not be made from the labels. Histories that end before the first row are fair; a list
that contains what the row is to predict leaks it, which cannot be detected here.

The factors of an item are its row in a truncated SVD of the 0/1 matrix of users and the items of
their lists, scaled to length 1. The similarity of an item and a list is the mean product with the
factors of the list's entries, leaving out the item itself.

Shape legend: R rows, D distinct lists, E entries of all distinct lists, U users of training rows,
V values of a column, I items that occur in lists, K factors, B rows of a block, S the smaller and L
the larger of users and items.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, product
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, eigsh

from hinet_search.data.encode import COUNT, VALUE
from hinet_search.data.lists import (
    NONE,
    AgreeingEntries,
    DistinctLists,
    ListedRows,
    codes_of,
    distinct_values,
    lists_of_users,
    map_values,
)
from hinet_search.data.mapped import blocks_of, mapped_frame
from hinet_search.data.raw_values import known_column
from hinet_search.data.rows import Rows
from hinet_search.data.splits import SPLIT
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.feature_definition import ListDefinition, MatchesDefinition

TRAIN = 0
ITEM = "item"
SEED = 0
ROUNDING = 1e-8  # factors this far below the largest are rounding errors
ROWS_AT_ONCE = 2**16

Lists = Mapping[str, ListDefinition]
Usual = Mapping[tuple[str, str], pl.DataFrame]
Named = Iterator[tuple[str, NDArray[np.float64]]]


@dataclass(frozen=True)
class ItemFactors:
    """Items in order with their factors; factors are 0 for an item that no user has."""

    items_I: pl.Series
    factors_IK: NDArray[np.float64]


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
    L similarity  similarity of the row's item to the entries of list L
    """
    distinct = {column: distinct_values(rows.frame[column]) for column in matches.by}
    entries = {}
    for name, column in product(matches.lists, matches.by):
        list_ = lists[name]
        lists_D = rows.lists[list_.column]
        code_E = _codes(column, list_, lists_D.entries_E, known.usual, distinct[column])
        entries[name, column] = AgreeingEntries.of(lists_D, code_E, len(distinct[column]))
    similarities = {}
    for name in matches.similarity:
        similarities[name] = ListSimilarity.of(known.factors[name], rows.lists[lists[name].column])
    matching = _Matching(known, matches, lists, distinct, entries, similarities)
    blocks = (rows.block(block) for block in blocks_of(len(rows.frame)))
    return mapped_frame((matching.numbers(block) for block in blocks), cache)


@dataclass(frozen=True)
class ListSimilarity:
    """Similarities of items to lists: what is computed once of all lists.

    `known_I` says which items have factors, `sum_DK` are the factors of a list's items in all, and
    `num_known_D` how many of its entries have factors.
    """

    factors: ItemFactors
    known_I: NDArray[np.bool_]
    sum_DK: NDArray[np.float64]
    num_known_D: NDArray[np.float64]
    entries: AgreeingEntries  # by item

    @staticmethod
    def of(factors: ItemFactors, lists: DistinctLists) -> "ListSimilarity":
        """Sum up the factors of every list."""
        item_E = codes_of(lists.entries_E, factors.items_I)
        known_I = (factors.factors_IK != 0).any(axis=1)
        entries = AgreeingEntries.of(lists, item_E, len(factors.items_I))
        times_DI = _times(entries, lists.num_lists)
        sum_DK = times_DI @ factors.factors_IK
        num_known_D = times_DI @ known_I.astype(np.float64)
        return ListSimilarity(factors, known_I, sum_DK, num_known_D, entries)

    def of_rows(self, list_R: NDArray[np.int64], item_R: NDArray[np.int64]) -> NDArray[np.float64]:
        """Similarity of each row's item, or NONE, to its list, in -1 to 1 (R,).

        0 for an item without factors, and for a list without any other item that has factors.
        """
        if self.factors.items_I.is_empty():
            return np.zeros(list_R.size)
        item_R = np.where((item_R != NONE) & self.known_I[item_R], item_R, NONE)
        own_R = self.entries.count(list_R, item_R)
        others_R = self.num_known_D[list_R] - own_R
        product_R = _products(self.factors.factors_IK, item_R, self.sum_DK, list_R)
        product_R -= own_R  # an item's product with itself is 1
        return np.where((item_R != NONE) & (others_R > 0), product_R / np.maximum(others_R, 1), 0.0)


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
    column: str, list_: ListDefinition, entries_E: pl.Series, usual: Usual, values_V: pl.Series
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


def factors_of(lists: DistinctLists, list_U: NDArray[np.int64], num_factors: int) -> ItemFactors:
    """Factors of all items of `lists`, computed from the list numbers of users, `list_U`."""
    items_I = distinct_values(lists.entries_E)
    if items_I.is_empty():
        return ItemFactors(items_I, np.zeros((0, 1)))
    item_E = codes_of(lists.entries_E, items_I)
    times_DI = _times(AgreeingEntries.of(lists, item_E, len(items_I)), lists.num_lists)
    has_UI = (times_DI[list_U] > 0).astype(np.float64)
    return ItemFactors(items_I, item_factors(has_UI, num_factors))


def item_factors(has_UI: csr_array, num_factors: int) -> NDArray[np.float64]:
    """Factors (I, K) of length 1, or 0 for an item that no user has; K < min(users, items).

    ARPACK iterates to convergence; a randomised sketch would depend on its draw where singular
    values fall slowly. ARPACK draws vectors where it meets an invariant subspace. They come from a
    seeded generator, so that the same matrix has the same factors; SciPy's `svds` leaves that
    generator unseeded.
    """
    num_items = has_UI.shape[1]
    smaller = min(has_UI.shape)
    if has_UI.nnz == 0 or smaller == 1:
        return np.zeros((num_items, 1))
    generator = np.random.default_rng(SEED)
    tall_LS = has_UI
    if num_items > smaller:
        tall_LS = has_UI.T.tocsr()
    gram_SS = LinearOperator(
        (smaller, smaller), matvec=lambda x_S: tall_LS.T @ (tall_LS @ x_S), dtype=np.float64
    )
    start_S = generator.random(smaller)
    _, vector_SK = eigsh(gram_SS, min(num_factors, smaller - 1), v0=start_S, rng=generator)
    basis_SK, _ = np.linalg.qr(vector_SK)  # for clustered values they are not quite orthogonal
    of_rows_LK, value_K, rotation_KK = np.linalg.svd(tall_LS @ basis_SK, full_matrices=False)
    direction_IK = of_rows_LK
    if num_items == smaller:
        direction_IK = basis_SK @ rotation_KK.T
    factors_IK = direction_IK[:, ::-1] * value_K[::-1]
    length_I1 = np.linalg.norm(factors_IK, axis=1, keepdims=True)
    is_known_I1 = length_I1 > ROUNDING * length_I1.max()
    return np.where(is_known_I1, factors_IK / np.where(is_known_I1, length_I1, 1.0), 0.0)


def _times(entries: AgreeingEntries, num_lists: int) -> csr_array:
    """How often each list holds each item (D, I)."""
    list_P, item_P = np.divmod(entries.pair_P, max(entries.num_codes, 1))
    starts = np.searchsorted(list_P, np.arange(num_lists + 1))
    shape = (num_lists, entries.num_codes)
    return csr_array((entries.count_P.astype(np.float64), item_P, starts), shape=shape)


def _products(
    factors_IK: NDArray[np.float64],
    item_R: NDArray[np.int64],
    sum_DK: NDArray[np.float64],
    list_R: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Product of each row's item with the sum of its list's factors, in blocks to save memory."""
    product_R = np.zeros(item_R.size)
    for start in range(0, item_R.size, ROWS_AT_ONCE):
        block = slice(start, start + ROWS_AT_ONCE)
        factors_BK = factors_IK[item_R[block]]
        sum_BK = sum_DK[list_R[block]]
        product_R[block] = np.einsum("rk,rk->r", factors_BK, sum_BK)
    return product_R
