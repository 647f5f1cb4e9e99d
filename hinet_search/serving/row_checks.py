"""Row checks: columns and values of new rows that an exported model cannot score.

Columns of other types are cast to the types of training where no value changes its meaning.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from hinet_search.common.errors import DataError, did_you_mean, shortened
from hinet_search.data.checks import INTEGERS
from hinet_search.data.mapped import collect_to_mapped_file
from hinet_search.data.numbers import (
    LARGEST,
    MAX_EXAMPLES,
    Range,
    farthest,
    parsed,
    rows_and_first,
    rows_in_words,
    text_columns,
    wrong_texts,
)
from hinet_search.data.raw_values import as_text, listed
from hinet_search.data.reading import NUM_ROWS, OWN, ROW_NUMBER, reading
from hinet_search.serving.inputs import Inputs, ScenarioInput
from hinet_search.serving.tables import Types, in_words, kind, plain, widened

KEY = f"{OWN}key "  # prefix of the name of a column that is copied unchanged


def checked_rows(
    inputs: Inputs,
    types: Types,
    lazy: pl.LazyFrame,
    path: str,
    keys: Sequence[str] = (),
    folder: Path | None = None,
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Check all rows; return their keys and inputs, and the number of values that do not fit.

    The rows are mapped from a file in `folder`, if one is given. DataError holds every problem of
    the rows.
    """
    refuse(path, column_problems(inputs, types, lazy.collect_schema()))
    copies = [pl.col(name).alias(f"{KEY}{name}") for name in keys]
    with reading(path):
        refuse(path, text_problems(inputs, lazy))
        rows = cast_rows(inputs, lazy.select(*inputs.columns, *copies), types)
        frame = rows.collect() if folder is None else collect_to_mapped_file(rows, folder)
        unfit = count_unfit(inputs, lazy, types)
    rows = frame.lazy()
    refuse(path, [*scenario_problems(inputs.scenario, rows), *number_problems(inputs, rows)])
    return frame, unfit


def cast_rows(inputs: Inputs, rows: pl.LazyFrame, types: Types) -> pl.LazyFrame:
    """Cast the columns of `types` to these types; they must be of the same kinds.

    A value that does not fit becomes null, like a value that no training row has. On the clock of
    statistics it becomes the nearest end of the type, which is before or after all days. Numbers
    may be text.
    """
    clock = inputs.clock
    casts = {name: pl.col(name).cast(dtype, strict=False) for name, dtype in types.items()}
    if clock is not None:
        casts[clock] = _to_nearest_end(clock, types[clock])
    for name in numbers_as_text(inputs, rows.collect_schema()):
        casts[name] = parsed(name)
    return rows.with_columns(**casts)


def numbers_as_text(inputs: Inputs, row_types: Types) -> list[str]:
    """Numeric columns, and of no other use, that new rows have as text."""
    columns = text_columns(inputs.numeric, row_types)
    return [name for name in columns if name not in inputs.compared]


def _to_nearest_end(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    cast = column.cast(dtype, strict=False)
    if dtype not in INTEGERS and not isinstance(dtype, pl.Datetime):
        return cast
    limits = np.iinfo(np.uint64 if dtype == pl.UInt64 else np.int64)
    is_positive = column.to_physical() > 0
    end = pl.when(is_positive).then(pl.lit(limits.max)).otherwise(pl.lit(limits.min)).cast(dtype)
    does_not_fit = cast.is_null() & column.is_not_null()
    return pl.when(does_not_fit).then(end).otherwise(cast)


def count_unfit(inputs: Inputs, rows: pl.LazyFrame, types: Types) -> dict[str, int]:
    """The number of rows with a value that does not fit the type, by categorical column.

    Columns where every value fits by its type are left out.
    """
    row_types = rows.collect_schema()
    counts = []
    for name in inputs.categorical:
        if row_types[name] in INTEGERS and widened(row_types[name]) != types[name]:
            cast = pl.col(name).cast(types[name], strict=False)
            counts.append((pl.col(name).is_not_null() & cast.is_null()).sum())
    if not counts:
        return {}
    return rows.select(counts).collect(engine="streaming").row(0, named=True)


def raw_types(inputs: Inputs, source_types: Types) -> dict[str, pl.DataType]:
    """The types of new rows: as in the study's table, with float64, and text for categories."""
    types: dict[str, pl.DataType] = dict.fromkeys(inputs.columns, pl.Float64())
    return types | {name: plain(source_types[name]) for name in inputs.compared}


def column_problems(inputs: Inputs, types: Types, row_types: Types) -> list[str]:
    """Columns that new rows lack, or have in another kind of type than the study's table."""
    missing = [name for name in inputs.columns if name not in row_types]
    problems = [
        f"column '{name}' is not in the rows{did_you_mean(name, row_types)}" for name in missing
    ]
    for name in inputs.columns:
        second = f"{name}_duplicated_0"  # as Polars reads a column that a CSV file has twice
        if second in row_types and second not in inputs.columns:
            problems.append(f"column '{name}' is in the rows twice; leave one")
    for name in _wrong_kinds(inputs, types, row_types):
        wanted = f"{in_words(types[name])} as in training"
        problems.append(f"column '{name}' must hold {wanted}, got {row_types[name]}; cast it")
    problems += [
        f"column '{name}' must hold numbers, got {row_types[name]}; cast it"
        for name in _no_numbers(inputs, row_types)
    ]
    wide = [name for name in inputs.keys if row_types.get(name) in (pl.Int128, pl.UInt128)]
    problems += [
        f"column '{name}' is copied beside the scores and must hold numbers of at most 64 bits, "
        f"got {row_types[name]}; cast it"
        for name in wide
    ]
    return problems


def misread_columns(inputs: Inputs, types: Types, row_types: Types) -> dict[str, pl.DataType]:
    """Columns of CSV files whose type was inferred wrongly, with their right types.

    Empty columns and texts of digits are such.
    """
    misread = {}
    for name in (*_wrong_kinds(inputs, types, row_types), *_no_numbers(inputs, row_types)):
        dtype = types[name]
        # A datetime with a time zone needs an offset, and a text is no list.
        is_local_datetime = isinstance(dtype, pl.Datetime) and dtype.time_zone is None
        is_read = dtype.is_numeric() or dtype in (pl.String, pl.Boolean, pl.Date)
        if is_read or is_local_datetime:
            misread[name] = dtype
    return misread


def _wrong_kinds(inputs: Inputs, types: Types, row_types: Types) -> list[str]:
    """Compared columns that have another kind of type than in training."""
    wrong = []
    for name in inputs.compared:
        dtype = row_types.get(name, pl.Null())
        if dtype != pl.Null and kind(plain(dtype)) != kind(types[name]):
            wrong.append(name)
    return wrong


def _no_numbers(inputs: Inputs, row_types: Types) -> list[str]:
    """Numeric columns that hold neither numbers nor texts, which may be numbers."""
    wrong = []
    texts = numbers_as_text(inputs, row_types)
    for name in inputs.numeric:
        dtype = row_types.get(name, pl.Null())
        if not dtype.is_numeric() and dtype not in (pl.Boolean, pl.Null) and name not in texts:
            wrong.append(name)
    return wrong


def refuse(path: str, problems: list[str], remedy: str = "") -> None:
    """DataError with the problems of the rows at `path`, if there are any."""
    if problems:
        raise DataError(*(f"{path}: {problem}" for problem in problems), remedy=remedy)


def text_problems(inputs: Inputs, rows: pl.LazyFrame) -> list[str]:
    """Texts that must be numbers and are none; one pass over the rows if any column is text."""
    columns = numbers_as_text(inputs, rows.collect_schema())
    return [
        f"column '{texts.column}' must hold numbers, {texts.in_words}; "
        "write nothing where a value is missing"
        for texts in wrong_texts(rows.with_row_index(ROW_NUMBER), columns)
    ]


def scenario_problems(scenario: ScenarioInput, rows: pl.LazyFrame) -> list[str]:
    """Scenarios that the model does not have, with the number of their rows and the first."""
    if not scenario.columns:
        return []
    counts = (
        rows.with_row_index(ROW_NUMBER)
        .group_by(scenario.column)
        .agg(pl.len().alias(NUM_ROWS), pl.col(ROW_NUMBER).min())
        .sort(NUM_ROWS, ROW_NUMBER, descending=[True, False])
    )
    table = counts.collect(engine="streaming")
    texts = as_text(table[scenario.column])
    got = []
    for text, num_rows, first in zip(texts, table[NUM_ROWS], table[ROW_NUMBER], strict=True):
        if text not in scenario.values:
            value = "nothing" if text is None else shortened(repr(text))
            got.append(f"{value} ({rows_in_words(num_rows)}, first in row {first:,})")
    if not got:
        return []
    known = listed([repr(value) for value in scenario.values])
    problem = f"column '{scenario.column}' must hold scenarios of the model, {known}"
    return [f"{problem}, got {listed(got)}; leave other rows out"]


def number_problems(inputs: Inputs, rows: pl.LazyFrame) -> list[str]:
    """Values that are refused as not finite, and values too far from the training rows."""
    not_finite = {}
    if inputs.not_finite == "refuse":
        for name in inputs.numeric:
            is_finite = pl.col(name).cast(pl.Float64).is_finite()
            not_finite[name] = ~is_finite.fill_null(value=True)
    limits = {}
    outside = {}
    for scale in inputs.scales:
        if scale.column in inputs.numeric and not scale.clip:
            limits[scale.column] = scale.limits
            outside[scale.column] = _is_outside(scale.column, scale.limits, inputs)
    problems = [
        f"column '{name}' must be finite, got NaN or infinity in {which}; "
        "write null for what is missing"
        for name, which in _rows_where(not_finite, rows)
    ]
    for name, which in _rows_where(outside, rows):
        low, high = limits[name]
        values = rows.filter(outside[name]).select(name).collect(engine="streaming")
        value = farthest(values[name])
        problems.append(
            f"column '{name}' must lie between {low:.2g} and {high:.2g}, got {value:.6g} in "
            f"{which}; write null for what is missing"
        )
    return problems


def _is_outside(name: str, limits: Range, inputs: Inputs) -> pl.Expr:
    """Whether a value is finite and outside limits; one beyond LARGEST is imputed like infinity."""
    value = pl.col(name).cast(pl.Float64)
    end = LARGEST if inputs.not_finite == "impute" else float("inf")
    outside = (value < limits[0]) | (value > limits[1])
    return (outside & value.is_finite() & (value.abs() <= end)).fill_null(value=False)


def _rows_where(conditions: Mapping[str, pl.Expr], rows: pl.LazyFrame) -> Iterator[tuple[str, str]]:
    """(column, count and first rows) for every column whose condition holds in some row."""
    if not conditions:
        return
    counts = rows.select(condition.sum().alias(name) for name, condition in conditions.items())
    for name, count in counts.collect(engine="streaming").row(0, named=True).items():
        if count:
            first = rows.select(conditions[name].arg_true().head(MAX_EXAMPLES).alias("row"))
            numbers = first.collect(engine="streaming")["row"].to_list()
            yield name, rows_and_first(count, numbers)
