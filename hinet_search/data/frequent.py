"""Frequent: find the scenarios and tasks of a table with enough rows of both classes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.raw_values import as_text

MIN_CLASS_ROWS = 30  # of either class, for a task in a scenario that is taken into the study


@dataclass(frozen=True)
class ScenarioRows:
    """A value of the scenario column with its rows and, per label, the rows with a 1."""

    value: str
    rows: int
    positives: tuple[int, ...]

    def has_enough(self, label: int) -> bool:
        """Whether both classes of a label have enough rows."""
        return MIN_CLASS_ROWS <= self.positives[label] <= self.rows - MIN_CLASS_ROWS

    def has_all(self, labels: Iterable[int]) -> bool:
        """Whether every one of the labels has enough rows of both classes."""
        return all(self.has_enough(label) for label in labels)


def scenario_rows(
    lazy: pl.LazyFrame, scenario: ColumnFacts, labels: Sequence[ColumnFacts]
) -> tuple[ScenarioRows, ...]:
    """Rows and positives of every value, the most frequent first; `lazy` is the numbered table."""
    positives = [
        is_positive(label).sum().alias(f"positives {position}")
        for position, label in enumerate(labels)
    ]
    counts = (
        lazy.group_by(scenario.key)
        .agg(pl.len().alias("rows"), *positives)
        .drop_nulls(scenario.key)
        .collect()
    )
    counts = counts.sort(["rows", scenario.key], descending=[True, False])
    texts = as_text(counts[scenario.key]).to_list()
    return tuple(
        ScenarioRows(text, rows[1], rows[2:])
        for text, rows in zip(texts, counts.rows(), strict=True)
    )


def frequent_labels(scenarios: Sequence[ScenarioRows], num_labels: int) -> tuple[int, ...]:
    """Labels that have enough rows in so many scenarios that a study has the most cells.

    A study takes the scenarios with enough rows of all its labels. Labels are added one by one, as
    long as that makes more cells: a rare label must not cost the scenarios that lack it.
    """
    frequent: tuple[int, ...] = ()
    while len(frequent) < num_labels:
        others = [label for label in range(num_labels) if label not in frequent]
        best = max(others, key=lambda label: _num_cells(scenarios, (*frequent, label)))
        if _num_cells(scenarios, (*frequent, best)) <= _num_cells(scenarios, frequent):
            break
        frequent = (*frequent, best)
    return tuple(sorted(frequent))


def _num_cells(scenarios: Sequence[ScenarioRows], labels: Sequence[int]) -> int:
    return len(labels) * sum(scenario.has_all(labels) for scenario in scenarios)


def is_positive(label: ColumnFacts) -> pl.Expr:
    """Whether a label of the numbered table is a 1, in every row."""
    column = pl.col(label.key)
    if label.is_number:
        return (column > 0).fill_null(value=False)
    return (column.cast(pl.String) == label.positive).fill_null(value=False)
