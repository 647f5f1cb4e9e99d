"""Encode: turn the rows of a request into encoded columns by look-up, without starting Polars.

To encode a table, Polars builds a search table of each vocabulary for every block of rows. The few
values of a request are looked up in dictionaries that are built once, about 100 bytes an id. Inputs
made of statistics, matches and the log are those that `predict` makes of a block.
Shape legend: R rows, F categorical fields, C columns of numbers, D derived ones.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.checks import INTEGERS
from hinet_search.data.columns import Columns
from hinet_search.data.derived.asked_log import SeenLog, seen_log
from hinet_search.data.derived.inputs import list_fields
from hinet_search.data.derived.label_counts import later_values
from hinet_search.data.derived.log_state import LogState
from hinet_search.data.derived.matches import match_values
from hinet_search.data.derived.seen_sequences import SeenSequence
from hinet_search.data.encode import VALUE, Vocabulary
from hinet_search.data.lists import ListedRows
from hinet_search.serving.encoder import Encoder, unseen_lists
from hinet_search.serving.history import RolledInputs
from hinet_search.serving.log_input import LogInput
from hinet_search.serving.requests.json_values import Value, text_parser
from hinet_search.serving.requests.list_inputs import Ids, ListInput, all_slots, has_entries_of
from hinet_search.serving.requests.number_inputs import NumberInputs, number_inputs
from hinet_search.serving.requests.numbered_lists import ListReader, list_readers
from hinet_search.serving.requests.rows import RequestRows, series_of, texts_of

Live = Callable[[pl.DataFrame], SeenLog]  # what rows see of the log now


class RequestEncoder(Protocol):
    """Encodes the rows of a request."""

    def encode(self, rows: RequestRows) -> Columns:
        """Return encoded columns; labels are 0, users -1."""
        ...


def request_encoder(encoder: Encoder, live: Live | None = None) -> RequestEncoder:
    """Return the encoder of requests that fits the inputs of a model, with a log that is `live`."""
    inputs, encoding = encoder.inputs, encoder.encoding
    if _has_cast_lists(encoder):
        return FrameEncoder(encoder, live)
    ids = [_ids_by_value(vocabulary) for vocabulary in encoding.all_vocabularies]
    lists = _list_inputs(encoder, ids)
    numbers = number_inputs((*inputs.numeric, *inputs.derived), encoding)
    derived = LookedUpInputs(encoder, live, list_readers(encoder))
    return LookupEncoder(encoder, tuple(ids), numbers, lists, derived)


@dataclass(frozen=True)
class DerivedInputs:
    """What is derived for the rows of a request: numbers (D, R), and sequences of the log."""

    number_DR: NDArray[np.float64]
    sequences: tuple[SeenSequence, ...]


@dataclass(frozen=True)
class FrameEncoder:
    """Encodes as `predict` does, for lists of which entries have another type than their ids.

    `live` tells what rows see of a log that goes on.
    """

    encoder: Encoder
    live: Live | None = None

    def encode(self, rows: RequestRows) -> Columns:
        """Return the encoded columns."""
        frame, log = self.frame(rows), self.encoder.history.log
        if self.live is None or log is None:
            return self.encoder.columns(frame)
        seen = self.live(frame)
        schema = dict.fromkeys(log.names, pl.Float32)
        numbers = pl.DataFrame(seen.value_RC, schema=schema)
        return self.encoder.columns(frame, RolledInputs(log=numbers, sequences=seen.sequences))

    def frame(self, rows: RequestRows) -> pl.DataFrame:
        """Return the rows as `predict` reads them from a table."""
        inputs = self.encoder.inputs
        numbers = [
            pl.Series(name, number_R, nan_to_null=True)
            for name, number_R in zip(inputs.numeric, rows.number_CR, strict=True)
            if name not in inputs.compared
        ]
        compared = compared_columns(self.encoder, rows, inputs.compared)
        return pl.DataFrame([*numbers, *compared])


def compared_columns(
    encoder: Encoder, rows: RequestRows, names: Iterable[str]
) -> Iterator[pl.Series]:
    """Yield columns whose values are compared with those of training, in their types."""
    types, statistics = encoder.types, encoder.inputs.statistics
    clock = None if statistics is None else statistics.clock
    for name in dict.fromkeys(names):
        values, dtype = rows.values[name], types[name]
        limits = _limits(dtype) if name == clock else None
        if limits is not None:
            values = [_within(value, *limits) for value in values]
        if name == clock and isinstance(dtype, pl.Datetime):
            dtype = pl.Datetime("us", dtype.time_zone)  # every moment of Python fits
        yield series_of(name, values, dtype)


@dataclass(frozen=True)
class LookedUpInputs:
    """Inputs that are derived from labels, lists and the log, looked up in their indices.

    `live` tells what rows see of a log that goes on; `lists` are the columns of lists.
    """

    encoder: Encoder
    live: Live | None
    lists: Mapping[str, ListReader]

    def of(self, rows: RequestRows) -> DerivedInputs:
        """The numbers (D, R) in the order of `Inputs.derived`, and sequences."""
        history, inputs = self.encoder.history, self.encoder.inputs
        blocks: list[NDArray[Any]] = [np.zeros((0, rows.num_rows))]
        sequences: tuple[SeenSequence, ...] = ()
        if history.counts is not None and inputs.statistics is not None:
            frame = self._frame(rows, inputs.columns_of_statistics)
            blocks.append(later_values(history.counts, inputs.statistics, frame, inputs.tasks))
        if history.matches is not None and inputs.matches is not None:
            listed = self._listed(rows, inputs.columns_of_matches)
            blocks.append(match_values(history.matches, inputs.matches, inputs.lists, listed))
        if history.log is not None and inputs.log is not None:
            seen = self._seen(rows, history.log, inputs.log)
            blocks.append(seen.value_RC.T)
            sequences = seen.sequences
        return DerivedInputs(np.concatenate(blocks), sequences)

    def _seen(self, rows: RequestRows, state: LogState, log: LogInput) -> SeenLog:
        names = (*log.definition.columns, log.time)
        if self.live is None:
            return seen_log(state.index, self._frame(rows, names), log.time)
        names = (*names, self.encoder.inputs.scenario.column)
        return self.live(pl.DataFrame(compared_columns(self.encoder, rows, names)))

    def _frame(self, rows: RequestRows, names: Iterable[str]) -> pl.DataFrame:
        frame = pl.DataFrame(compared_columns(self.encoder, rows, names))
        return self.encoder.with_distinct_ids(frame, rows.scenario_R)

    def _listed(self, rows: RequestRows, names: Iterable[str]) -> ListedRows:
        frame, lists = self._frame(rows, names), {}
        for name, reader in self.lists.items():
            numbers, lists[name] = reader.read(rows.values[name])
            frame = frame.hstack([numbers])
        return ListedRows(frame, lists)


@dataclass(frozen=True)
class LookupEncoder:
    """Encodes by look-up: `ids` are those of every vocabulary, by value."""

    encoder: Encoder
    ids: tuple[Ids, ...]
    numbers: NumberInputs
    lists: tuple[ListInput, ...]
    derived: LookedUpInputs

    def encode(self, rows: RequestRows) -> Columns:
        """Return the encoded columns."""
        inputs, num_rows = self.encoder.inputs, rows.num_rows
        ids_RF = np.empty((num_rows, len(inputs.categorical)), dtype=np.int32)
        for field, name in enumerate(inputs.categorical):
            ids_RF[:, field] = list(map(self.ids[field].get, self._keys(name, rows), repeat(0)))
        number_CR, slots = rows.number_CR, [all_slots(self.lists, rows.values, num_rows)]
        if inputs.derived or inputs.sequences:
            derived = self.derived.of(rows)
            number_CR = np.concatenate([number_CR, derived.number_DR])
            slots += [each.encoded(self._ids_of) for each in derived.sequences]
        return _columns(
            rows,
            ids_RF,
            self.numbers.encode(number_CR),
            np.concatenate(slots, axis=1),
            len(inputs.tasks),
        )

    def _ids_of(self, items: pl.DataFrame) -> NDArray[np.int32]:
        """The ids of rows with columns of items, as the vocabularies have their values."""
        ids_UI = np.empty(items.shape, dtype=np.int32)
        for number, values in enumerate(items):
            ids = self.ids[self.encoder.inputs.categorical.index(values.name)]
            ids_UI[:, number] = list(map(ids.get, values.to_list(), repeat(0)))
        return ids_UI

    def _keys(self, name: str, rows: RequestRows) -> Sequence[Value]:
        """The values of a column as its vocabulary has them, see `distinct_by_scenario`."""
        values = rows.values[name]
        if name not in self.encoder.inputs.distinct_by_scenario:
            return values
        texts = texts_of(values, self.encoder.types[name])
        pairs = zip(rows.scenario_R.tolist(), texts, strict=True)
        return [None if text is None else f"{scenario}/{text}" for scenario, text in pairs]


def unseen_values(encoder: Encoder, rows: RequestRows, columns: Columns) -> dict[str, int]:
    """The number of rows with an unseen value, as `Encoder.unseen` counts them."""
    inputs = encoder.inputs
    num_unknown_F = (columns.ids_RF == 0).sum(axis=0).tolist()
    counts = {
        name: num_unknown - rows.values[name].count(None)
        for name, num_unknown in zip(inputs.categorical, num_unknown_F, strict=True)
    }
    pooled = {name: each for name, each in inputs.lists.items() if each.pooled}
    has_entries = {}
    for name, each in pooled.items():
        limits = _limits(inputs.type_of_entries(each, encoder.types))
        has_entries[name] = has_entries_of(rows.values[each.column], each.separator, limits)
    return counts | unseen_lists(inputs, has_entries, columns.lists_RS)


def _columns(
    rows: RequestRows,
    ids_RF: NDArray[np.int32],
    numeric_RN: NDArray[np.float32],
    lists_RS: NDArray[np.int32],
    num_tasks: int,
) -> Columns:
    return Columns(
        ids_RF=ids_RF,
        numeric_RN=numeric_RN,
        scenario_R=rows.scenario_R,
        labels_RT=np.zeros((rows.num_rows, num_tasks), dtype=np.uint8),
        user_R=np.full(rows.num_rows, -1, dtype=np.int32),
        lists_RS=lists_RS,
    )


def _ids_by_value(vocabulary: Vocabulary) -> Ids:
    """Ids by value. Datetimes are in UTC: others never equal those of an hour that comes twice."""
    values = vocabulary.table[VALUE]
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone is not None:
        values = values.dt.convert_time_zone("UTC")
    return {value: id_ for id_, value in enumerate(values.to_list(), start=1)}


def _has_cast_lists(encoder: Encoder) -> bool:
    """Whether entries of a pooled list have another type than its vocabulary, as ids may."""
    inputs, vocabularies = encoder.inputs, encoder.encoding.all_vocabularies
    return any(
        inputs.type_of_entries(inputs.lists[each.name], encoder.types)
        != vocabularies[each.field].table[VALUE].dtype
        for each in list_fields(inputs.lists, inputs.categorical)
    )


def _list_inputs(encoder: Encoder, ids: Sequence[Ids]) -> tuple[ListInput, ...]:
    inputs, lists = encoder.inputs, []
    for each in list_fields(inputs.lists, inputs.categorical):
        definition = inputs.lists[each.name]
        dtype = inputs.type_of_entries(definition, encoder.types)
        lists.append(
            ListInput(
                definition.column,
                ids[each.field],
                each.length,
                definition.separator,
                text_parser(dtype),
                _limits(dtype),
            )
        )
    return tuple(lists)


def _limits(dtype: pl.DataType) -> tuple[int, int] | None:
    """The least and the largest value of a type of whole numbers."""
    if dtype not in INTEGERS:
        return None
    limits = np.iinfo(np.uint64 if dtype == pl.UInt64 else np.int64)
    return limits.min, limits.max


def _within(value: Value, low: int, high: int) -> Value:
    return min(max(value, low), high) if isinstance(value, int) else value
