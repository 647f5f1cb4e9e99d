"""Guess table: guess what all columns of a table mean, around those roles that are given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import accumulate
from typing import Any

import polars as pl

from hinet_search.common.errors import DataError
from hinet_search.data.guess.column_facts import ColumnFacts, facts_of, in_words, numbered
from hinet_search.data.guess.column_roles import guess_roles, label_in_words, no_labels
from hinet_search.data.guess.definition_text import TRAINING_SHARE, GuessedTable, has_gaps
from hinet_search.data.guess.frequent import (
    MIN_CLASS_ROWS,
    MIN_TRAINING_ROWS,
    ScenarioRows,
    labels_of_a_study,
    scenario_rows,
    with_split_codes,
)
from hinet_search.data.guess.names import task_names
from hinet_search.data.guess.proposed_rank import propose_rank
from hinet_search.data.guess.roles import GIVEN, NOTHING_GIVEN, ColumnRole, ColumnRoles, KnownRoles
from hinet_search.data.guess.target_statistics import propose_statistics
from hinet_search.data.guess.thresholds import RATING_WORDS, labelled, proposed_threshold
from hinet_search.data.guess.value_checks import (
    without_flags,
    without_later_values,
    without_outcomes,
)
from hinet_search.data.raw_values import listed
from hinet_search.data.reading import reading
from hinet_search.results.statistics.paired_difference import expected_smallest, rounded
from hinet_search.results.statistics.welch import SEEDS_FOR_A_CLAIM
from hinet_search.study.data_definition import EVERY_ROW, ONLY

BY_HAND = "write the definition by hand (docs/data.md)"
THRESHOLD = "--task 'liked=rating>3' makes a label of a number"
VALID_FROM = TRAINING_SHARE  # wanted share of the rows before the cut
TEST_FROM = 0.85
MIN_TRAIN = 0.5  # smallest share of the rows
MIN_OTHER = 0.03  # of valid and of test

Cuts = tuple[str, str]  # the first moments of valid and of test, as a definition writes them


def guessed_table(
    lazy: pl.LazyFrame,
    where: str,
    source: Mapping[str, str],
    known: KnownRoles = NOTHING_GIVEN,
    by_hand: str = BY_HAND,
) -> GuessedTable:
    """Guess what the columns of a table mean; messages name the table `where`.

    Tasks that are given are kept, however rare they are. `source` and `by_hand` are for the
    definition and for the remedies of errors.
    Errors: DataError if the table is unreadable or a role is missing.
    """
    has_tasks = bool(known.tasks)
    with reading(where):
        lazy, columns, known = _with_labels(lazy, known)
        lazy = numbered(lazy)
        guesses = guess_roles(columns, known)
        _refuse_missing_roles(columns, guesses, where, by_hand)
        guesses = without_outcomes(lazy, guesses)
        if not has_tasks:
            guesses = without_flags(lazy, guesses)
        cells = _cells(lazy, guesses)
        if not cells.frequent:
            labels = " or ".join(f"'{task.name}'" for task in guesses.tasks)
            raise DataError(
                f"{where}: a value of '{cells.column}' must have {MIN_CLASS_ROWS} rows of both "
                f"classes of {labels}, {MIN_TRAINING_ROWS} of them in train and some in valid and "
                "test, and none has",
                remedy=f"add rows, or {by_hand}",
            )
        taken = cells.taken | (known.scenarios_of_tasks & {row.value for row in cells.scenarios})
        tasks = _tasks(guesses, known, cells, taken)
        if cells.cuts is not None:
            rows = with_split_codes(lazy, guesses.split, guesses.time, cells.cuts)
            guesses = without_later_values(rows, guesses)
        statistics = propose_statistics(
            lazy, guesses, cells.cuts, num_tasks=len(tasks), num_scenarios=len(taken)
        )
        rank = propose_rank(lazy, guesses, columns, next(iter(tasks.values())).column)
    return GuessedTable(
        source=source,
        columns=tuple(column for column in columns if column.name != EVERY_ROW),
        guesses=guesses,
        scenarios=cells.scenarios,
        tasks=tasks,
        cuts=cells.cuts,
        taken=taken,
        statistics=statistics,
        rank=rank,
    )


def _with_labels(
    lazy: pl.LazyFrame, known: KnownRoles
) -> tuple[pl.LazyFrame, tuple[ColumnFacts, ...], KnownRoles]:
    """The rows with the labels of thresholds, their facts, and the roles.

    Where no column can be a label, a rating is made one; where none can be the scenario or is to
    be, every row is of the only one.
    """
    if known.roles.get("scenario") == EVERY_ROW:
        lazy = lazy.with_columns(pl.lit(ONLY).alias(EVERY_ROW))
    lazy = lazy.with_columns(threshold.expression for threshold in known.thresholds)
    columns = labelled(facts_of(lazy), known.thresholds)
    guesses = guess_roles(columns, known)
    if guesses.scenario is None and columns and columns[0].rows:
        return _with_labels(lazy, replace(known, roles={**known.roles, "scenario": EVERY_ROW}))
    proposed = None
    if not (known.tasks or guesses.tasks):
        proposed = proposed_threshold([each for each in columns if each.name not in known.columns])
    if proposed is None:
        return lazy, columns, known
    return _with_labels(lazy, known.with_threshold(proposed))


@dataclass(frozen=True)
class _Cells:
    """The cuts by time, the rows of every value of a column, the labels that a study can have."""

    column: str
    cuts: Cuts | None
    scenarios: tuple[ScenarioRows, ...]
    frequent: tuple[int, ...]

    @property
    def taken(self) -> frozenset[str]:
        """The scenarios with enough rows."""
        return frozenset(row.value for row in self.scenarios if row.num_cells(self.frequent))


def _cells(lazy: pl.LazyFrame, guesses: ColumnRoles) -> _Cells:
    """Count by the cuts of the time, or at random where no label has enough rows by these."""
    assert guesses.scenario is not None, "without a column every row is of the only one"
    labels = [task.column for task in guesses.tasks]
    cuts = cut_points(lazy, guesses.time.column.key) if guesses.time else None
    for tried in dict.fromkeys((cuts, None)):
        with_codes = with_split_codes(lazy, guesses.split, guesses.time, tried)
        rows = scenario_rows(with_codes, guesses.scenario.column, labels)
        cells = _Cells(guesses.scenario.name, tried, rows, labels_of_a_study(rows, len(labels)))
        if cells.frequent or guesses.split is not None:
            break
    return cells


def _tasks(
    guesses: ColumnRoles, known: KnownRoles, cells: _Cells, taken: frozenset[str]
) -> dict[str, ColumnRole]:
    """The tasks by name: all that are given, else the frequent ones."""
    names = list(known.tasks) or task_names([task.name for task in guesses.tasks])
    labels = range(len(names)) if known.tasks else cells.frequent
    return {
        names[label]: _with_label_facts(guesses.tasks[label], label, cells.scenarios, taken)
        for label in labels
    }


def _with_label_facts(
    task: ColumnRole, label: int, scenarios: Sequence[ScenarioRows], taken: frozenset[str]
) -> ColumnRole:
    """Explain missing labels; count positives only in scenarios that have the task."""
    lacking = [row for row in scenarios if label in row.unlabelled]
    num_lacking = sum(row.rows for row in lacking)
    column = replace(
        task.column, rows=task.column.rows - num_lacking, missing=task.column.missing - num_lacking
    )
    doubts = []
    if column.has_amounts and column.has_word(RATING_WORDS):
        doubts.append("a rating as an amount? `above: 3` in place of `kind: amount` makes 0 and 1")
    absent = [row.value for row in lacking if row.value in taken]
    if absent:
        doubts.append(f"{listed(absent)} without any value are taken not to have it")
    if column.missing:
        gap = "count as no"
        if has_gaps(column):
            gap = "are left out"
        doubts.append(f"{column.missing:,} rows without a value {gap}")
    num_ones = sum(row.positives[label] for row in scenarios if row.value in taken)
    in_test = round((1 - TEST_FROM) * num_ones)
    if in_test < MIN_CLASS_ROWS:
        zeros_in_test = round((1 - TEST_FROM) * (task.column.rows - num_ones))
        _, least = expected_smallest([(max(1, in_test), zeros_in_test)], SEEDS_FOR_A_CLAIM)
        doubts.append(
            f"{num_ones:,} rows with a 1, about {in_test} of them in test: no number of seeds "
            f"shows a difference in AUC below about {rounded(least)}; add rows, or take a label "
            "that is more frequent"
        )
    reason = task.reason
    if column.positive or column.has_amounts:
        reason = label_in_words(column)
    return ColumnRole(task.column, reason, "; ".join(doubts)).doubted(task.to_check)


def _refuse_missing_roles(
    columns: Sequence[ColumnFacts], guesses: ColumnRoles, where: str, by_hand: str
) -> None:
    """Raise DataError for a table without columns, rows, a label or a feature."""
    if not columns:
        raise DataError(f"{where}: must have columns, got none")
    if columns[0].rows < 2 * MIN_CLASS_ROWS:
        raise DataError(
            f"{where}: must have at least {2 * MIN_CLASS_ROWS} rows, {MIN_CLASS_ROWS} of both "
            f"classes of a label, got {columns[0].rows}",
            remedy=f"add rows, or {by_hand}",
        )
    for task in guesses.tasks:
        _refuse_no_label(task, by_hand)
    names = listed([column.name for column in columns if column.name != EVERY_ROW])
    if not guesses.tasks:
        raise DataError(
            f"{where}: a column of 0 and 1 (a label) is needed and none was found among {names}",
            *no_labels(columns),
            remedy=f"{THRESHOLD}; else {by_hand}, or add the column",
        )
    if not (guesses.categorical or guesses.numeric):
        raise DataError(
            f"{where}: a column that can be a feature is needed and none was found among {names}",
            *(f"column '{left.name}': {left.reason}" for left in guesses.left_out),
            remedy=f"{by_hand}, or add a column that is known before the label",
        )


def _refuse_no_label(task: ColumnRole, by_hand: str) -> None:
    """Raise DataError for a column that was named as a label, and holds texts of several values."""
    column = task.column
    if task.reason != GIVEN or column.dtype.is_numeric() or column.positive or column.rule:
        return
    held = listed([value for value, _ in column.values]) or f"{in_words(column.num_values)} values"
    raise DataError(
        f"--task: '{column.name}' must hold 0 and 1, yes and no, or numbers, got {held}",
        remedy=f"name another column; or say which value is a 1 ('equals') when you {by_hand}",
    )


def cut_points(lazy: pl.LazyFrame, name: str) -> Cuts | None:
    """Two cut points as a definition writes them; None where no two cut well.

    Datetimes are cut between days if that is fine enough, else at any moment.
    """
    moments = [pl.col(name)]
    if isinstance(lazy.collect_schema()[name], pl.Datetime):
        moments = [pl.col(name).dt.date(), pl.col(name)]
    for moment in moments:
        by_moment = lazy.group_by(moment.alias("moment")).agg(pl.len().alias("rows"))
        counts = by_moment.sort("moment").collect()
        cuts = _cuts(counts["moment"].to_list(), counts["rows"].to_list())
        if cuts is not None:
            return cuts
    return None


def _cuts(moments: Sequence[Any], rows: Sequence[int]) -> Cuts | None:
    """The moments with the shares of rows before them nearest to VALID_FROM and TEST_FROM."""
    if len(moments) < 3:
        return None
    num_rows = sum(rows)
    before = [rows_before / num_rows for rows_before in accumulate(rows, initial=0)]
    valid = min(range(1, len(moments) - 1), key=lambda at: abs(before[at] - VALID_FROM))
    test = min(range(valid + 1, len(moments)), key=lambda at: abs(before[at] - TEST_FROM))
    smallest_other = min(before[test] - before[valid], 1 - before[test])
    if before[valid] < MIN_TRAIN or smallest_other < MIN_OTHER:
        return None
    return _as_text(moments[valid]), _as_text(moments[test])


def _as_text(moment: Any) -> str:
    """The cut point as text, without its zone: cut points are in the zone of the column."""
    if isinstance(moment, datetime):
        return moment.replace(tzinfo=None).isoformat()
    return moment.isoformat() if isinstance(moment, date) else str(int(moment))
