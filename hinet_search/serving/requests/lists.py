"""Lists: read the lists of a request, number the distinct ones, and look up their ids.

Python reads the few lists of a request in less time than Polars needs to start. What an entry is,
and which slots a list has, is as `data.lists` has it of the lists of a table.
Shape legend: R rows, D distinct lists, S slots of one list.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.lists import DistinctLists
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.requests.json_values import Value, text_parser
from hinet_search.serving.requests.rows import series_of
from hinet_search.serving.row_columns import limits_of

Ids = Mapping[Value, int]


@dataclass(frozen=True)
class ListReader:
    """Reads a column of lists, or of texts with a `separator`; `dtype` is that of entries.

    `parse` reads an entry of a text, None for one of another type. Entries that are not within
    `limits` do not fit the type, and have no place in a list.
    """

    column: str
    separator: str | None
    dtype: pl.DataType
    parse: Callable[[str], Value]
    limits: tuple[int, int] | None

    def numbered(self, values: Sequence[Value]) -> tuple[NDArray[np.int64], list[Sequence[Value]]]:
        """The number of each row's list (R,), and the entries of the distinct lists, in order."""
        number_of: dict[Value, int] = {}
        numbers: list[int] = []
        lists: list[Sequence[Value]] = []
        for value in values:
            key = tuple(value) if isinstance(value, list) else value
            number = number_of.setdefault(key, len(number_of))
            numbers.append(number)
            if number == len(lists):
                lists.append(self._entries(value))
        return np.array(numbers, dtype=np.int64), lists

    def distinct(self, values: Sequence[Value]) -> tuple[pl.Series, DistinctLists]:
        """The number of each row's list (R,), and the distinct lists, as tables have them."""
        number_R, lists = self.numbered(values)
        entries_E = series_of("", list(chain.from_iterable(lists)), self.dtype)
        length_D = np.array([len(entries) for entries in lists], dtype=np.int64)
        return pl.Series(self.column, number_R), DistinctLists(entries_E, length_D)

    def slots(self, values: Sequence[Value], ids: Ids, length: int) -> NDArray[np.int32]:
        """The ids (R, S) of the first `length` entries of every row's list, as `encode_list`."""
        number_R, lists = self.numbered(values)
        id_DS = np.zeros((len(lists), length), dtype=np.int32)
        for number, entries in enumerate(lists):
            found = [ids.get(entry, 0) for entry in entries[:length]]
            known = [id_ for id_ in found if id_]
            id_DS[number, : len(known)] = known
        return id_DS[number_R]

    def has_entries(self, values: Sequence[Value]) -> NDArray[np.bool_]:
        """Whether every row's list has an entry (R,), also a text that is no value of its type."""
        return np.array([any(True for _ in self._given(value)) for value in values], dtype=np.bool_)

    def _given(self, value: Value) -> Iterator[Value]:
        """Yield the entries of a list that fit the type, or those of a text, still as texts."""
        if isinstance(value, str):
            texts = map(str.strip, value.split(self.separator))
            yield from filter(None, texts)
        elif isinstance(value, list):
            yield from filter(self._fits, value)

    def _entries(self, value: Value) -> Sequence[Value]:
        given = self._given(value)
        if self.separator is None:
            return list(given)
        return list(filter(self._fits, map(self.parse, given)))

    def _fits(self, entry: Value) -> bool:
        if self.limits is None or entry is None:
            return entry is not None
        low, high = self.limits
        return bool(low <= entry <= high)


def list_readers(encoder: Encoder) -> Mapping[str, ListReader]:
    """The readers of the columns of all lists; the first list of a column says what it is."""
    readers: dict[str, ListReader] = {}
    for definition in encoder.inputs.lists.values():
        dtype = encoder.inputs.type_of_entries(definition, encoder.types)
        reader = ListReader(
            column=definition.column,
            separator=definition.separator,
            dtype=dtype,
            parse=text_parser(dtype),
            limits=limits_of(dtype),
        )
        readers.setdefault(definition.column, reader)
    return readers
