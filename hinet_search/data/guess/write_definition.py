"""Draft: write a data definition and a study for a table, with the reasons as comments."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import polars as pl

from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.data.definition_text import GuessedTable, definition_text, printable, quoted
from hinet_search.data.frequent import MIN_CLASS_ROWS, frequent_labels, scenario_rows
from hinet_search.data.guess.column_facts import ColumnFacts, facts_of, numbered
from hinet_search.data.guess.column_roles import ColumnRole, ColumnRoles, guess_roles, no_labels
from hinet_search.data.guess.lists import guess_lists
from hinet_search.data.guess.names import task_names
from hinet_search.data.guess.outcomes import without_outcomes
from hinet_search.data.guess.scenarios import doubt_features
from hinet_search.data.guess.table_sample import sample_of
from hinet_search.data.guess.target_statistics import propose_statistics
from hinet_search.data.guess.training_settings import training_settings
from hinet_search.data.guess.transforms import propose_transforms
from hinet_search.data.raw_values import listed
from hinet_search.data.reading import reading
from hinet_search.data.sources import table
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.load_study import check_study_name
from hinet_search.study.yaml_file import MAX_BYTES, read

BY_HAND = "write the definition by hand (docs/data.md)"
SIZES = ("quick", "full")  # sizes of the study that is written
LONGEST_NAME = 58  # leaves room for a size after the name of the study
STUDY = """\
# Written by `hinet-search data init`. Every key: docs/studies.md
description: {description}
data: {definition}
arms:                          # every arm gets the same budget
  hinet:
  mmoe:
  ple:
  shared_bottom:
  flat_moe: {{size_of: hinet}}   # a mixture of HiNet's size without its structure
  single:                      # a network per scenario and task: gains are measured against it
  trees:                       # gradient-boosted trees: no network
# where the search starts, for {rows} rows of training {statistics}
{settings}
pruner: none                   # patience ends poor trainings; pruning lost the best recorded ones
sizes:                         # the first one is taken where none is named
  quick:                       # to see it work
    trials: 2
    passes: {quick_passes}
    finalists: {{top: 1, seeds: 2, default: false}}
    inputs: auto               # groups of inputs that do not help on validation are left out
{quick_parameters}  full:                        # to believe: --size full
    trials: 20
    passes: {passes}
    finalists: {{top: 3, seeds: 5}}
    inputs: auto
    teaching: auto             # the best and the cheapest arms learn from all finalists
    ensemble: true             # the mean of the best finalists, if you can serve several models
"""
VALID_FROM, TEST_FROM = 0.7, 0.85  # wanted shares of the rows before each cut
MIN_TRAIN, MIN_OTHER = 0.5, 0.03  # smallest shares of train, and of valid and test


@dataclass(frozen=True)
class DraftStudy:
    """The written files, definition and study, and the lines to check with their places."""

    files: tuple[Path, Path]
    guesses_to_check: tuple[str, ...]


def write_draft(rows: Path, name: str | None, *, force: bool) -> DraftStudy:
    """Inspect a table and write data/NAME.yaml and studies/NAME.yaml into the current folder.

    Errors: DataError when the table cannot be read or has no scenario, label or feature;
    ConfigurationError for a wrong name, or when a file exists already (`force` overwrites it);
    EnvironmentFault when a file cannot be written.
    """
    chosen_name = name or _name_of(rows)
    for size in SIZES:
        check_study_name(f"{chosen_name}-{size}", "--name")
    definition = Path("data", f"{chosen_name}.yaml")
    study = Path("studies", f"{chosen_name}.yaml")
    existing = [path for path in (definition, study) if path.exists()]
    if existing and not force:
        raise ConfigurationError(
            *(f"{path} is there already" for path in existing),
            remedy="name another with --name, or write over it with --force",
        )
    described = _guessed_table(rows, _path_from(study.parent, rows))
    text = definition_text(described)
    num_bytes = len(text.encode())
    if num_bytes > MAX_BYTES:
        raise DataError(
            f"{rows}: a definition must be at most {MAX_BYTES:,} bytes, got {num_bytes:,} for "
            f"{len(described.columns):,} columns",
            remedy="write a table of the columns that matter, with shorter names",
        )
    _write(definition, text)
    _write(study, _study_text(described, rows.name, os.path.relpath(definition, study.parent)))
    written = read(definition)
    written.parse(DataDefinition)
    return DraftStudy((definition, study), written.guesses_to_check)


def _study_text(described: GuessedTable, table_name: str, definition: str) -> str:
    taken = [scenario.rows for scenario in described.scenarios if scenario.value in described.taken]
    num_rows = round(VALID_FROM * sum(taken))
    has_statistics = described.statistics is not None and bool(described.statistics.keys)
    settings = training_settings(num_rows, has_statistics=has_statistics)
    return STUDY.format(
        description=printable(quoted(f"What is best for {table_name}?")),
        definition=definition,
        rows=f"about {num_rows:,}",
        statistics="with statistics" if has_statistics else "without statistics",
        settings="\n".join(settings.lines()),
        passes=settings.passes,
        quick_passes=settings.quick_passes,
        quick_parameters="".join(f"    {line}\n" for line in settings.quick_lines()),
    )


def _name_of(rows: Path) -> str:
    """The name of a study for a table: its file name, without what a name must not have."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", rows.stem).strip("._-")
    return name[:LONGEST_NAME] or "rows"


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentFault(
            f"{path} cannot be written: {error.strerror}",
            remedy="go to a folder that can be written",
        ) from error


def _path_from(folder: Path, rows: Path) -> str:
    """The path of the rows relative to a folder; unchanged for rows in the data folder."""
    text = str(rows)
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ConfigurationError(
            f"TABLE must be a path in UTF-8, got {text!a}", remedy="rename the file"
        )
    local = Path.cwd().resolve() / rows
    first = table.find(text, Path.cwd(), "TABLE")[0]
    is_local = first == local or first.match(str(local))
    return os.path.relpath(rows, folder) if is_local else text


def _guessed_table(rows: Path, path: str) -> GuessedTable:
    """The table and what its columns mean; DataError if unreadable or if a role is missing."""
    lazy = table.scan(str(rows), Path.cwd(), "TABLE")
    with reading(str(rows)):
        columns = facts_of(lazy)
        lazy = numbered(lazy)
        guesses, lists = guess_lists(lazy, _guessed(columns, rows))
        sample = sample_of(lazy, guesses)
        guesses = doubt_features(sample, without_outcomes(sample, guesses))
        assert guesses.scenario is not None, "_guessed raises without a scenario"
        labels = [task.column for task in guesses.tasks]
        scenarios = scenario_rows(lazy, guesses.scenario.column, labels)
        cuts = cut_points(lazy, guesses.time.column.key) if guesses.time else None
        numeric = [role.column for role in guesses.numeric]
        transforms = propose_transforms(lazy, numeric, [column.name for column in columns])
    frequent = frequent_labels(scenarios, len(labels))
    if not frequent:
        raise DataError(_too_few(rows, guesses), remedy=f"add rows, or {BY_HAND}")
    names = task_names([label.name for label in labels])
    rare = [guesses.tasks[label] for label in range(len(labels)) if label not in frequent]
    taken = frozenset(row.value for row in scenarios if row.has_all(frequent))
    tasks = {names[label]: guesses.tasks[label] for label in frequent}
    with reading(str(rows)):
        statistics = propose_statistics(lazy, columns, guesses, list(tasks), cuts, len(taken))
    return GuessedTable(
        path=path,
        columns=columns,
        guesses=guesses,
        scenarios=scenarios,
        tasks=tasks,
        rare=tuple(_rare(task) for task in rare),
        cuts=cuts,
        taken=taken,
        statistics=statistics,
        transforms=transforms,
        lists=lists,
    )


def _guessed(columns: Sequence[ColumnFacts], rows: Path) -> ColumnRoles:
    """Guess the roles of columns; DataError when there is no scenario, label or feature."""
    if not columns:
        raise DataError(f"{rows}: must have columns, got none")
    if columns[0].rows < 2 * MIN_CLASS_ROWS:
        raise DataError(
            f"{rows}: must have at least {2 * MIN_CLASS_ROWS} rows, {MIN_CLASS_ROWS} of both "
            f"classes of a label, got {columns[0].rows}",
            remedy=f"add rows, or {BY_HAND}",
        )
    guesses = guess_roles(columns)
    names = listed([column.name for column in columns])
    if guesses.scenario is None or not guesses.tasks:
        missing = "few values (a scenario)" if guesses.scenario is None else "0 and 1 (a label)"
        raise DataError(
            f"{rows}: a column of {missing} is needed and none was found among {names}",
            *(no_labels(columns) if not guesses.tasks else ()),
            remedy=f"{BY_HAND}, or add the column",
        )
    if not (guesses.categorical or guesses.numeric):
        raise DataError(
            f"{rows}: a column that can be a feature is needed and none was found among {names}",
            *(f"column '{left.column.name}': {left.reason}" for left in guesses.left_out),
            remedy=f"{BY_HAND}, or add a column that is known before the label",
        )
    return guesses


def _too_few(rows: Path, guesses: ColumnRoles) -> str:
    assert guesses.scenario is not None, "_guessed raises without a scenario"
    labels = " or ".join(f"'{task.column.name}'" for task in guesses.tasks)
    return (
        f"{rows}: a value of '{guesses.scenario.column.name}' must have {MIN_CLASS_ROWS} rows of "
        f"both classes of {labels}, and none has"
    )


def _rare(task: ColumnRole) -> ColumnRole:
    reason = f"a label with fewer than {MIN_CLASS_ROWS} rows of a class in most scenarios"
    return ColumnRole(task.column, reason)


def cut_points(lazy: pl.LazyFrame, name: str) -> tuple[str, str] | None:
    """Two cut points as a definition writes them; None where no two cut well.

    Datetimes are cut between days if that is fine enough, else at any moment.
    """
    dtype = lazy.collect_schema()[name]
    moments = [pl.col(name)]
    if isinstance(dtype, pl.Datetime):
        moments = [pl.col(name).dt.date(), pl.col(name)]
    for moment in moments:
        counts = (
            lazy.group_by(moment.alias("moment"))
            .agg(pl.len().alias("rows"))
            .sort("moment")
            .collect()
        )
        cuts = _cuts(counts["moment"].to_list(), counts["rows"].to_list())
        if cuts is not None:
            return cuts
    return None


def _cuts(moments: Sequence[Any], rows: Sequence[int]) -> tuple[str, str] | None:
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
