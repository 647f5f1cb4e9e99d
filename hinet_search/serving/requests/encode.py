"""Encode: turn the rows of a request into encoded columns by look-up, without starting Polars.

To encode a table, Polars builds a search table of each vocabulary for every block of rows. The few
values of a request are looked up in dictionaries that are built once, about 100 bytes an id. Inputs
made of statistics, matches and the log are made as `predict` makes those of a block.
Shape legend: R rows, F categorical fields, C columns of numbers, D derived ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.checks import INTEGERS
from hinet_search.data.columns import Columns
from hinet_search.data.derived.inputs import list_fields
from hinet_search.data.derived.log_state import SeenLog, seen_log
from hinet_search.data.derived.seen_sequences import SeenSequence
from hinet_search.data.encode import VALUE, Vocabulary
from hinet_search.serving.encoder import Encoder, unseen_lists
from hinet_search.serving.history import RolledInputs
from hinet_search.serving.requests.json_values import Value, text_parser
from hinet_search.serving.requests.list_inputs import Ids, ListInput, all_slots
from hinet_search.serving.requests.number_inputs import NumberInputs, number_inputs
from hinet_search.serving.requests.rows import RequestRows, series_of, texts_of

Live = Callable[[pl.DataFrame], SeenLog]  # what rows see of the log now
WITHOUT_LOG = RolledInputs(log=pl.DataFrame())


class RequestEncoder(Protocol):
    """Encodes the rows of a request."""

    def encode(self, rows: RequestRows) -> Columns:
        """Return encoded columns; labels are 0, users -1."""
        ...


def request_encoder(encoder: Encoder, live: Live | None = None) -> RequestEncoder:
    """Return the encoder of requests that fits the inputs of a model, with a log that is `live`."""
    inputs, encoding = encoder.inputs, encoder.encoding
    frames = FrameEncoder(encoder, live)
    if _has_cast_lists(encoder):
        return frames
    ids = [_ids_by_value(vocabulary) for vocabulary in encoding.all_vocabularies]
    lists = _list_inputs(encoder, ids)
    numbers = number_inputs((*inputs.numeric, *inputs.derived), encoding)
    return LookupEncoder(encoder, tuple(ids), numbers, lists, frames)


@dataclass(frozen=True)
class DerivedInputs:
    """What is derived for the rows of a request: numbers (D, R), and sequences of the log."""

    number_DR: NDArray[np.float64]
    sequences: tuple[SeenSequence, ...]


@dataclass(frozen=True)
class FrameEncoder:
    """Encodes as `predict` does, for inputs that need joins; `live` tells what rows see now."""

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

    def derived(self, rows: RequestRows) -> DerivedInputs:
        """What is derived from labels, lists and the log."""
        frame, encoder = self.frame(rows), self.encoder
        listed, inputs = encoder.listed(frame, rows.scenario_R), encoder.inputs
        columns = encoder.history.numbers(inputs, listed, WITHOUT_LOG)
        number_DR = np.array([column.to_numpy() for column in columns], dtype=np.float64)
        number_DR = number_DR.reshape(len(columns), rows.num_rows)
        if inputs.log is None or encoder.history.log is None:
            return DerivedInputs(number_DR, ())
        if self.live is not None:
            seen = self.live(frame)
        else:
            seen = seen_log(encoder.history.log.index, listed.frame, inputs.log.time)
        return DerivedInputs(np.concatenate([number_DR, seen.value_RC.T]), seen.sequences)

    def frame(self, rows: RequestRows) -> pl.DataFrame:
        """Return the rows as `predict` reads them from a table."""
        inputs, types = self.encoder.inputs, self.encoder.types
        values = dict(rows.values)
        clock = inputs.statistics.clock if inputs.statistics is not None else None
        limits = None if clock is None else _limits(types[clock])
        if clock is not None and limits is not None:
            values[clock] = [_within(value, *limits) for value in values[clock]]
        columns = {
            name: pl.Series(name, number_R, nan_to_null=True)
            for name, number_R in zip(inputs.numeric, rows.number_CR, strict=True)
        }
        for name in inputs.compared:
            columns[name] = series_of(name, values[name], types[name])
        clock_type = None if clock is None else types[clock]
        if clock is not None and isinstance(clock_type, pl.Datetime):
            every_moment = pl.Datetime("us", clock_type.time_zone)  # of Python fits
            columns[clock] = series_of(clock, values[clock], every_moment)
        return pl.DataFrame(columns)


@dataclass(frozen=True)
class LookupEncoder:
    """Encodes by look-up: `ids` are those of every vocabulary, by value."""

    encoder: Encoder
    ids: tuple[Ids, ...]
    numbers: NumberInputs
    lists: tuple[ListInput, ...]
    frames: FrameEncoder

    def encode(self, rows: RequestRows) -> Columns:
        """Return the encoded columns."""
        inputs, num_rows = self.encoder.inputs, rows.num_rows
        ids_RF = np.empty((num_rows, len(inputs.categorical)), dtype=np.int32)
        for field, name in enumerate(inputs.categorical):
            ids_RF[:, field] = list(map(self.ids[field].get, self._keys(name, rows), repeat(0)))
        number_CR, slots = rows.number_CR, [all_slots(self.lists, rows.values, num_rows)]
        if inputs.derived or inputs.sequences:
            derived = self.frames.derived(rows)
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
    names = {each.column for each in inputs.lists.values() if each.pooled}
    lists = {name: series_of(name, rows.values[name], encoder.types[name]) for name in names}
    return counts | unseen_lists(inputs, lists, columns.lists_RS)


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
