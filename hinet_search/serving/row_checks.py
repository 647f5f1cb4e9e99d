"""Row checks: values of new rows that an exported model cannot score, with their rows."""

from collections.abc import Iterator, Mapping

import polars as pl

from hinet_search.common.errors import DataError, shortened
from hinet_search.data.numbers import (
    LARGEST,
    MAX_EXAMPLES,
    Range,
    farthest,
    rows_and_first,
    rows_in_words,
)
from hinet_search.data.raw_values import as_text, listed
from hinet_search.data.reading import NUM_ROWS, OWN, ROW_NUMBER
from hinet_search.data.text_numbers import wrong_texts
from hinet_search.serving.inputs import Inputs, ScenarioInput
from hinet_search.serving.row_columns import numbers_as_text

KEY = f"{OWN}key "  # prefix of the name of a column that is copied unchanged


def refuse(path: str, problems: list[str]) -> None:
    """DataError with the problems of the rows at `path`, if there are any."""
    if problems:
        raise DataError(*(f"{path}: {problem}" for problem in problems))


def text_problems(inputs: Inputs, rows: pl.LazyFrame) -> list[str]:
    """Texts that must be numbers and are none; one pass over the rows if any column is text."""
    columns = numbers_as_text(inputs, rows.collect_schema())
    return [
        f"column '{texts.column}' must hold numbers, {texts.in_words}; "
        "write nothing where a value is missing"
        for texts in wrong_texts(rows.with_row_index(ROW_NUMBER), columns)
    ]


def value_problems(inputs: Inputs, rows: pl.LazyFrame) -> list[str]:
    """Unknown scenarios and numbers that cannot be used; two passes over the rows, streamed."""
    return [*scenario_problems(inputs.scenario, rows), *number_problems(inputs, rows)]


def scenario_problems(scenario: ScenarioInput, rows: pl.LazyFrame) -> list[str]:
    """Unknown scenarios, each with the number of its rows and the first of them."""
    counts = (
        rows.with_row_index(ROW_NUMBER)
        .group_by(scenario.column)
        .agg(pl.len().alias(NUM_ROWS), pl.col(ROW_NUMBER).min())
    )
    table = counts.collect(engine="streaming")
    texts = as_text(table[scenario.column]).to_list()
    rows_of = dict(zip(texts, table.select(NUM_ROWS, ROW_NUMBER).rows(), strict=True))
    unknown = [text for text in texts if text not in scenario.values]
    if not unknown:
        return []
    unknown.sort(key=lambda text: (-rows_of[text][0], rows_of[text][1]))
    got = []
    for text in unknown:
        num_rows, first = rows_of[text]
        value = "nothing" if text is None else shortened(repr(text))
        got.append(f"{value} ({rows_in_words(num_rows)}, first in row {first:,})")
    known = listed([repr(value) for value in scenario.values])
    problem = f"column '{scenario.column}' must hold scenarios of the model, {known}"
    return [f"{problem}, got {listed(got)}; leave other rows out"]


def number_problems(inputs: Inputs, rows: pl.LazyFrame) -> list[str]:
    """Values that are refused as not finite, and values too far from those of training rows."""
    refused = inputs.numeric if inputs.not_finite == "refuse" else ()
    not_finite = {name: _is_not_finite(name) for name in refused}
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
        value = _farthest(rows.filter(outside[name]), name)
        problems.append(
            f"column '{name}' must lie between {low:.2g} and {high:.2g}, got {value:.6g} in "
            f"{which}; write null for what is missing"
        )
    return problems


def _is_not_finite(name: str) -> pl.Expr:
    return ~pl.col(name).cast(pl.Float64).is_finite().fill_null(value=True)


def _is_outside(name: str, limits: Range, inputs: Inputs) -> pl.Expr:
    """Whether a value is finite and outside limits; one beyond LARGEST is imputed like infinity."""
    value = pl.col(name).cast(pl.Float64)
    end = LARGEST if inputs.not_finite == "impute" else float("inf")
    outside = (value < limits[0]) | (value > limits[1])
    return (outside & value.is_finite() & (value.abs() <= end)).fill_null(value=False)


def _farthest(rows: pl.LazyFrame, name: str) -> float:
    """The value of a column that is farthest from 0."""
    return farthest(rows.select(name).collect(engine="streaming")[name])


def _rows_where(conditions: Mapping[str, pl.Expr], rows: pl.LazyFrame) -> Iterator[tuple[str, str]]:
    """(column, count and first rows) for every column whose condition holds in some row."""
    if not conditions:
        return
    counts = rows.select(condition.sum().alias(name) for name, condition in conditions.items())
    for name, count in counts.collect(engine="streaming").row(0, named=True).items():
        if count:
            yield name, rows_and_first(count, _first_rows(rows, conditions[name]))


def _first_rows(rows: pl.LazyFrame, condition: pl.Expr) -> list[int]:
    """Numbers of the first rows where a condition holds, from 0."""
    numbers = rows.select(condition.arg_true().head(MAX_EXAMPLES).alias("row"))
    return [int(number) for number in numbers.collect(engine="streaming")["row"]]
