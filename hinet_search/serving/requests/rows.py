"""Rows: the rows of a request as values of the types of training, checked as `predict` checks.

Shape legend: C numeric columns, R rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.data.raw_values import as_text
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.requests.document import RequestColumns
from hinet_search.serving.requests.json_values import (
    ColumnReader,
    Value,
    nearest_float,
    number_reader,
    reader_of,
)
from hinet_search.serving.row_checks import number_problems, scenario_problems
from hinet_search.serving.tables import Types

Floats = NDArray[np.float64]


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
        are_of_one = len(set(scenarios)) == 1
        scenario = self.inputs.scenario.names[scenarios[0]] if are_of_one else None
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
        column = self.inputs.scenario.column
        columns[column] = series_of(column, values[column], self.types[column])
        return pl.DataFrame(columns).lazy()


def row_reader(encoder: Encoder) -> RowReader:
    """Return the reader of rows for an encoder; DataError for types that JSON has no values for."""
    inputs = encoder.inputs
    types = encoder.types
    readers = [
        reader_of(name, types[name]) if name in inputs.compared else number_reader(name)
        for name in inputs.columns
    ]
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
