"""JSON values: read a column of a request as values of its type in training, as from a CSV file.

JSON has no dates, and clients write large ids as text: a text is read as a value of the column's
type. Nothing else is converted but whole numbers, which are text where training had text. Numbers
and datetimes get the precision of the column.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import inf
from typing import Any

import numpy as np
import polars as pl

from hinet_search.common.errors import DataError
from hinet_search.data.checks import INTEGERS, TEXTS
from hinet_search.data.numbers import rows_and_first
from hinet_search.serving.tables import in_words, inner_type
from hinet_search.study.validation_messages import in_words as value_in_words

Value = Any  # of JSON, or read from it; None where a value is missing
Convert = Callable[[Value], Value]  # ValueError for a value that is not of the type

MISSING = type(None)
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")
_NUMBER = re.compile(
    r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf(inity)?|nan)", re.IGNORECASE
)


@dataclass(frozen=True)
class ColumnReader:
    """Reads one column: values of the Python types `plain` are kept, others converted.

    `wanted` says what the column must hold.
    """

    name: str
    wanted: str
    plain: frozenset[type]
    convert: Convert

    def read(self, values: Sequence[Value]) -> tuple[Sequence[Value], str]:
        """Return the values in the column's type, and the problem of those that are not, or ''.

        A value with a problem counts as missing.
        """
        if self.plain.issuperset(map(type, values)):
            return values, ""
        converted: list[Value] = []
        wrong: list[int] = []
        for row, value in enumerate(values):
            try:
                converted.append(value if type(value) in self.plain else self.convert(value))
            except ValueError:
                converted.append(None)
                wrong.append(row)
        return converted, self._problem(values, wrong) if wrong else ""

    def _problem(self, values: Sequence[Value], wrong: Sequence[int]) -> str:
        return (
            f"column '{self.name}' must hold {self.wanted}, got {value_in_words(values[wrong[0]])} "
            f"in {rows_and_first(len(wrong), wrong)}"
        )


def number_reader(name: str) -> ColumnReader:
    """Return the reader of a numeric column; a blank text is a missing number."""
    return ColumnReader(name, "numbers", frozenset({int, float, bool, MISSING}), _number_or_blank)


def reader_of(name: str, dtype: pl.DataType) -> ColumnReader:
    """Return the reader of a column whose values are compared with those of training.

    DataError for a type that JSON has no values for.
    """
    if isinstance(dtype, pl.List):
        entries = reader_of(name, inner_type(dtype))
        wanted = f"{in_words(dtype)} as in training"
        return ColumnReader(name, wanted, frozenset({MISSING}), _list_of(entries))
    if isinstance(dtype, pl.Datetime):
        has_zone = dtype.time_zone is not None
        offset, example = ("with", "2026-05-01T12:00:00Z") if has_zone else ("without", "...T12:00")
        wanted = f"datetimes as ISO texts {offset} an offset ({example})"
        return ColumnReader(name, wanted, frozenset({MISSING}), _datetime(dtype))
    for dtypes, plain, convert in _SCALARS:
        if dtype in dtypes:
            wanted = _WANTED.get(convert, f"{in_words(dtype)} as in training")
            return ColumnReader(name, wanted, frozenset({*plain, MISSING}), convert)
    raise DataError(
        f"column '{name}' holds {dtype} in training, and JSON has no such values",
        remedy="score tables with hinet-search predict, or export a model without the column",
    )


def text_parser(dtype: pl.DataType) -> Callable[[str], Value]:
    """Return what reads an entry of a text with separators; None for one of another type."""
    reader = reader_of("", dtype)

    def parse(text: str) -> Value:
        return reader.read([text])[0][0]

    return parse


def nearest_float(value: float) -> float:
    """Return a number as a float; infinity for a whole number beyond the largest float."""
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def _whole(value: Value) -> int:
    return int(_text(value, _WHOLE))


def _number(value: Value) -> float:
    return nearest_float(value) if type(value) is int else float(_text(value, _NUMBER))


def _single(value: Value) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(value if type(value) is float else _number(value)))


def _number_or_blank(value: Value) -> float | None:
    if isinstance(value, str):
        value = value.strip()
    return None if value == "" else float(_text(value, _NUMBER))


def _digits(value: Value) -> str:
    if type(value) is int:
        return str(value)
    raise ValueError(value)


def _boolean(value: Value) -> bool:
    if isinstance(value, str) and value in _BOOLEANS:
        return _BOOLEANS[value]
    raise ValueError(value)


def _date(value: Value) -> date:
    return date.fromisoformat(_text(value))


def _datetime(dtype: pl.Datetime) -> Convert:
    has_zone = dtype.time_zone is not None
    step = 1_000 if dtype.time_unit == "ms" else 1  # microseconds

    def convert(value: Value) -> datetime:
        moment = datetime.fromisoformat(_text(value))
        if (moment.tzinfo is not None) != has_zone:
            raise ValueError(value)
        return moment.replace(microsecond=moment.microsecond // step * step)

    return convert


def _list_of(entries: ColumnReader) -> Convert:
    def convert(value: Value) -> Sequence[Value]:
        if not isinstance(value, list):
            raise ValueError(value)  # noqa: TRY004  every value of another kind is a ValueError
        converted, problem = entries.read(value)
        if problem:
            raise ValueError(problem)
        return converted

    return convert


def _text(value: Value, pattern: re.Pattern[str] | None = None) -> str:
    if isinstance(value, str) and (pattern is None or pattern.fullmatch(value)):
        return value
    raise ValueError(value)


def _nothing(value: Value) -> Value:
    """Of a column that had no values in training, any value is unknown."""
    return str(value)


_BOOLEANS: Mapping[str, bool] = {"true": True, "false": False}
_SCALARS: tuple[tuple[tuple[type[pl.DataType], ...], tuple[type, ...], Convert], ...] = (
    (INTEGERS, (int,), _whole),
    (TEXTS, (str,), _digits),
    ((pl.Float32,), (), _single),
    ((pl.Float64,), (float,), _number),
    ((pl.Boolean,), (bool,), _boolean),
    ((pl.Date,), (), _date),
    ((pl.Null,), (str,), _nothing),
)
_WANTED: Mapping[Convert, str] = {
    _number: "numbers as in training",
    _single: "numbers as in training",
    _boolean: "true or false as in training",
    _date: "dates as ISO texts (2026-05-01)",
}
