"""Checks: what must hold of columns and values; and how much memory is free.

Checks of a table return their problems as messages, so that all can be reported at once.
Shape legend: R rows, T tasks, M scenarios.
"""

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain, product
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import ComputeError

from hinet_search.common.errors import did_you_mean
from hinet_search.data.labels import (
    has_label,
    is_number,
    label_problems,
    label_types,
    num_without_value,
    weight_problems,
    weight_type_problems,
    where_labelled,
)
from hinet_search.data.numbers import number_problems
from hinet_search.data.raw_values import TEXTS, as_text, cut_literal, listed, text_of
from hinet_search.data.times import event_type_problems, event_value_problem
from hinet_search.study.data_definition import (
    EVERY_ROW,
    ColumnSplit,
    DataDefinition,
    TimeSplit,
    UserSplit,
)
from hinet_search.study.feature_definition import FeatureDefinition, ListDefinition
from hinet_search.study.statistics_definition import HOUR
from hinet_search.study.task_definition import TaskDefinition

MAX_DECIMAL_DIGITS = 38
MAX_SCENARIOS = 1000
SIGNED = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128)
UNSIGNED = (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.UInt128)
INTEGERS = (*SIGNED, *UNSIGNED)


def named_columns(definition: DataDefinition) -> Iterator[tuple[str, str]]:
    """Every column that a definition names, as (key in the definition, column)."""
    yield "scenario.column", definition.scenario.column
    for name, task in definition.tasks.items():
        yield f"tasks.{name}.column", task.column
    for kind in ("categorical", "numeric"):
        for column in getattr(definition.features, kind):
            yield f"features.{kind}", column
    yield from _columns_of_derived(definition.features)
    for name, list_ in definition.features.lists.items():
        yield f"features.lists.{name}.column", list_.column
    if definition.features.matches is not None:
        for column in definition.features.matches.by:
            yield "features.matches.by", column
    if isinstance(definition.split, ColumnSplit):
        yield "split.column", definition.split.column
    yield from product(["rank.group"], definition.group_columns)
    for key in ("user", "item", "time", "weight"):
        if getattr(definition, key) is not None:
            yield key, getattr(definition, key)


def _columns_of_derived(features: FeatureDefinition) -> Iterator[tuple[str, str]]:
    if features.statistics is not None:
        for column in dict.fromkeys(chain.from_iterable(features.statistics.keys)):
            yield "features.statistics.by", column
        if features.statistics.clock is not None:
            yield "features.statistics.clock", features.statistics.clock
    if features.events is not None:
        for column in dict.fromkeys(chain.from_iterable(features.events.keys)):
            yield "features.events.by", column
    for name, sequence in features.sequences.items():
        for column in sequence.key:
            yield f"features.sequences.{name}.of", column


def column_problems(definition: DataDefinition, dtypes: Mapping[str, pl.DataType]) -> list[str]:
    """Problems of columns that are missing or whose type does not allow their use."""
    present: dict[str, pl.DataType] = {}
    missing = []
    for key, column in named_columns(definition):
        if column in dtypes:
            present[column] = dtypes[column]
        elif column != EVERY_ROW:
            hint = did_you_mean(column, dtypes)
            missing.append(f"data.{key}: column '{column}' is not in the table{hint}")
    return [
        *missing,
        *_number_types(definition, present),
        *_single_values(definition, present),
        *_long_decimals(definition, present),
        *_list_types(definition, present),
        *_clock_type(definition, present),
        *label_types(definition, present),
        *(f"data.weight: {each}" for each in weight_type_problems(definition.weight, present)),
        *_time_type(definition, present),
        *event_type_problems(definition, present),
    ]


def _number_types(definition: DataDefinition, dtypes: Mapping[str, pl.DataType]) -> Iterator[str]:
    """Numeric features that hold no numbers, and texts read as numbers that have another use."""
    for name in definition.features.numeric:
        dtype = dtypes.get(name)
        if isinstance(dtype, TEXTS):
            uses = [key for key, column in named_columns(definition) if column == name]
            others = [key for key in uses if key != "features.numeric"]
            if others:
                yield (
                    f"data.features.numeric: column '{name}' is text, and must then have no other "
                    f"use, got data.{others[0]} too; list it under categorical, or write it as "
                    "numbers in the table"
                )
        elif dtype is not None and not is_number(dtype):
            yield (
                f"data.features.numeric: column '{name}' must hold numbers, got {dtype}; "
                "list it under categorical"
            )


def _single_values(definition: DataDefinition, dtypes: Mapping[str, pl.DataType]) -> Iterator[str]:
    """Lists where one value a row is needed."""
    list_columns = {list_.column for list_ in definition.features.lists.values()}
    for key, name in named_columns(definition):
        if name not in dtypes or key.startswith(("features.numeric", "features.lists.")):
            continue
        if dtypes[name].is_nested():
            yield f"data.{key}: column '{name}' must hold one value a row, got {dtypes[name]}"
        elif name in list_columns:
            got = "a column of features.lists"
            yield f"data.{key}: column '{name}' must hold one value a row, got {got}"


def _long_decimals(definition: DataDefinition, dtypes: Mapping[str, pl.DataType]) -> Iterator[str]:
    """Decimals with more digits than Polars can read; a Parquet file may have them."""
    for key, name in named_columns(definition):
        dtype = dtypes.get(name)
        if isinstance(dtype, pl.Decimal) and dtype.precision > MAX_DECIMAL_DIGITS:
            yield (
                f"data.{key}: column '{name}' must have at most {MAX_DECIMAL_DIGITS} digits, "
                f"got {dtype}; write it as float64, or as text"
            )


def _list_types(definition: DataDefinition, dtypes: Mapping[str, pl.DataType]) -> Iterator[str]:
    """Columns of lists that hold no lists, or whose entries cannot be values of the item column."""
    for name, list_ in definition.features.lists.items():
        dtype = dtypes.get(list_.column)
        item = None if list_.item is None else dtypes.get(list_.item)
        if dtype is not None and (list_.item is None or item is not None):
            where = f"data.features.lists.{name}: column '{list_.column}' must hold"
            problem = _split_problem if list_.separator is not None else _list_problem
            yield from problem(where, list_, dtype, item)


def _list_problem(
    where: str, list_: ListDefinition, dtype: pl.DataType, item: pl.DataType | None
) -> Iterator[str]:
    """What is wrong with a column that must hold lists."""
    if not is_list_of(dtype, *INTEGERS, *TEXTS, pl.Null):
        remedy = "write the table as Parquet with a column of lists"
        if is_list_of(dtype, pl.Struct):
            remedy = "write a column of lists of one field of these objects"
        if dtype in TEXTS:
            remedy += ", or say with 'separator' what is between two entries"
        yield f"{where} lists of whole numbers or texts, got {dtype}; {remedy}"
    elif item is not None and not _holds_items(dtype, item):
        yield (
            f"{where} values of '{list_.item}', which is {item}, got {dtype}; cast one as the other"
        )


def _split_problem(
    where: str, list_: ListDefinition, dtype: pl.DataType, item: pl.DataType | None
) -> Iterator[str]:
    """What is wrong with a column of texts that a separator must split."""
    if dtype not in TEXTS:
        yield f"{where} texts, as it has a separator, got {dtype}; leave out 'separator'"
    elif item is not None and item not in (*INTEGERS, *TEXTS):
        yield f"{where} values of '{list_.item}', which must be whole numbers or texts, got {item}"


def _holds_items(dtype: pl.DataType, item: pl.DataType) -> bool:
    """Whether entries of the lists can equal values of the item column; empty lists always can."""
    if is_list_of(dtype, pl.Null):
        return True
    return any(is_list_of(dtype, *kind) and item in kind for kind in (INTEGERS, TEXTS))


def is_list_of(dtype: pl.DataType, *kinds: type[pl.DataType]) -> bool:
    """Whether the type is a list of one of the kinds."""
    return isinstance(dtype, pl.List) and isinstance(dtype.inner, kinds)


def _clock_type(definition: DataDefinition, dtypes: Mapping[str, pl.DataType]) -> Iterator[str]:
    """What a clock of statistics cannot tell: days or hours of values that are days, or no time."""
    statistics = definition.features.statistics
    if statistics is None or statistics.clock is None or statistics.clock not in dtypes:
        return
    dtype = dtypes[statistics.clock]
    where = "data.features.statistics"
    clock = f"the clock '{statistics.clock}' must hold"
    if statistics.day_length is not None:
        if not dtype.is_numeric():
            days = "each of its values is a day"
            if isinstance(dtype, pl.Date | pl.Datetime):
                days = "its day is its date"
            yield f"{where}.day_length: {clock} numbers, got {dtype}: {days}; remove day_length"
        return
    remedy = "take a column of datetimes"
    if dtype.is_numeric():
        remedy = "for numbers that grow during a day, give the length of a day as day_length"
    if statistics.refresh == HOUR and not isinstance(dtype, pl.Datetime):
        yield (
            f"{where}.refresh: {clock} moments, as 'hour' divides days, got {dtype}: {remedy}, "
            "or write refresh: day"
        )
    elif not isinstance(dtype, pl.Date | pl.Datetime) and (
        statistics.delay or statistics.half_life is not None
    ):
        key = "labels_after" if statistics.delay else "half_life"
        yield (
            f"{where}.{key}: {clock} dates or moments, so that days can be counted back "
            f"from them, got {dtype}: {remedy}"
        )


def _time_type(definition: DataDefinition, dtypes: Mapping[str, pl.DataType]) -> Iterator[str]:
    """What is wrong with the time column and the cut points of a split by time."""
    split = definition.split
    column = definition.time
    if not isinstance(split, TimeSplit) or column is None or column not in dtypes:
        return
    dtype = dtypes[column]
    if not (dtype.is_numeric() or isinstance(dtype, pl.Date | pl.Datetime)):
        yield (
            f"data.time: column '{column}' must hold numbers, dates or datetimes, got {dtype}; "
            "cast it to a date, or write it as numbers"
        )
    elif dtype.is_numeric() == isinstance(split.valid_from, str):
        kind = "a number" if dtype.is_numeric() else "a date"
        yield (
            f"data.split.valid_from: must be {kind} as column '{column}' is, got {split.valid_from}"
        )
    else:
        yield from _cut_problem(split, column, dtype)


def _cut_problem(split: TimeSplit, column: str, dtype: pl.DataType) -> Iterator[str]:
    """What is wrong with cut points that are of the kind of the time column."""
    cuts = (split.valid_from, split.test_from)
    ambiguous = [cut for cut in cuts if not _is_moment(cut, dtype)]
    has_offset = any(isinstance(cut, str) and datetime.fromisoformat(cut).tzinfo for cut in cuts)
    if ambiguous:
        yield (
            f"data.split: {ambiguous[0]} must be one moment in the time zone of column '{column}', "
            f"{dtype}; write it with its offset, such as +00:00"
        )
    elif has_offset and getattr(dtype, "time_zone", None) is None:
        yield (
            f"data.split: column '{column}' has no time zone, so the cut points must have no offset"
        )


def _is_moment(cut: int | float | str, dtype: pl.DataType) -> bool:
    """Whether a cut point is exactly one moment.

    Where clocks are changed a local time may be skipped or occur twice.
    """
    try:
        pl.select(cut_literal(cut, dtype))
    except ComputeError:
        return False
    return True


def scenario_problems(definition: DataDefinition, occurring: list[str]) -> list[str]:
    """Scenario values that do not occur; `occurring` are the values of the column as text."""
    name = definition.scenario.column
    if not occurring:
        return [f"data.scenario: column '{name}' has no value in any row"]
    values = definition.scenario.values
    if values is None:
        if len(occurring) <= MAX_SCENARIOS:
            return []
        got = f"got {len(occurring):,}; list those that count under 'values'"
        return [f"data.scenario: must have at most {MAX_SCENARIOS:,} scenarios, {got}"]
    texts = [text_of(value) for value in values]
    absent = [text for text in texts if text not in occurring]
    column = f"column '{name}', which holds {listed(occurring)}"
    if len(absent) == len(values):
        return [f"data.scenario.values: none occurs in {column}"]
    return [
        f"data.scenario.values: '{value}' occurs in no row of {column}"
        f"{did_you_mean(value, occurring)}"
        for value in absent
    ]


def value_problems(
    definition: DataDefinition,
    frame: pl.DataFrame,
    row_R: NDArray[np.uint64],
    scenario_R: NDArray[np.int16],
    has_task_MT: NDArray[np.bool_],
) -> list[str]:
    """Problems of values: not finite, no labels or weights, no user or time for the split.

    A label is checked in the rows that have its task.
    """
    problems = []
    if definition.not_finite == "refuse":
        problems += number_problems(definition.features, frame, row_R)
    for (name, task), has_task_M in zip(definition.tasks.items(), has_task_MT.T, strict=True):
        labelled = where_labelled(frame[task.column], has_label(has_task_M, scenario_R))
        wrong = label_problems(name, task, labelled)
        problems += [problem + _scenarios_without(definition, task, frame) for problem in wrong]
    if definition.weight is not None:
        problems += [f"data.weight: {each}" for each in weight_problems(frame[definition.weight])]
    split_columns = {TimeSplit: definition.time, UserSplit: definition.user}
    column = split_columns.get(type(definition.split))
    num_without = num_without_value(frame[column]) if column is not None else 0
    if num_without:
        problems.append(
            f"data.split: column '{column}' must have a value in every row, "
            f"got {num_without:,} without"
        )
    wrong_times = event_value_problem(definition, frame)
    return [*problems, wrong_times] if wrong_times else problems


def _scenarios_without(
    definition: DataDefinition, task: TaskDefinition, frame: pl.DataFrame
) -> str:
    """Name the scenarios that should have a task, but in which no row has a value of its column."""
    column = definition.scenario.column
    is_known = frame[task.column].is_not_null().alias("is known")
    of_scenarios = pl.DataFrame([frame[column], is_known]).group_by(column).agg(pl.all().any())
    texts = as_text(of_scenarios.filter(~pl.col("is known"))[column]).sort().to_list()
    names = {text_of(value): name for value, name in (definition.scenario.values or {}).items()}
    without = [text for text in texts if task.is_in(names.get(text, text))]
    if not without or len(without) == len(of_scenarios):
        return ""
    return (
        f"; it has no value where '{column}' is {listed(without)}: if these scenarios do not have "
        "the task, name the others under 'scenarios'"
    )


def available_memory() -> int:
    """Bytes that a process may still allocate: MemAvailable on Linux, else all memory there is."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        text = meminfo.read_text(encoding="ascii")
        values = dict(line.split(":", 1) for line in text.splitlines())
        return int(values["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
