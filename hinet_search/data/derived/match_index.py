"""Match index: facts of items and values, found by the hashes of values.

It is made once of what is known of training rows, and tells of a few rows without searching all
items and values again.

Shape legend: V distinct values, I items, E entries of lists, Q values that are asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.event_log import Integers
from hinet_search.data.derived.key_hashes import MISSING, Hashes, column_hashes, found
from hinet_search.data.derived.similarity import ItemFactors
from hinet_search.data.encode import VALUE
from hinet_search.data.lists import NONE

ITEM = "item"
COUNT = "count"


@dataclass(frozen=True)
class ValueIndex:
    """Distinct values of a type: their hashes, which ascend, and the position of each."""

    dtype: pl.DataType
    hash_V: Hashes
    position_V: Integers

    def hashes(self, values: pl.Series) -> Hashes:
        """The hash of every value, MISSING where it is missing or does not fit the type."""
        if values.dtype != self.dtype:
            values = values.cast(self.dtype, strict=False)
        return column_hashes(values)

    def positions(self, hash_Q: Hashes) -> Integers:
        """The position of each value, NONE where it is missing or unknown."""
        place_Q = found(self.hash_V, hash_Q)
        if not self.hash_V.size:
            return place_Q
        return np.where(place_Q == NONE, NONE, self.position_V[place_Q])


def value_index(values: pl.Series) -> ValueIndex:
    """The index of distinct values."""
    hash_V = column_hashes(values)
    position_V = np.argsort(hash_V)
    return ValueIndex(values.dtype, hash_V[position_V], position_V)


@dataclass(frozen=True)
class UsualValues:
    """The hash of the value that every item most often has in a column; the last is of no item."""

    items: ValueIndex
    hash_I: Hashes

    def of(self, entries: pl.Series) -> Hashes:
        """The hash of the usual value of every entry (E,), MISSING where there is none."""
        usual_E: Hashes = self.hash_I[self.items.positions(self.items.hashes(entries))]
        return usual_E


@dataclass(frozen=True)
class ValueCounts:
    """Entries of a list with every value of a column, and of all values; the last is of none."""

    count_V: NDArray[np.float64]
    total: float


@dataclass(frozen=True)
class KnownFactors:
    """Items with their factors; `is_known_I` says which of them have any."""

    items: ValueIndex
    factors: ItemFactors
    is_known_I: NDArray[np.bool_]

    def positions(self, items: pl.Series) -> Integers:
        """The position of each item, NONE where it is missing or unknown."""
        return self.items.positions(self.items.hashes(items))


@dataclass(frozen=True)
class MatchIndex:
    """What KnownMatches has, by the same names, and the counted `values` by column of `by`."""

    usual: Mapping[tuple[str, str], UsualValues]
    values: Mapping[str, ValueIndex]
    counts: Mapping[tuple[str, str], ValueCounts]
    factors: Mapping[str, KnownFactors]


def match_index(
    usual: Mapping[tuple[str, str], pl.DataFrame],
    counts: Mapping[tuple[str, str], pl.DataFrame],
    factors: Mapping[str, ItemFactors],
) -> MatchIndex:
    """The index of what is known of training rows."""
    of_items = {}
    for pair, table in usual.items():
        hash_I = np.append(column_hashes(table[VALUE]), MISSING)
        of_items[pair] = UsualValues(value_index(table[ITEM]), hash_I)
    values: dict[str, ValueIndex] = {}
    of_values = {}
    for (name, column), table in counts.items():
        if column not in values:  # which all lists count alike
            values[column] = value_index(table[VALUE])
        count_V = np.append(table[COUNT].to_numpy(), 0.0)
        of_values[name, column] = ValueCounts(count_V, float(count_V.sum()))
    of_lists = {}
    for name, each in factors.items():
        is_known_I = (each.factors_IK != 0).any(axis=1)
        of_lists[name] = KnownFactors(value_index(each.items_I), each, is_known_I)
    return MatchIndex(of_items, values, of_values, of_lists)
