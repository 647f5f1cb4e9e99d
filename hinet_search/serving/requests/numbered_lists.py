"""Numbered lists: every distinct list of a request once, as `with_numbered_lists` has lists.

Python numbers the few lists of a request in less time than Polars needs to start.

Shape legend: R rows, D distinct lists, E entries of all of them, one list after the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.lists import DistinctLists
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.requests.json_values import Value
from hinet_search.serving.requests.rows import series_of


@dataclass(frozen=True)
class ListReader:
    """Reads a column of lists, or of texts with a `separator`; `dtype` is that of entries."""

    column: str
    separator: str | None
    dtype: pl.DataType

    def read(self, values: Sequence[Value]) -> tuple[pl.Series, DistinctLists]:
        """The number of each row's list (R,), and the distinct lists."""
        number_of: dict[Value, int] = {}
        numbers, entries, lengths = [], list[Value](), list[int]()
        for value in values:
            key = tuple(value) if isinstance(value, list) else value
            number = number_of.setdefault(key, len(number_of))
            numbers.append(number)
            if number == len(lengths):
                of_list = self._entries(value)
                entries += of_list
                lengths.append(len(of_list))
        number_R = pl.Series(self.column, numbers, dtype=pl.UInt32)
        return number_R, self._distinct(entries, np.array(lengths, dtype=np.int64))

    def _entries(self, value: Value) -> Sequence[Value]:
        if isinstance(value, str):
            texts = [text.strip() for text in value.split(self.separator)]
            return [text for text in texts if text]
        return value if isinstance(value, list) else ()

    def _distinct(self, entries: Sequence[Value], length_D: NDArray[np.int64]) -> DistinctLists:
        """The lists without entries that are missing or do not fit the type."""
        if self.separator is None:
            entries_E = series_of("", entries, self.dtype)
        else:
            entries_E = series_of("", entries, pl.String()).cast(self.dtype, strict=False)
        if entries_E.has_nulls():
            list_E = np.repeat(np.arange(length_D.size), length_D)
            is_known_E = entries_E.is_not_null()
            length_D = np.bincount(list_E[is_known_E.to_numpy()], minlength=length_D.size)
            entries_E = entries_E.filter(is_known_E)
        return DistinctLists(entries_E, length_D)


def list_readers(encoder: Encoder) -> Mapping[str, ListReader]:
    """The readers of the columns of all lists; the first list of a column says what it is."""
    inputs, readers = encoder.inputs, dict[str, ListReader]()
    for list_ in inputs.lists.values():
        dtype = inputs.type_of_entries(list_, encoder.types)
        readers.setdefault(list_.column, ListReader(list_.column, list_.separator, dtype))
    return readers
