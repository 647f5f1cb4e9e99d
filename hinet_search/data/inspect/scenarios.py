"""Scenarios: tell columns that the scenario is made of, or that are the scenario under other names.

Shape legend: R rows, V pairs of a value and a scenario.
"""

from collections.abc import Iterable, Iterator
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
    sums, largest = (grouped[name].to_numpy().astype(np.int64) for name in ("sum", "largest"))
    return _RowsOfSide(sums, largest)


def scenario_warnings(definition: DataDefinition, rows: Rows) -> list[str]:
    """Warn of features that the scenario is made of, or that are the scenario."""
    if len(rows.scenarios) < 2:
        return []
    step = -(-len(rows.frame) // MAX_ROWS)
    scenario = pl.Series(rows.scenario_R[::step])
    features = definition.features
    names = [name for name in features.categorical if name not in features.distinct_by_scenario]
    sample = rows.frame.select(*names, *features.numeric)
    columns = sample.gather_every(step).get_columns()
    sources = [
        scenario_source(column, scenario)
        for column in columns
        if column.name not in features.numeric or column.n_unique() <= MAX_NUMBERS
    ]
    return list(_warnings(source for source in sources if source is not None))


def _warnings(sources: Iterable[ScenarioSource]) -> Iterator[str]:
    makers = []
    for source in sources:
        if source.is_equal:
            yield (
                f"{source.name} is the scenario, perhaps under other names: models are told the "
                "scenario anyway, so it adds nothing; leave it out"
            )
        else:
            makers.append(source)
    if makers:
        makers.sort(key=lambda source: source.num_values)
        names = ", ".join(f"{source.name} ({source.num_values:,} values)" for source in makers)
        yield (
            f"the scenario follows from {names}: every value occurs in one scenario only. Models "
            "are told the scenario anyway. If it was made of such a column, leave the column out, "
            "or choose a scenario that says where a row was shown"
        )
