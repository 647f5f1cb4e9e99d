"""Row columns: whether new rows have the columns that a model reads, and their types there.

Columns of other types are cast to those of training where no value changes its meaning.
"""

from collections.abc import Collection, Iterable

import numpy as np
import polars as pl

from hinet_search.common.errors import did_you_mean
from hinet_search.data.checks import INTEGERS
from hinet_search.data.text_numbers import parsed, text_columns
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.tables import Types, in_words, kind, plain, widened


def cast_rows(inputs: Inputs, rows: pl.LazyFrame, types: Types) -> pl.LazyFrame:
    """Cast the columns of `types` to these types; they must be of the same kinds.

    A value that does not fit becomes null, like a value that no training row has. On the clock of
    statistics it becomes the nearest end of the type, which is before or after all days. Numbers
    may be text.
    """
    clock = inputs.statistics.clock if inputs.statistics is not None else None
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


def limits_of(dtype: pl.DataType) -> tuple[int, int] | None:
    """The least and the largest value of a type of whole numbers."""
    if dtype not in INTEGERS:
        return None
    limits = np.iinfo(np.uint64 if dtype == pl.UInt64 else np.int64)
    return limits.min, limits.max


def _to_nearest_end(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    cast = column.cast(dtype, strict=False)
    limits = limits_of(pl.Int64() if isinstance(dtype, pl.Datetime) else dtype)
    if limits is None:
        return cast
    lowest, highest = limits
    is_positive = column.to_physical() > 0
    end = pl.when(is_positive).then(pl.lit(highest)).otherwise(pl.lit(lowest)).cast(dtype)
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
    """The types of new rows: those of the study's table, with float64 and text for categories."""
    return {
        name: plain(source_types[name]) if name in inputs.compared else pl.Float64()
        for name in inputs.columns
    }


def column_problems(inputs: Inputs, types: Types, row_types: Types) -> list[str]:
    """Columns that new rows lack, or have in another kind of type than the study's table."""
    missing = missing_columns(inputs.columns, row_types)
    twice = [
        f"column '{name}' is in the rows twice; leave one"
        for name in _read_twice(inputs.columns, row_types)
    ]
    wrong = [
        f"column '{name}' must hold {in_words(types[name])} as in training, "
        f"got {row_types[name]}; cast it"
        for name in _wrong_kinds(inputs, types, row_types)
    ]
    no_number = [
        f"column '{name}' must hold numbers, got {row_types[name]}; cast it"
        for name in _no_numbers(inputs, row_types)
    ]
    too_wide = [
        f"column '{name}' is copied beside the scores and must hold numbers of at most 64 bits, "
        f"got {row_types[name]}; cast it"
        for name in inputs.keys
        if row_types.get(name) in (pl.Int128, pl.UInt128)
    ]
    return [*missing, *twice, *wrong, *no_number, *too_wide]


def missing_columns(wanted: Iterable[str], names: Collection[str]) -> list[str]:
    """Columns that are wanted and not among the names of those of new rows."""
    return [
        f"column '{name}' is not in the rows{did_you_mean(name, names)}"
        for name in wanted
        if name not in names
    ]


def _read_twice(wanted: Collection[str], names: Collection[str]) -> list[str]:
    """Columns that a CSV file has twice, of which the model reads one.

    Polars reads the second one as `NAME_duplicated_0`.
    """
    seconds = {name: f"{name}_duplicated_0" for name in wanted}
    return [name for name, second in seconds.items() if second in names and second not in wanted]


def misread_columns(inputs: Inputs, types: Types, row_types: Types) -> dict[str, pl.DataType]:
    """Columns of CSV files whose type was inferred wrongly, with their right types.

    Empty columns and texts of digits are such.
    """
    wrong = (*_wrong_kinds(inputs, types, row_types), *_no_numbers(inputs, row_types))
    return {name: types[name] for name in wrong if _can_be_parsed(types[name])}


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


def _can_be_parsed(dtype: pl.DataType) -> bool:
    """Whether a text means exactly one value of the type.

    A datetime with a time zone needs an offset, and a text is no list.
    """
    is_local_datetime = isinstance(dtype, pl.Datetime) and dtype.time_zone is None
    return dtype.is_numeric() or dtype in (pl.String, pl.Boolean, pl.Date) or is_local_datetime
