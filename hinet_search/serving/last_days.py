"""Last days: the day on which a row last had each id of an exported model.

An export stores them with its vocabularies if the rows have a time, and a fit on newer rows goes on
with them. A row has an id in a field, or in a slot of a list or a sequence.
Shape legend: R rows, V ids of a vocabulary.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.blocks import blocks_of
from hinet_search.data.columns import SPLITS, Columns, Dataset
from hinet_search.data.derived.days import BEFORE_ALL, days_of, numbers_of
from hinet_search.data.encode import LAST_DAY, Encoding, Vocabulary
from hinet_search.data.rows import Rows
from hinet_search.data.schema import Schema
from hinet_search.serving.encoder import Encoder
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.event_definition import NANOSECONDS

Days = NDArray[np.int64]  # since 1970, or since 0 of the numbers of a time; or BEFORE_ALL
MOST_DAYS = 2**31 - 1


def clock_of(definition: DataDefinition) -> str | None:
    """The column that says when a row was."""
    statistics = definition.features.statistics
    return definition.time or (None if statistics is None else statistics.clock)


def day_length_of(definition: DataDefinition) -> float | None:
    """The length of a day in numbers of that column; None where the study does not say it."""
    statistics = definition.features.statistics
    if definition.time_unit is not None:
        return float(NANOSECONDS["d"] // NANOSECONDS[definition.time_unit])
    if statistics is not None and statistics.clock == clock_of(definition):
        return statistics.day_length
    return None


def days_of_times(times: pl.Series, day_length: float | None) -> Days | None:
    """The day of every time (R,); None if their type, or the missing length, tells no days."""
    is_number = times.dtype.is_numeric()
    if not (isinstance(times.dtype, pl.Date | pl.Datetime) or (is_number and day_length)):
        return None
    days = days_of(times, day_length if is_number else None).cast(pl.Int64, strict=False)
    number_R = numbers_of(days)
    return np.where(number_R == BEFORE_ALL, number_R, number_R.clip(-MOST_DAYS, MOST_DAYS))


def last_days_of(parts: Sequence[tuple[Columns, Days]], schema: Schema) -> list[Days]:
    """The last day of every id of a schema's vocabularies (V,), BEFORE_ALL if no row has it."""
    last = [np.full(size, BEFORE_ALL) for size in schema.vocabulary_sizes]
    for columns, day_R in parts:
        for block in blocks_of(columns.num_rows):
            for number in range(schema.num_fields):
                np.maximum.at(last[number], columns.ids_RF[block, number], day_R[block])
            start = 0
            for field in schema.lists:
                slots_RS = columns.lists_RS[block, start : start + field.length]
                np.maximum.at(last[field.field], slots_RS, day_R[block, np.newaxis])
                start += field.length
    return last


def with_last_days(
    encoding: Encoding, numbered: Sequence[str], last: Mapping[str, Days]
) -> Encoding:
    """An encoding whose vocabularies have the last day of every id (V,).

    Those that are `numbered`, of labels and gaps, have all of their ids for good, and no days.
    """

    def dated(vocabularies: Sequence[Vocabulary]) -> Iterator[Vocabulary]:
        for each in vocabularies:
            day_V = last.get(each.name)
            if each.name in numbered or day_V is None or (day_V == BEFORE_ALL).all():
                yield each
                continue
            days = pl.Series(LAST_DAY, day_V[1 : each.size])
            known = days.set(days == BEFORE_ALL, None).cast(pl.Int32)
            yield replace(each, table=each.table.with_columns(known))

    return replace(
        encoding,
        vocabularies=tuple(dated(encoding.vocabularies)),
        list_vocabularies=tuple(dated(encoding.list_vocabularies)),
    )


def stored_days(vocabulary: Vocabulary) -> Days:
    """The last day of every id that a vocabulary has stored (V,), BEFORE_ALL where it has none."""
    day_V = np.full(vocabulary.size, BEFORE_ALL)
    if LAST_DAY in vocabulary.table.columns:
        day_V[1:] = vocabulary.table[LAST_DAY].cast(pl.Int64).fill_null(BEFORE_ALL).to_numpy()
    return day_V


def with_days_of_study(
    encoder: Encoder, definition: DataDefinition, dataset: Dataset, rows: Rows
) -> Encoder:
    """The encoder with the last days of a study's rows, of the drawn ones if it has a sample."""
    clock = clock_of(definition)
    if clock is None:
        return encoder
    day_R = days_of_times(rows.frame[clock], day_length_of(definition))
    if day_R is None:
        return encoder
    is_drawn_R = np.True_ if rows.sample is None else rows.sample.is_drawn_R
    of_splits = [day_R[is_drawn_R & (rows.split_R == split)] for split in range(len(SPLITS))]
    parts = list(zip((dataset.train, dataset.valid, dataset.test), of_splits, strict=True))
    schema = dataset.full_schema
    last = dict(zip(schema.vocabularies, last_days_of(parts, schema), strict=True))
    return replace(
        encoder, encoding=with_last_days(encoder.encoding, encoder.inputs.numbered, last)
    )
