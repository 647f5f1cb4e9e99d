"""Rows: the rows of a request as values of the types of training, checked as `predict` checks.

JSON has no dates, and clients write large ids as text: a text is read as a value of the column's
type, as from a CSV file. Nothing else is converted but whole numbers, which are text where training
had text. Numbers and datetimes get the precision of the column.
Shape legend: C numeric columns, R rows.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from math import inf

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.data.checks import INTEGERS, TEXTS
from hinet_search.data.numbers import rows_and_first
from hinet_search.data.raw_values import as_text
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.requests.document import RequestColumns, Value
from hinet_search.serving.row_checks import number_problems, scenario_problems
from hinet_search.serving.tables import Types, in_words, inner_type
from hinet_search.study.data_definition import ONLY
from hinet_search.study.validation_messages import in_words as value_in_words

Floats = NDArray[np.float64]
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
        if not wrong:
            return converted, ""
        got = f"{value_in_words(values[wrong[0]])} in {rows_and_first(len(wrong), wrong)}"
        return converted, f"column '{self.name}' must hold {self.wanted}, got {got}"


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


@dataclass(frozen=True)
class RequestRows:
    """Rows that passed the checks.

    `values` has the values of every column; `number_CR` those of the numeric columns, NaN where
    missing; `scenario_R` the number of each row's scenario; `scenario` the name of that of all
    rows, None if there are several or no rows.
    """

    values: Mapping[str, Sequence[Value]]
    number_CR: Floats
    scenario_R: NDArray[np.int16]
    scenario: str | None

    @property
    def num_rows(self) -> int:
        """The number of rows, R."""
        return len(self.scenario_R)


@dataclass(frozen=True)
class RowReader:
    """Reads the columns of a request for a model; `types` are those of its columns."""

    inputs: Inputs
    types: Types
    readers: tuple[ColumnReader, ...]

    @cached_property
    def scenario_numbers(self) -> Mapping[str, int]:
        """The number of the scenario of every value of the scenario column, as text."""
        names = self.inputs.scenario.names
        return {text: names.index(name) for text, name in self.inputs.scenario.values.items()}

    @cached_property
    def limits(self) -> Floats:
        """The lowest and the highest admitted number of every numeric column (2, C, 1)."""
        limits = dict.fromkeys(self.inputs.numeric, (-np.inf, np.inf))
        for scale in self.inputs.scales:
            if scale.column in limits and not scale.clip:
                limits[scale.column] = scale.limits
        pairs_C2 = np.array(list(limits.values()), dtype=np.float64).reshape(-1, 2)
        return pairs_C2.T[:, :, np.newaxis]

    def read(self, columns: RequestColumns) -> RequestRows:
        """Return the rows of a request; DataError with every problem, also those of `columns`."""
        values: dict[str, Sequence[Value]] = {}
        misread: dict[str, str] = {}
        nothing = [None] * columns.num_rows
        for reader in self.readers:
            values[reader.name], problem = reader.read(columns.values.get(reader.name, nothing))
            if problem:
                misread[reader.name] = problem
        column = self.inputs.scenario.column
        number_CR = _numbers(values, self.inputs.numeric, columns.num_rows)
        texts: Sequence[str | None] = [ONLY] * columns.num_rows
        if self.inputs.scenario.columns:
            texts = texts_of(values[column], self.types[column])
        problems = [*columns.problems, *misread.values()]
        has_scenarios = column in columns.values and column not in misread
        if has_scenarios and not self.scenario_numbers.keys() >= set(texts):
            problems += scenario_problems(self.inputs.scenario, self._frame(values, number_CR))
        if not self._are_usable(values, number_CR):
            problems += number_problems(self.inputs, self._frame(values, number_CR))
        if problems:
            raise DataError(*problems)
        scenarios = [self.scenario_numbers[text] for text in texts if text is not None]
        scenario = None
        if len(set(scenarios)) == 1:
            scenario = self.inputs.scenario.names[scenarios[0]]
        return RequestRows(values, number_CR, np.array(scenarios, dtype=np.int16), scenario)

    def _are_usable(self, values: Mapping[str, Sequence[Value]], number_CR: Floats) -> bool:
        """Whether all numbers are plainly admitted; of others `number_problems` decides."""
        low_C1, high_C1 = self.limits
        if ((number_CR < low_C1) | (number_CR > high_C1)).any():
            return False
        if self.inputs.not_finite == "impute":
            return True
        num_missing = sum(values[name].count(None) for name in self.inputs.numeric)
        return bool((~np.isfinite(number_CR)).sum() == num_missing)

    def _frame(self, values: Mapping[str, Sequence[Value]], number_CR: Floats) -> pl.LazyFrame:
        """The columns whose values are checked, as `predict` has them."""
        columns = {}
        for name, number_R in zip(self.inputs.numeric, number_CR, strict=True):
            is_missing = pl.Series([value is None for value in values[name]], dtype=pl.Boolean)
            columns[name] = pl.Series(name, number_R).set(is_missing, None)
        for column in self.inputs.scenario.columns:
            columns[column] = series_of(column, values[column], self.types[column])
        return pl.DataFrame(columns).lazy()


def row_reader(encoder: Encoder) -> RowReader:
    """Return the reader of rows for an encoder; DataError for types that JSON has no values for."""
    inputs = encoder.inputs
    types = encoder.types
    readers = []
    for name in inputs.columns:
        is_compared = name in inputs.compared
        readers.append(reader_of(name, types[name]) if is_compared else number_reader(name))
    return RowReader(inputs, types, tuple(readers))


def texts_of(values: Sequence[Value], dtype: pl.DataType) -> Sequence[str | None]:
    """Return values as the texts that a definition compares them with."""
    if dtype == pl.String:
        return values
    return as_text(series_of("", values, dtype)).to_list()


def series_of(name: str, values: Sequence[Value], dtype: pl.DataType) -> pl.Series:
    """Return values as a Series of the type; null for a value that does not fit."""
    if isinstance(dtype, pl.Datetime):
        moments = pl.Series(name, values, dtype=pl.Datetime("us", dtype.time_zone))
        return moments.cast(dtype, strict=False)
    return pl.Series(name, values, dtype=dtype, strict=False)


def _numbers(values: Mapping[str, Sequence[Value]], names: Sequence[str], num_rows: int) -> Floats:
    """Numbers (C, R), NaN where missing."""
    columns = [values[name] for name in names]
    try:
        number_CR = np.array(columns, dtype=np.float64)
    except OverflowError:
        number_CR = np.array([list(map(_as_float, column)) for column in columns])
    return number_CR.reshape(len(names), num_rows)


def _as_float(value: Value) -> float:
    return float("nan") if value is None else nearest_float(value)
