"""Label checks: report columns of which the labels of a task cannot be made."""

from collections.abc import Iterator, Mapping

import polars as pl

from hinet_search.data.blocks import blocks_of
from hinet_search.data.numbers import not_finite, rows_in_words
from hinet_search.study.data_definition import DataDefinition, TaskDefinition

MAX_EXAMPLES = 5
LARGEST_AMOUNT = 1e15  # squares of amounts and sums of them are finite, and can be stored


def is_number(dtype: pl.DataType) -> bool:
    """Whether a column has numbers, or true and false."""
    return dtype.is_numeric() or dtype == pl.Boolean


def label_types(definition: DataDefinition, dtypes: Mapping[str, pl.DataType]) -> Iterator[str]:
    """Columns of labels that hold no numbers, and no rule that makes 0 and 1 of their values."""
    for name, task in definition.tasks.items():
        dtype = dtypes.get(task.column)
        if task.equals is not None or dtype is None:
            continue
        if not is_number(dtype) and not dtype.is_nested():
            yield (
                f"data.tasks.{name}: column '{task.column}' must hold numbers, got {dtype}; "
                + (
                    "write amounts as numbers"
                    if task.is_amount
                    else "say with 'equals' which value is a 1"
                )
            )


def label_problems(name: str, task: TaskDefinition, values: pl.Series) -> list[str]:
    """Values of a column of which the label of a task cannot be made."""
    if task.equals is not None:
        return []
    where = f"data.tasks.{name}: column '{task.column}'"
    if task.above is not None or task.at_least is not None:
        num_without = num_without_value(values)
        if not num_without:
            return []
        return [f"{where} must have a finite value in every row, got {num_without:,} without"]
    is_right = _is_amount if task.is_amount else _is_zero_or_one
    blocks = (values[block] for block in blocks_of(len(values)))
    wrong = pl.concat(block.filter(~is_right(block)) for block in blocks)
    if wrong.is_empty():
        return []
    counts = wrong.value_counts(sort=True).head(MAX_EXAMPLES).rows()
    examples = ", ".join(
        f"{'null' if value is None else value} ({rows_in_words(count)})" for value, count in counts
    )
    if task.is_amount:
        remedy = "write such an amount in every row, or name the scenarios that have the task"
        return [f"{where} must hold amounts of 0 to {LARGEST_AMOUNT:g}, got {examples}; {remedy}"]
    remedy = "say with 'equals', 'above' or 'at_least' which values are a 1"
    if _is_amount(wrong).all():
        remedy += ", or write 'kind: amount' if they are amounts"
    return [f"{where} must hold 0 and 1 only, got {examples}; {remedy}"]


def num_without_value(values: pl.Series) -> int:
    """The number of values that are missing or not finite."""
    blocks = (values[block] for block in blocks_of(len(values)))
    return sum(int((block.is_null() | not_finite(block)).sum()) for block in blocks)


def _is_amount(values: pl.Series) -> pl.Series:
    numbers = values.cast(pl.Float64)
    return numbers.is_between(0, LARGEST_AMOUNT).fill_null(value=False)


def _is_zero_or_one(values: pl.Series) -> pl.Series:
    return values.cast(pl.Float64).is_in([0.0, 1.0]).fill_null(value=False)
