"""Draft: write a data definition and a study for a table, with the reasons as comments."""

import os
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import polars as pl

from hinet_search.common.errors import DataError, did_you_mean
from hinet_search.data.columns import SPLITS
from hinet_search.data.definition_text import GuessedTable, definition_text, printable, quoted
from hinet_search.data.draft_files import (
    STUDIES,
    DraftStudy,
    StudyText,
    check_size,
    draft_paths,
    write_drafts,
)
from hinet_search.data.formats.suffixes import stem_of
from hinet_search.data.guess.draft_rows import rows_at, scanned
from hinet_search.data.guess.guess_table import guessed_table
from hinet_search.data.guess.names import parts_of, task_names
from hinet_search.data.guess.roles import KnownRoles
from hinet_search.data.guess.thresholds import refuse_thresholds, threshold_of
from hinet_search.data.guess.training_settings import training_settings
from hinet_search.data.raw_values import listed
from hinet_search.data.reading import reading

MOST_SPLITS = 10  # values that are looked at


def write_draft(
    rows: str | os.PathLike[str],
    name: str | None,
    *,
    force: bool,
    tasks: Sequence[str] = (),
    roles: Mapping[str, str] = MappingProxyType({}),
    say: Callable[[str], None] = lambda _: None,
) -> DraftStudy:
    """Inspect a table and write data/NAME.yaml and studies/NAME.yaml into the current folder.

    `tasks` are the columns of the labels, or thresholds such as `liked=rating>3`; without any they
    are guessed. `roles` are columns by role: scenario, user, item, time, split and weight. A table
    at a URL is copied into the cache; `say` gets the progress.
    Errors: DataError when the table cannot be read or has no scenario, label or feature;
    ConfigurationError for a wrong name, or when a file exists already (`force` overwrites it);
    EnvironmentFault when a file cannot be written; those of `rows_at` and `scanned`.
    """
    given = os.fspath(rows)
    paths = draft_paths(name, stem_of(given), force=force)
    found = rows_at(given, STUDIES)
    lazy = scanned(found, say)
    known = _roles_of(tasks, roles, lazy, found.shown)
    described = guessed_table(lazy, found.shown, found.source, known)
    text = definition_text(described)
    check_size(text, found.shown, len(described.columns))
    return write_drafts(paths, text, _study_text(described, stem_of(given)))


def _roles_of(
    tasks: Sequence[str], roles: Mapping[str, str], lazy: pl.LazyFrame, where: str
) -> KnownRoles:
    """The roles of the columns that are named by options; DataError for a name without a column."""
    with reading(where):
        schema = lazy.collect_schema() if tasks or roles else pl.Schema()
    thresholds = {text: threshold_of(text) for text in tasks if text not in schema}
    made = [threshold for threshold in thresholds.values() if threshold is not None]
    named = [(f"--{role}", name) for role, name in roles.items()]
    named += [("--task", threshold.column) for threshold in made]
    named += [("--task", text) for text in tasks if thresholds.get(text) is None]
    _refuse_unknown(named, schema.names())
    _refuse_two_roles(named)
    _refuse_no_time(roles.get("time"), schema)
    _refuse_no_split(roles.get("split"), lazy)
    refuse_thresholds(made, schema)
    labels = list(dict.fromkeys(text for text in tasks if text not in thresholds))
    known = KnownRoles(
        tasks=dict(zip(task_names(labels), labels, strict=True)),
        scenario=roles.get("scenario"),
        user=roles.get("user"),
        item=roles.get("item"),
        time=roles.get("time"),
        split=roles.get("split"),
        weight=roles.get("weight"),
    )
    for threshold in made:
        known = known.with_threshold(threshold)
    return known


def _refuse_no_time(name: str | None, schema: pl.Schema) -> None:
    if name is not None and not (schema[name].is_numeric() or schema[name].is_temporal()):
        raise DataError(
            f"--time: '{name}' must hold dates or numbers, got {schema[name]}",
            remedy="name another column, or leave --time out",
        )


def _refuse_no_split(name: str | None, lazy: pl.LazyFrame) -> None:
    if name is None:
        return
    values = lazy.select(pl.col(name).unique().head(MOST_SPLITS).cast(pl.String)).collect()
    texts = sorted(values[name].drop_nulls())
    if len(parts_of(texts)) != len(SPLITS):
        raise DataError(
            f"--split: '{name}' must have one value for each of train, valid and test, "
            f"got {listed(texts)}",
            remedy="name another column, or leave --split out",
        )


def _refuse_unknown(named: Sequence[tuple[str, str]], columns: Sequence[str]) -> None:
    """Raise DataError for options with names of no column."""
    unknown = [
        f"{option}: no column '{name}'{did_you_mean(name, columns)}"
        for option, name in named
        if name not in columns
    ]
    if unknown:
        raise DataError(*unknown, remedy=f"its columns: {listed(columns)}")


def _refuse_two_roles(named: Sequence[tuple[str, str]]) -> None:
    """Raise DataError where options give a column two roles; tasks can share one."""
    options_of: dict[str, list[str]] = {}
    for option, name in dict.fromkeys(named):
        options_of.setdefault(name, []).append(option)
    for name, options in options_of.items():
        if len(options) > 1:
            raise DataError(
                f"{options[0]}: must be a column of its own, got '{name}', as {options[1]} is",
                remedy=f"name another column, or leave {options[0]} out",
            )


def _study_text(described: GuessedTable, table_name: str) -> StudyText:
    settings = training_settings(
        described.num_training_rows,
        has_statistics=described.has_statistics,
        has_numbers=described.has_numbers,
        num_ids=described.num_ids,
    )
    rows = f"about {described.num_training_rows:,} rows of training"
    statistics = f"{'with' if described.has_statistics else 'without'} statistics"
    return StudyText(
        description=printable(quoted(f"What is best for {table_name}?")),
        settings=[f"# where the search starts, for {rows} {statistics}", *settings.lines()],
        passes=settings.passes,
        quick_passes=settings.quick_passes,
        quick_parameters=[f"    {line}" for line in settings.quick_lines()],
    )
