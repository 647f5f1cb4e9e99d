"""Scenarios: tell columns that the scenario is made of, or that are the scenario under other names.

Shape legend: R rows, V pairs of a value and a scenario.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.rows import Rows
from hinet_search.study.data_definition import DataDefinition

MAX_ROWS = 200_000  # every k-th of more
MAX_NUMBERS = 1000  # distinct numbers of a column that may be codes
MAX_ELSEWHERE = 0.001  # of the rows: those of a value outside its own scenario
MAX_UNEXPLAINED = 0.05  # of the rows outside the largest scenario
MIN_PRESENT = 0.5  # of the rows have a value
MIN_ROWS = 10  # of a value: a value of few rows may be in one scenario by chance
MIN_FREQUENT = 0.9  # of the rows have a value of so many rows
VALUE = "value"
SCENARIO = "scenario"
COUNT = "count"


@dataclass(frozen=True)
class ScenarioSource:
    """A column whose values are in one scenario each; `is_equal`: scenarios have one value each."""

    name: str
    num_values: int
    is_equal: bool


def scenario_source(values: pl.Series, scenario: pl.Series) -> ScenarioSource | None:
    """Whether the scenario of a row is known from its value; None if it is not.

    Missing values and scenarios do not count.
    """
    pairs = pl.DataFrame({VALUE: values, SCENARIO: scenario}).drop_nulls()
    table_V = pairs.group_by(VALUE, SCENARIO).agg(pl.len().alias(COUNT))
    of_values = _sums_and_largest(table_V, VALUE)
    of_scenarios = _sums_and_largest(table_V, SCENARIO)
    num_rows = len(pairs)
    num_values = len(of_values.sums)
    if num_values < 2 or len(of_scenarios.sums) < 2 or num_rows < MIN_PRESENT * len(values):
        return None
    if of_values.sums[of_values.sums >= MIN_ROWS].sum() < MIN_FREQUENT * num_rows:
        return None
    num_elsewhere = num_rows - of_values.largest.sum()
    num_outside = num_rows - of_scenarios.sums.max()
    if num_elsewhere > min(MAX_ELSEWHERE * num_rows, MAX_UNEXPLAINED * num_outside):
        return None
    num_other_values = num_rows - of_scenarios.largest.sum()
    is_equal = bool(num_other_values <= MAX_ELSEWHERE * num_rows)
    return ScenarioSource(values.name, num_values, is_equal)


@dataclass(frozen=True)
class _RowsOfSide:
    """Rows of every value of one side, and the largest part of them that one of the other has."""

    sums: NDArray[np.int64]
    largest: NDArray[np.int64]


def _sums_and_largest(table_V: pl.DataFrame, side: str) -> _RowsOfSide:
    grouped = table_V.group_by(side).agg(
        pl.col(COUNT).sum().alias("sum"), pl.col(COUNT).max().alias("largest")
    )
    counts = grouped.select("sum", "largest").cast(pl.Int64)
    return _RowsOfSide(counts["sum"].to_numpy(), counts["largest"].to_numpy())


def scenario_warnings(definition: DataDefinition, rows: Rows) -> list[str]:
    """Warn of features that the scenario is made of, or that are the scenario."""
    if len(rows.scenarios) < 2:
        return []
    step = -(-len(rows.frame) // MAX_ROWS)
    scenario = pl.Series(rows.scenario_R[::step])
    features = definition.features
    inputs = rows.frame.select(*features.categorical, *features.numeric)
    columns = inputs.drop(features.distinct_by_scenario).gather_every(step).get_columns()
    may_be_codes = [
        column
        for column in columns
        if column.name not in features.numeric or column.n_unique() <= MAX_NUMBERS
    ]
    warnings = []
    makers = []
    for source in (scenario_source(column, scenario) for column in may_be_codes):
        if source is not None and source.is_equal:
            warnings.append(
                f"{source.name} is the scenario, perhaps under other names: models are told the "
                "scenario anyway, so it adds nothing; leave it out"
            )
        elif source is not None:
            makers.append(source)
    return [*warnings, *_made_of(makers)]


def _made_of(makers: list[ScenarioSource]) -> list[str]:
    """One warning of all columns that the scenario may be made of, the fewest values first."""
    if not makers:
        return []
    makers.sort(key=lambda source: source.num_values)
    named = ", ".join(f"{source.name} ({source.num_values:,} values)" for source in makers)
    warning = (
        f"the scenario follows from {named}: every value occurs in one scenario only. Models are "
        "told the scenario anyway. If it was made of such a column, leave the column out, or "
        "choose a scenario that says where a row was shown"
    )
    return [warning]
