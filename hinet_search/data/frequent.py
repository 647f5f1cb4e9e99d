"""Frequent: find the scenarios and tasks of a table with enough rows of both classes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.label_values import has_amounts
from hinet_search.data.raw_values import as_text

MIN_CLASS_ROWS = 30  # of either class, for a task in a scenario that is taken into the study


@dataclass(frozen=True)
class ScenarioRows:
    """A value of the scenario column with its rows and, per label, the rows with a 1.

    `unlabelled` are the labels that are missing in all of its rows: tasks that it does not have.
    Of `amounts`, the rows with one above 0 are counted, and all rows may have one.
    """

    value: str
    rows: int
    positives: tuple[int, ...]
    unlabelled: frozenset[int] = frozenset()
    amounts: frozenset[int] = frozenset()

    def has_enough(self, label: int) -> bool:
        """Whether both classes of a label, or amounts above 0, have enough rows."""
        most = self.rows if label in self.amounts else self.rows - MIN_CLASS_ROWS
        return MIN_CLASS_ROWS <= self.positives[label] <= most

    def num_cells(self, labels: Iterable[int]) -> int:
        """The labels with enough rows of both classes; 0 if one has rows, but not enough."""
        labelled = [label for label in labels if label not in self.unlabelled]
        return len(labelled) if all(map(self.has_enough, labelled)) else 0


def scenario_rows(
    lazy: pl.LazyFrame, scenario: ColumnFacts, labels: Sequence[ColumnFacts]
) -> tuple[ScenarioRows, ...]:
    """Rows and positives of every value, the most frequent first; `lazy` is the numbered table."""
    positives = [
        is_positive(label).sum().alias(f"positives {position}")
        for position, label in enumerate(labels)
    ]
    known = [
        pl.col(label.key).count().alias(f"known {position}")
        for position, label in enumerate(labels)
    ]
    counts = (
        lazy.group_by(scenario.key)
        .agg(pl.len().alias("rows"), *positives, *known)
        .drop_nulls(scenario.key)
        .collect()
    )
    counts = counts.sort(["rows", scenario.key], descending=[True, False])
    texts = as_text(counts[scenario.key]).to_list()
    amounts = frozenset(number for number, label in enumerate(labels) if has_amounts(label))
    scenarios = []
    for text, (_, num_rows, *numbers) in zip(texts, counts.rows(), strict=True):
        positives_of, known_of = numbers[: len(labels)], numbers[len(labels) :]
        unlabelled = frozenset(label for label, count in enumerate(known_of) if not count)
        scenarios.append(ScenarioRows(text, num_rows, tuple(positives_of), unlabelled, amounts))
    return tuple(scenarios)


def frequent_labels(scenarios: Sequence[ScenarioRows], num_labels: int) -> tuple[int, ...]:
    """Labels that have enough rows in so many scenarios that a study has the most cells.

    A study takes the scenarios with enough rows of all its labels that they have. Labels are added
    one by one, as long as that makes more cells: a rare label must not cost the scenarios with too
    few rows of it.
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
    return sum(scenario.num_cells(labels) for scenario in scenarios)


def is_positive(label: ColumnFacts) -> pl.Expr:
    """Whether a label of the numbered table is a 1, in every row."""
    column = pl.col(label.key)
    if label.is_number:
        return (column > 0).fill_null(value=False)
    return (column.cast(pl.String) == label.positive).fill_null(value=False)
