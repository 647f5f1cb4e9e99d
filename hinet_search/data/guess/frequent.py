"""Frequent: find the scenarios and tasks of a table with enough rows of both classes.

Rows are counted by split, as a study needs both classes in every training cell, and in valid and
test for every task over all scenarios.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from hinet_search.data.columns import SPLITS
from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.roles import ColumnRole
from hinet_search.data.raw_values import as_text
from hinet_search.data.reading import ROW_NUMBER
from hinet_search.data.splits import codes_in
from hinet_search.study.data_definition import ColumnSplit, RandomSplit, TimeSplit

SPLIT_CODE = "split code"  # a column with the place of a row's split in SPLITS
MIN_CLASS_ROWS = 30  # of either class, for a task in a scenario that is taken into the study
MIN_TRAINING_ROWS = 10  # of these in train


@dataclass(frozen=True)
class ScenarioRows:
    """A value of the scenario column with its rows and, per label, the rows with a 1.

    `by_split` has them for train, valid and test: the rows, and the rows with a 1 by label; it is
    empty if the split of the rows is not known. `unlabelled` are the labels that are missing in all
    of its rows: tasks that it does not have. Of `amounts`, the rows with one above 0 are counted,
    and all rows may have one.
    """

    value: str
    rows: int
    positives: tuple[int, ...]
    unlabelled: frozenset[int] = frozenset()
    amounts: frozenset[int] = frozenset()
    by_split: tuple[tuple[int, tuple[int, ...]], ...] = ()

    def has_enough(self, label: int) -> bool:
        """Whether both classes of a label, or amounts above 0, have enough rows, and in train."""
        if not self._has(label, self.rows, self.positives, MIN_CLASS_ROWS):
            return False
        if not self.by_split:
            return True
        rows, positives = self.by_split[0]
        return self._has(label, rows, positives, MIN_TRAINING_ROWS)

    def _has(self, label: int, rows: int, positives: Sequence[int], least: int) -> bool:
        most = rows if label in self.amounts else rows - least
        return least <= positives[label] <= most

    def num_cells(self, labels: Iterable[int]) -> int:
        """The labels with enough rows of both classes; 0 if one has rows, but not enough."""
        labelled = [label for label in labels if label not in self.unlabelled]
        return len(labelled) if all(map(self.has_enough, labelled)) else 0


def with_split_codes(
    lazy: pl.LazyFrame,
    column: ColumnRole | None,
    time: ColumnRole | None,
    cuts: tuple[str, str] | None,
) -> pl.LazyFrame:
    """The numbered table with the split of every row, as the written definition assigns it.

    The column says it, else the cuts of the time, else chance.
    """
    split: ColumnSplit | TimeSplit | RandomSplit
    if column is not None:
        key = column.column.key
        split = ColumnSplit(by="column", column=column.name, **column.column.parts)
    elif time is not None and cuts is not None:
        key = time.column.key
        valid_from, test_from = map(int, cuts) if time.column.is_number else cuts
        split = TimeSplit(by="time", valid_from=valid_from, test_from=test_from)
    else:
        key = ROW_NUMBER
        split = RandomSplit(by="random")
        lazy = lazy.with_row_index(ROW_NUMBER)

    def codes(values: pl.Series) -> pl.Series:
        return pl.Series(codes_in(split, values), dtype=pl.UInt8)

    code = pl.col(key).map_batches(codes, return_dtype=pl.UInt8, is_elementwise=True)
    return lazy.with_columns(code.alias(SPLIT_CODE))


def scenario_rows(
    lazy: pl.LazyFrame, scenario: ColumnFacts, labels: Sequence[ColumnFacts]
) -> tuple[ScenarioRows, ...]:
    """Rows and positives of every value, the most frequent first.

    `lazy` is the numbered table with the split of every row in the column SPLIT_CODE.
    """
    positives = [is_positive(label).sum().alias(f"positives {label.key}") for label in labels]
    known = [pl.col(label.key).count().alias(f"known {label.key}") for label in labels]
    by_scenario = lazy.group_by(scenario.key, SPLIT_CODE).agg(
        [pl.len().alias("rows"), *positives, *known]
    )
    counts = by_scenario.drop_nulls(scenario.key).collect()
    totals = counts.drop(SPLIT_CODE).group_by(scenario.key).sum()
    totals = totals.sort(["rows", scenario.key], descending=[True, False])
    by_split = {(value, code): numbers for value, code, *numbers in counts.iter_rows()}
    amounts = frozenset(number for number, label in enumerate(labels) if label.has_amounts)
    none = [0] * (1 + 2 * len(labels))
    scenarios = []
    for text, (value, *numbers) in zip(
        as_text(totals[scenario.key]).to_list(), totals.iter_rows(), strict=True
    ):
        num_rows, num_positives, num_known = _counted(numbers)
        splits = [by_split.get((value, code), none) for code in range(len(SPLITS))]
        scenarios.append(
            ScenarioRows(
                text,
                num_rows,
                num_positives,
                unlabelled=frozenset(label for label, num in enumerate(num_known) if not num),
                amounts=amounts,
                by_split=tuple(_counted(numbers)[:2] for numbers in splits),
            )
        )
    return tuple(scenarios)


def _counted(numbers: Sequence[int]) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Rows, rows with a 1 by label, and rows with a value by label."""
    num_labels = (len(numbers) - 1) // 2
    return numbers[0], tuple(numbers[1 : 1 + num_labels]), tuple(numbers[1 + num_labels :])


def labels_of_a_study(scenarios: Sequence[ScenarioRows], num_labels: int) -> tuple[int, ...]:
    """Labels with enough rows in a scenario, and both classes in valid and in test."""
    usable = tuple(range(num_labels))
    while True:
        frequent = frequent_labels(scenarios, usable)
        taken = [scenario for scenario in scenarios if scenario.num_cells(frequent)]
        lacking = [label for label in frequent if not _is_evaluated(taken, label)]
        if not lacking:
            return frequent
        usable = tuple(label for label in usable if label not in lacking)


def _is_evaluated(scenarios: Sequence[ScenarioRows], label: int) -> bool:
    labelled = [row for row in scenarios if label not in row.unlabelled]
    are_amounts = any(label in row.amounts for row in labelled)
    for code in range(1, len(SPLITS)):
        rows = sum(row.by_split[code][0] for row in labelled)
        positives = sum(row.by_split[code][1][label] for row in labelled)
        most = rows if are_amounts else rows - 1
        if not 1 <= positives <= most:
            return False
    return True


def frequent_labels(scenarios: Sequence[ScenarioRows], labels: Sequence[int]) -> tuple[int, ...]:
    """Labels that have enough rows in so many scenarios that a study has the most cells.

    A study takes the scenarios with enough rows of all its labels that they have. Labels are added
    one by one, as long as that makes more cells: a rare label must not cost the scenarios with too
    few rows of it.
    """
    frequent: tuple[int, ...] = ()
    while len(frequent) < len(labels):
        others = [label for label in labels if label not in frequent]
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
    if label.dtype.is_numeric():
        return (column > 0).fill_null(value=False)
    return (column.cast(pl.String) == label.positive).fill_null(value=False)
