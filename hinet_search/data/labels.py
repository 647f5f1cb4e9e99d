"""Labels and row weights: check their columns, and make the labels and the weight of every row.

A label is made where a row's scenario has the task. Amounts are divided by their mean over training
rows, their unit, so that tasks weigh alike in a loss. A weight says what a row counts in training;
metrics, vocabularies and statistics count all rows alike.

Shape legend: R rows, B rows of a block, T tasks, M scenarios.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.data.mapped import blocks_of, mapped_array
from hinet_search.data.numbers import not_finite, rows_in_words
from hinet_search.data.raw_values import as_text, known_values, text_of
from hinet_search.results.cells import Labels
from hinet_search.results.data_record import WeightRecord
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.task_definition import TaskDefinition

MAX_EXAMPLES = 5
LARGEST_AMOUNT = 1e15  # squares of amounts and sums of them are finite, and can be stored
MAX_UNITS = 1_000_000_000  # of an amount: its label and sums of it stay exact enough
FEW_EFFECTIVE = 0.1  # of the training rows


def is_number(dtype: pl.DataType) -> bool:
    """Whether a column has numbers, or true and false."""
    return dtype.is_numeric() or dtype == pl.Boolean


def label_types(definition: DataDefinition, dtypes: Mapping[str, pl.DataType]) -> Iterator[str]:
    """Columns of labels that hold no numbers, and no rule that makes 0 and 1 of their values."""
    for name, task in definition.tasks.items():
        dtype = dtypes.get(task.column)
        if task.equals is not None or dtype is None or is_number(dtype) or dtype.is_nested():
            continue
        remedy = "say with 'equals' which value is a 1"
        if task.is_amount:
            remedy = "write amounts as numbers"
        yield (
            f"data.tasks.{name}: column '{task.column}' must hold numbers, got {dtype}; {remedy}"
        )


def label_problems(name: str, task: TaskDefinition, values: pl.Series) -> list[str]:
    """Values of a column of which the label of a task cannot be made."""
    where = f"data.tasks.{name}: column '{task.column}'"
    if task.equals is not None:
        return []
    if task.above is not None or task.at_least is not None:
        num_without = num_without_value(values)
        must = f"{where} must have a finite value in every row, got {num_without:,} without"
        remedy = "; 'data.unlabelled: drop' leaves them out" if values.null_count() else ""
        return [must + remedy] if num_without else []
    return _wrong_labels(where, task, values)


def _wrong_labels(where: str, task: TaskDefinition, values: pl.Series) -> list[str]:
    """Values that are no amounts, or of a task without a rule neither 0 nor 1."""
    got = examples_of(values, is_amount if task.is_amount else _is_zero_or_one)
    if not got:
        return []
    if task.is_amount:
        remedy = "write such an amount in every row, or name the scenarios that have the task"
        return [f"{where} must hold amounts of 0 to {LARGEST_AMOUNT:g}, got {got}; {remedy}"]
    remedy = "say with 'equals', 'above' or 'at_least' which values are a 1"
    if not examples_of(values, is_amount):
        remedy += ", or write 'kind: amount' if they are amounts"
    return [f"{where} must hold 0 and 1 only, got {got}; {remedy}"]


def examples_of(values: pl.Series, is_right: Callable[[pl.Series], pl.Series]) -> str:
    """The most frequent values that are not right, with their rows; empty if all are right."""
    blocks = (values[block] for block in blocks_of(len(values)))
    wrong = pl.concat(block.filter(~is_right(block)) for block in blocks)
    examples = []
    for value, count in wrong.value_counts(sort=True).head(MAX_EXAMPLES).rows():
        text = "null" if value is None else value
        examples.append(f"{text} ({rows_in_words(count)})")
    return ", ".join(examples)


def num_without_value(values: pl.Series) -> int:
    """The number of values that are missing or not finite."""
    blocks = (values[block] for block in blocks_of(len(values)))
    return sum(int((block.is_null() | not_finite(block)).sum()) for block in blocks)


def is_amount(values: pl.Series) -> pl.Series:
    """Whether a value is a number of 0 to LARGEST_AMOUNT."""
    numbers = values.cast(pl.Float64)
    return numbers.is_between(0, LARGEST_AMOUNT).fill_null(value=False)


def _is_zero_or_one(values: pl.Series) -> pl.Series:
    return values.cast(pl.Float64).is_in([0.0, 1.0]).fill_null(value=False)


def has_label(has_task_M: NDArray[np.bool_], scenario_R: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Whether the scenario of a row has a task (R,); without memory for rows if all do."""
    return np.broadcast_to(True, scenario_R.shape) if has_task_M.all() else has_task_M[scenario_R]


def where_labelled(values: pl.Series, has_label_R: NDArray[np.bool_]) -> pl.Series:
    """The values of a label in the rows that have its task; without a copy if all do."""
    return values if has_label_R.all() else values.filter(pl.Series(has_label_R))


def units_of_amounts(
    definition: DataDefinition,
    frame: pl.DataFrame,
    is_train_R: NDArray[np.bool_],
    scenario_R: NDArray[np.int16],
    has_task_MT: NDArray[np.bool_],
) -> dict[int, float]:
    """The mean amount over checked training rows, in six digits, by the number of every task of
    amounts.

    Errors: DataError if every amount of a task is 0, or one is more than MAX_UNITS times the mean.
    """
    units = {}
    problems = []
    for number, (name, task) in enumerate(definition.tasks.items()):
        if not task.is_amount:
            continue
        total = 0.0
        num_rows = 0
        largest = 0.0
        for block in blocks_of(len(frame)):
            has_label_R = has_label(has_task_MT[:, number], scenario_R[block])
            amount_B = amounts_of(task, where_labelled(frame[task.column][block], has_label_R))
            of_train_B = amount_B[is_train_R[block][has_label_R]]
            total = total + float(of_train_B.sum())
            num_rows = num_rows + of_train_B.size
            largest = max(largest, float(amount_B.max(initial=0.0)))
        where = f"data.tasks.{name}: column '{task.column}'"
        mean = total / max(num_rows, 1)
        if num_rows and not mean:
            problems.append(
                f"{where} must have an amount above 0 in a training row, got 0 in all {num_rows:,}"
            )
        elif largest > MAX_UNITS * mean:
            problems.append(
                f"{where} must have amounts of at most {MAX_UNITS:,} times the mean of training "
                f"rows, {mean:.4g}, got {largest:.4g}; limit them with at_most"
            )
        units[number] = float(f"{mean:.6g}")
    if problems:
        raise DataError(*problems)
    return units


def read_labels(
    definition: DataDefinition,
    frame: pl.DataFrame,
    has_label_RT: NDArray[np.bool_],
    units: Mapping[int, float],
) -> Labels:
    """The labels (R, T) of checked rows in their `units`, 0 where a row has no task."""
    labels_RT = np.zeros(has_label_RT.shape, dtype=np.float32 if units else np.uint8)
    for number, task in enumerate(definition.tasks.values()):
        has_label_R = has_label_RT[:, number]
        labelled = where_labelled(frame[task.column], has_label_R)
        if task.is_amount:
            labels_RT[has_label_R, number] = amounts_of(task, labelled) / units[number]
        else:
            labels_RT[has_label_R, number] = labels_of(task, labelled)
    return labels_RT


def missing_labels(
    definition: DataDefinition,
    frame: pl.DataFrame,
    scenario_R: NDArray[np.int16],
    has_task_MT: NDArray[np.bool_],
) -> Iterator[str]:
    """Note missing values that count as 0: `equals` takes them, the other rules refuse them."""
    for (name, task), has_task_M in zip(definition.tasks.items(), has_task_MT.T, strict=True):
        if task.equals is None:
            continue
        missing = 0
        for block in blocks_of(len(frame)):
            has_label_R = has_label(has_task_M, scenario_R[block])
            values = where_labelled(frame[task.column][block], has_label_R)
            missing += known_values(values).null_count()
        if missing:
            yield (
                f"{missing:,} rows have no '{task.column}' and count as not "
                f"'{text_of(task.equals)}' (task {name})"
            )


def labels_of(task: TaskDefinition, values: pl.Series) -> NDArray[np.uint8]:
    """The 0/1 of every row (R,), from checked values of the task's column."""
    return positives(task, values).cast(pl.UInt8).to_numpy()


def amounts_of(task: TaskDefinition, values: pl.Series) -> NDArray[np.float64]:
    """The amount of every row (R,), from checked values of the task's column."""
    amount_R = values.cast(pl.Float64).to_numpy()
    return amount_R if task.at_most is None else np.minimum(amount_R, task.at_most)


def positives(task: TaskDefinition, values: pl.Series) -> pl.Series:
    """Which values of a label are a 1 by the rule of its task; without a rule, the values."""
    if task.equals is not None:
        return (as_text(values) == text_of(task.equals)).fill_null(value=False)
    if task.above is not None:
        return _as_number(values) > task.above
    if task.at_least is not None:
        return _as_number(values) >= task.at_least
    return values


def _as_number(values: pl.Series) -> pl.Series:
    """True and false as 1 and 0: Polars does not compare them with a number."""
    return values.cast(pl.UInt8) if values.dtype == pl.Boolean else values


@dataclass(frozen=True)
class RowWeights:
    """The weight of every row, in units of the mean of the training rows, and what they carry."""

    weight_R: NDArray[np.float32]
    record: WeightRecord
    num_rows: int  # of training

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warn if the rows of training are worth few rows of equal weights."""
        if self.record.effective_rows >= FEW_EFFECTIVE * self.num_rows:
            return ()
        facts = self.record.in_words(self.num_rows)
        return (f"few rows carry most of the weight {facts}; cap weights that are very large",)


def weight_type_problems(name: str | None, dtypes: Mapping[str, pl.DataType]) -> list[str]:
    """A column of weights, if there is one, that holds no numbers."""
    if name is None or name not in dtypes or is_number(dtypes[name]):
        return []
    return [f"column '{name}' must hold weights, got {dtypes[name]}; write them as numbers"]


def weight_problems(values: pl.Series) -> list[str]:
    """Values of a column of numbers that are no weights."""
    examples = examples_of(values, is_amount)
    if not examples:
        return []
    must = f"column '{values.name}' must hold weights of 0 to {LARGEST_AMOUNT:g}"
    return [f"{must}, got {examples}; write 0 where training must leave a row out"]


def read_weights(
    values: pl.Series, is_train_R: NDArray[np.bool_], cache: Path | None
) -> RowWeights:
    """Read checked weights, of which some are above 0 in train.

    Means over training rows are as exact as those over so many rows of equal weights: the squared
    sum of the weights over the sum of their squares (Kish, Survey Sampling, 1965).
    """
    blocks = list(blocks_of(len(values)))
    num_rows = int(is_train_R.sum())
    total = sum(float(numbers_of(values[block])[is_train_R[block]].sum()) for block in blocks)
    mean = total / num_rows
    scaled = ((numbers_of(values[block]) / mean).astype(np.float32) for block in blocks)
    weight_R = mapped_array(scaled, cache)
    sum_of_squares = 0.0
    for block in blocks:
        weight_B = weight_R[block][is_train_R[block]].astype(np.float64)
        sum_of_squares += float(weight_B @ weight_B)
    effective_rows = round(num_rows**2 / sum_of_squares)
    return RowWeights(weight_R, WeightRecord(values.name, effective_rows), num_rows)


def numbers_of(values: pl.Series) -> NDArray[np.float64]:
    """Checked weights as they are in the table (R,)."""
    return values.cast(pl.Float64).to_numpy()
