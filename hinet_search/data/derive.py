"""Derive: the inputs that are made of labels and lists, and the groups that a search can leave out.

Shape legend: R rows, D distinct lists, S slots of one list.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.encode import Encoding, missing_name
from hinet_search.data.lists import ListedRows, encode_list
from hinet_search.data.matches import known_of, match_numbers
from hinet_search.data.rows import Rows
from hinet_search.data.statistics import target_statistics
from hinet_search.definition import DataDefinition
from hinet_search.errors import DataError
from hinet_search.features import LISTS, MATCHES, STATISTICS, FeatureDefinition, ListDefinition
from hinet_search.schema import ListField


@dataclass(frozen=True)
class DerivedNumbers:
    """Numeric inputs beside those of the table, aligned with its rows."""

    statistics: pl.DataFrame
    matches: pl.DataFrame

    @property
    def names(self) -> tuple[str, ...]:
        """All names, statistics first."""
        return (*self.statistics.columns, *self.matches.columns)


@dataclass(frozen=True)
class EncodedLists:
    """The pooled lists: what a model is told of each, every distinct list as ids (D, S), and the number of each row's."""

    fields: tuple[ListField, ...]
    ids: tuple[NDArray[np.int32], ...]
    numbers: tuple[NDArray[np.int64], ...]

    def slots(self, run: slice, num_rows: int) -> NDArray[np.int32]:
        """Slots of all lists side by side, of a run of rows."""
        empty = np.zeros((num_rows, 0), dtype=np.int32)
        rows = (id_DS[number_R[run]] for id_DS, number_R in zip(self.ids, self.numbers, strict=True))
        return np.concatenate([empty, *rows], axis=1)


def derive_numbers(definition: DataDefinition, rows: Rows) -> DerivedNumbers:
    """Statistics and matches of a definition; DataError when a name is that of a column of the table."""
    features = definition.features
    statistics = matches = pl.DataFrame()
    if features.statistics is not None:
        statistics = target_statistics(features.statistics, rows, tuple(definition.tasks))
    if features.matches is not None:
        known = known_of(definition, features.matches, rows)
        matches = match_numbers(known, features.matches, features.lists, rows.listed)
    derived = DerivedNumbers(statistics, matches)
    taken = [*rows.frame.columns, *derived.names]
    twice = sorted({name for name in derived.names if taken.count(name) > 1})
    if twice:
        raise DataError(
            f"data.features: derived inputs need names of their own, but these are taken: {', '.join(twice)}",
            remedy="rename the list or the column",
        )
    return derived


def encode_lists(lists: Mapping[str, ListDefinition], rows: ListedRows, encoding: Encoding) -> EncodedLists:
    """Those that are pooled of the `lists` of a definition, by the vocabularies of their items."""
    pooled = {name: one for name, one in lists.items() if one.pooled}
    field_of = {vocabulary.name: field for field, vocabulary in enumerate(encoding.vocabularies)}
    return EncodedLists(
        fields=tuple(ListField(name, field_of[one.item], one.length, one.pooling) for name, one in pooled.items()),
        ids=tuple(
            encode_list(rows.lists[one.column], encoding.vocabularies[field_of[one.item]], one.length)
            for one in pooled.values()
        ),
        numbers=tuple(rows.list_numbers(one.column) for one in pooled.values()),
    )


def input_groups(
    features: FeatureDefinition, derived: DerivedNumbers, encoding: Encoding
) -> Mapping[str, tuple[str, ...]]:
    """The inputs of every group of `features.group_names`; the flag of a number goes where the number goes."""
    flagged = {scale.name for scale in encoding.scales if scale.flagged}
    named = {
        name: (*columns, *(missing_name(column) for column in columns if column in flagged))
        for name, columns in features.groups.items()
    }
    pooled = tuple(name for name, one in features.lists.items() if one.pooled)
    kinds = {STATISTICS: tuple(derived.statistics.columns), LISTS: pooled, MATCHES: tuple(derived.matches.columns)}
    return {name: (kinds | named)[name] for name in features.group_names}
