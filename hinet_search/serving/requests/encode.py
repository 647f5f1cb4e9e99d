"""Encode: turn the rows of a request into encoded columns by look-up, without starting Polars.

To encode a table, Polars builds a search table of each vocabulary for every block of rows. The few
values of a request are looked up in dictionaries that are built once, about 100 bytes an id. All
else is as in `Encoder`: numbers, and inputs made of statistics, matches and the log. What an entry
of a list is, and which slots a list has, is as `data.lists` has it of the lists of a table.
Shape legend: R rows, F categorical fields, U seen rows of a log, I items, D distinct lists, S slots
of one list, E entries of all distinct lists.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import Columns
from hinet_search.data.derived.inputs import list_fields
from hinet_search.data.encode import VALUE, NumberInputs, Vocabulary, number_inputs
from hinet_search.data.lists import DistinctLists, ListedRows, encode_list
from hinet_search.data.schema import ListField
from hinet_search.serving.encoder import Encoder, unseen_values
from hinet_search.serving.history import STORED, DerivedInputs, Live
from hinet_search.serving.requests.document import Value
from hinet_search.serving.requests.rows import RequestRows, series_of, text_parser, texts_of
from hinet_search.serving.row_checks import limits_of

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
                entries = self._given(value)
                if self.separator is not None:
                    entries = filter(self._fits, map(self.parse, entries))
                lists.append(list(entries))
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
        has_entry = [next(self._given(value), None) is not None for value in values]
        return np.array(has_entry, dtype=np.bool_)

    def _given(self, value: Value) -> Iterator[Value]:
        """Yield the entries of a list that fit the type, or those of a text, still as texts."""
        if isinstance(value, str):
            texts = map(str.strip, value.split(self.separator))
            yield from filter(None, texts)
        elif isinstance(value, list):
            yield from filter(self._fits, value)

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


@dataclass(frozen=True)
class RequestEncoder:
    """Encodes the rows of requests; `ids` are those of every vocabulary, by value.

    `live` gives counts and a log that go on, else rows see those of the encoder.
    """

    encoder: Encoder
    live: Callable[[], Live] | None
    ids: tuple[Ids, ...]
    numbers: NumberInputs
    readers: Mapping[str, ListReader]
    pooled: tuple[ListField, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The categorical fields and pooled lists, whose values may be unseen."""
        return (*self.encoder.inputs.categorical, *(field.name for field in self.pooled))

    def encode(self, rows: RequestRows) -> Columns:
        """Return encoded columns; labels are 0, users -1."""
        inputs = self.encoder.inputs
        ids_RF = np.empty((rows.num_rows, len(inputs.categorical)), dtype=np.int32)
        for field, name in enumerate(inputs.categorical):
            ids_RF[:, field] = self._ids_of_values(field, self._keys(name, rows))
        number_CR = rows.number_CR
        slots = [self._slots(each, rows) for each in self.pooled]
        if inputs.derived or inputs.sequences:
            derived = self._derived(rows)
            number_CR = np.concatenate([number_CR, derived.number_DR])
            slots += [each.encoded(self._ids_of) for each in derived.sequences]
        numeric_RN = self.numbers.encode(number_CR)
        return self.encoder.with_labels(ids_RF, numeric_RN, slots, rows.scenario_R)

    def unseen(self, rows: RequestRows, columns: Columns) -> dict[str, int]:
        """Return the number of rows with a value without an id, as `Encoder.unseen` counts them."""
        inputs = self.encoder.inputs
        num_missing = {name: rows.values[name].count(None) for name in inputs.categorical}
        has_entries = {}
        for field in self.pooled:
            column = inputs.lists[field.name].column
            has_entries[field.name] = self.readers[column].has_entries(rows.values[column])
        return unseen_values(inputs, columns, num_missing, has_entries)

    def _keys(self, name: str, rows: RequestRows) -> Sequence[Value]:
        """The values of a field: see `distinct_by_scenario`."""
        inputs = self.encoder.inputs
        values = rows.values[name]
        if name not in inputs.distinct_by_scenario:
            return values
        texts = texts_of(values, self.encoder.types[name])
        pairs = zip(rows.scenario_R.tolist(), texts, strict=True)
        return [None if text is None else f"{scenario}/{text}" for scenario, text in pairs]

    def _slots(self, field: ListField, rows: RequestRows) -> NDArray[np.int32]:
        """The slots of a pooled list (R, S)."""
        reader = self.readers[self.encoder.inputs.lists[field.name].column]
        values = rows.values[reader.column]
        vocabulary = self.encoder.encoding.all_vocabularies[field.field]
        if vocabulary.table[VALUE].dtype == reader.dtype:
            return reader.slots(values, self.ids[field.field], field.length)
        number_R, lists = reader.distinct(values)
        id_DS = encode_list(lists, vocabulary, field.length)
        slots_RS: NDArray[np.int32] = id_DS[number_R.to_numpy()]
        return slots_RS

    def _derived(self, rows: RequestRows) -> DerivedInputs:
        """What is derived for the rows from labels, lists and the log."""
        inputs = self.encoder.inputs
        history = self.encoder.history
        frame = pl.DataFrame(self._compared(rows))
        frame = self.encoder.with_distinct_ids(frame, rows.scenario_R)
        lists = {}
        if inputs.matches is not None:
            for column, reader in self.readers.items():
                numbers, lists[column] = reader.distinct(rows.values[column])
                frame = frame.hstack([numbers])
        live = STORED if self.live is None else self.live()
        return history.derived(inputs, ListedRows(frame, lists), live=live)

    def _compared(self, rows: RequestRows) -> Iterator[pl.Series]:
        """Yield the columns that inputs are derived from, but lists, in their types."""
        inputs = self.encoder.inputs
        types = self.encoder.types
        clock = inputs.clock
        for name in inputs.columns_of_derived:
            values = rows.values[name]
            dtype = types[name]
            if name == clock:
                values = _nearest(values, limits_of(dtype))
            if name == clock and isinstance(dtype, pl.Datetime):
                dtype = pl.Datetime("us", dtype.time_zone)  # every moment of Python fits
            yield series_of(name, values, dtype)

    def _ids_of(self, items: pl.DataFrame) -> NDArray[np.int32]:
        """The ids (U, I) of rows with columns of items, as the vocabularies have their values."""
        ids_UI = np.empty(items.shape, dtype=np.int32)
        for number, values in enumerate(items):
            field = self.encoder.inputs.categorical.index(values.name)
            ids_UI[:, number] = self._ids_of_values(field, values.to_list())
        return ids_UI

    def _ids_of_values(self, field: int, values: Sequence[Value]) -> Sequence[int]:
        """The ids of values of a field, see `_keys`."""
        return list(map(self.ids[field].get, values, repeat(0)))


def request_encoder(encoder: Encoder, live: Callable[[], Live] | None = None) -> RequestEncoder:
    """Return the encoder of requests for a model, see `RequestEncoder`."""
    inputs = encoder.inputs
    encoding = encoder.encoding
    return RequestEncoder(
        encoder=encoder,
        live=live,
        ids=tuple(map(_ids_by_value, encoding.all_vocabularies)),
        numbers=number_inputs((*inputs.numeric, *inputs.derived), encoding),
        readers=list_readers(encoder),
        pooled=list_fields(inputs.lists, inputs.categorical),
    )


def _nearest(values: Sequence[Value], limits: tuple[int, int] | None) -> Sequence[Value]:
    """The values, or the nearest end of limits; missing ones stay."""
    if limits is None:
        return values
    low, high = limits
    return [None if value is None else min(max(value, low), high) for value in values]


def _ids_by_value(vocabulary: Vocabulary) -> Ids:
    """Ids by value. Datetimes are in UTC: others never equal those of an hour that comes twice."""
    values = vocabulary.table[VALUE]
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone is not None:
        values = values.dt.convert_time_zone("UTC")
    return {value: id_ for id_, value in enumerate(values.to_list(), start=1)}
