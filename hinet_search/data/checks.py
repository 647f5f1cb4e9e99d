"""Checks: what must hold of columns, values and memory. Those of a table give problems, so that all can be told at once.

Shape legend: R rows.
"""

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.matching import listed, text_of
from hinet_search.definition import ColumnSplit, DataDefinition, TaskDefinition, TimeSplit, UserSplit
from hinet_search.errors import DataError, did_you_mean
from hinet_search.features import FeatureDefinition
from hinet_search.schema import Schema

MAX_EXAMPLES = 5
COPIES = 3  # weights and Adam's two moments
BYTES_PER_WEIGHT = 4
INTEGERS = (
    pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.UInt128,
)  # fmt: skip
TEXTS = (pl.String, pl.Categorical, pl.Enum)


def named_columns(definition: DataDefinition) -> Iterator[tuple[str, str]]:
    """Every column that a definition names, with the key that names it."""
    yield "scenario.column", definition.scenario.column
    for name, task in definition.tasks.items():
        yield f"tasks.{name}.column", task.column
    for kind in ("categorical", "numeric"):
        for column in getattr(definition.features, kind):
            yield f"features.{kind}", column
    yield from _derived_from(definition.features)
    if isinstance(definition.split, ColumnSplit):
        yield "split.column", definition.split.column
    for key in ("user", "item", "time"):
        if getattr(definition, key) is not None:
            yield key, getattr(definition, key)


def _derived_from(features: FeatureDefinition) -> Iterator[tuple[str, str]]:
    if features.statistics is not None:
        for column in dict.fromkeys(column for key in features.statistics.keys for column in key):
            yield "features.statistics.by", column
        if features.statistics.clock is not None:
            yield "features.statistics.clock", features.statistics.clock
    for name, one in features.lists.items():
        yield f"features.lists.{name}.column", one.column
    for column in features.matches.by if features.matches is not None else ():
        yield "features.matches.by", column


def column_problems(definition: DataDefinition, dtypes: Mapping[str, pl.DataType]) -> list[str]:
    """Columns that are missing or of a type that their use does not allow."""
    missing = [
        f"data.{key}: column '{column}' is not in the table{did_you_mean(column, dtypes)}"
        for key, column in named_columns(definition)
        if column not in dtypes
    ]
    present = {name: dtypes[name] for _, name in named_columns(definition) if name in dtypes}
    return [
        *missing,
        *_feature_types(definition, present),
        *_list_types(definition, present),
        *_label_types(definition, present),
        *_time_type(definition, present),
    ]


def _is_number(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype == pl.Boolean


def _feature_types(definition: DataDefinition, dtypes: Mapping[str, pl.DataType]) -> list[str]:
    wrong = [
        f"data.features.numeric: column '{name}' must hold numbers, got {dtypes[name]}; list it under categorical"
        for name in definition.features.numeric
        if name in dtypes and not _is_number(dtypes[name])
    ]
    lists = {one.column for one in definition.features.lists.values()}
    nested = [
        f"data.{key}: column '{name}' must hold one value a row, got {dtypes[name]}"
        for key, name in named_columns(definition)
        if key.startswith("features.") and not key.startswith("features.lists.") and key != "features.numeric"
        if name in dtypes and (dtypes[name].is_nested() or name in lists)
    ]
    return [*wrong, *nested]


def _list_types(definition: DataDefinition, dtypes: Mapping[str, pl.DataType]) -> list[str]:
    """Columns of lists that hold no lists, or whose entries cannot be values of the item's column."""
    problems = []
    for name, one in definition.features.lists.items():
        if one.column not in dtypes or one.item not in dtypes:
            continue
        dtype, item = dtypes[one.column], dtypes[one.item]
        where = f"data.features.lists.{name}: column '{one.column}' must hold"
        if not is_list_of(dtype, *INTEGERS, *TEXTS, pl.Null):
            remedy = "write the table as Parquet with a column of lists"
            problems.append(f"{where} lists of whole numbers or texts, got {dtype}; {remedy}")
        elif not (
            is_list_of(dtype, pl.Null) or any(is_list_of(dtype, *kind) and item in kind for kind in (INTEGERS, TEXTS))
        ):
            problems.append(f"{where} values of '{one.item}', which is {item}, got {dtype}; cast one as the other")
    return problems


def is_list_of(dtype: pl.DataType, *kinds: type[pl.DataType]) -> bool:
    """Whether a column holds lists of one of the kinds."""
    return isinstance(dtype, pl.List) and isinstance(dtype.inner, kinds)


def _label_types(definition: DataDefinition, dtypes: Mapping[str, pl.DataType]) -> list[str]:
    return [
        f"data.tasks.{name}: column '{task.column}' must hold numbers, got {dtypes[task.column]}; "
        "say with 'equals' which value is a 1"
        for name, task in definition.tasks.items()
        if task.equals is None and task.column in dtypes and not _is_number(dtypes[task.column])
    ]


def _time_type(definition: DataDefinition, dtypes: Mapping[str, pl.DataType]) -> list[str]:
    split, column = definition.split, definition.time
    if not isinstance(split, TimeSplit) or column is None or column not in dtypes:
        return []
    dtype, cut = dtypes[column], split.valid_from
    if not (dtype.is_numeric() or isinstance(dtype, pl.Date | pl.Datetime)):
        remedy = "cast it to a date, or write it as numbers"
        return [f"data.time: column '{column}' must hold numbers, dates or datetimes, got {dtype}; {remedy}"]
    if dtype.is_numeric() == isinstance(cut, str):
        kind = "a number" if dtype.is_numeric() else "a date"
        return [f"data.split.valid_from: must be {kind} as column '{column}' is, got {cut}"]
    zoned = any(isinstance(at, str) and datetime.fromisoformat(at).tzinfo for at in (cut, split.test_from))
    if zoned and getattr(dtype, "time_zone", None) is None:
        return [f"data.split: column '{column}' has no time zone, so the cut points must have no offset"]
    return []


def scenario_problems(definition: DataDefinition, found: list[str]) -> list[str]:
    """Scenario values that do not occur; `found` are the values of the column as text."""
    if not found:
        return [f"data.scenario: column '{definition.scenario.column}' has no value in any row"]
    values = definition.scenario.values
    if values is None:
        few = len(found) <= 1000
        advice = "list those that count under 'values'"
        return [] if few else [f"data.scenario: must have at most 1,000 scenarios, got {len(found):,}; {advice}"]
    absent = [text_of(value) for value in values if text_of(value) not in found]
    column = f"column '{definition.scenario.column}', which holds {listed(found)}"
    if len(absent) == len(values):
        return [f"data.scenario.values: none occurs in {column}"]
    return [
        f"data.scenario.values: '{value}' occurs in no row of {column}{did_you_mean(value, found)}" for value in absent
    ]


def value_problems(definition: DataDefinition, frame: pl.DataFrame, row_R: NDArray[np.uint64]) -> list[str]:
    """Values that are not finite, labels outside {0, 1}, and users or times that a split needs but are missing."""
    problems = []
    if definition.not_finite == "refuse":
        for name in definition.features.numeric:
            problems += _not_finite_problem(frame[name], row_R)
    for name, task in definition.tasks.items():
        problems += _label_problem(name, task, frame[task.column])
    needed = {TimeSplit: definition.time, UserSplit: definition.user}.get(type(definition.split))
    if needed is not None and (count := int((frame[needed].is_null() | not_finite(frame[needed])).sum())):
        problems.append(f"data.split: column '{needed}' must have a value in every row, got {count:,} without")
    return problems


def not_finite(values: pl.Series) -> pl.Series:
    """Whether each value is NaN or infinite; null is neither."""
    if not values.dtype.is_float():
        return pl.repeat(False, len(values), dtype=pl.Boolean, eager=True)
    return (~values.is_finite()).fill_null(value=False)


def _not_finite_problem(values: pl.Series, row_R: NDArray[np.uint64]) -> list[str]:
    wrong_R = not_finite(values).to_numpy()
    if not wrong_R.any():
        return []
    first = ", ".join(f"{row:,}" for row in row_R[wrong_R][:MAX_EXAMPLES])
    got = f"NaN or infinity in {rows_in_words(int(wrong_R.sum()))} (first in row {first})"
    remedy = "set not_finite: impute or drop"
    return [f"data.features.numeric: column '{values.name}' must be finite, got {got}; {remedy}"]


def rows_in_words(count: int) -> str:
    """`1 row`, `2,571 rows`."""
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _label_problem(name: str, task: TaskDefinition, values: pl.Series) -> list[str]:
    if task.equals is not None:
        return []
    where = f"data.tasks.{name}: column '{task.column}'"
    if task.above is not None or task.at_least is not None:
        count = int((values.is_null() | not_finite(values)).sum())
        return [f"{where} must have a finite value in every row, got {count:,} without"] if count else []
    wrong = values.filter(~values.cast(pl.Float64).is_in([0.0, 1.0]).fill_null(value=False))
    if wrong.is_empty():
        return []
    counts = wrong.value_counts(sort=True).head(MAX_EXAMPLES).rows()
    shown = ", ".join(f"{'null' if value is None else value} ({rows_in_words(count)})" for value, count in counts)
    remedy = "say with 'equals', 'above' or 'at_least' which values are a 1"
    return [f"{where} must hold 0 and 1 only, got {shown}; {remedy}"]


def check_model_fits(where: str, num_parameters: int, schema: Schema, available_bytes: int | None = None) -> None:
    """DataError when parameters with Adam's moments need more bytes than are available (default: this machine's)."""
    available = available_memory() if available_bytes is None else available_bytes
    needed = num_parameters * BYTES_PER_WEIGHT * COPIES
    if needed > available:
        size, column = max(zip(schema.vocabulary_sizes, schema.categorical, strict=True), default=(0, ""))
        raise DataError(
            f"{where}: {num_parameters:,} parameters of the default configuration with Adam must fit into "
            f"{available / 2**30:.1f} GiB of memory, got {needed / 2**30:.1f} GiB",
            remedy=f"raise minimum_frequency (column '{column}' has {size:,} ids) or lower embedding_dim"
            if column
            else "make the default of its space smaller",
        )


def available_memory() -> int:
    """Bytes of memory that a process may still take: what Linux says, elsewhere all that the machine has."""
    facts = Path("/proc/meminfo")
    if facts.is_file():
        lines = dict(line.split(":", 1) for line in facts.read_text(encoding="ascii").splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
