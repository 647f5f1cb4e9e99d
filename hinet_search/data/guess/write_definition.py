"""Draft: write a data definition and a study for a table, with the reasons as comments."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import polars as pl

from hinet_search.common.errors import ConfigurationError, DataError, did_you_mean
from hinet_search.common.files import write_text
from hinet_search.data.columns import SPLITS
from hinet_search.data.formats.csv_dialect import in_words
from hinet_search.data.formats.known_formats import stem_of
from hinet_search.data.guess.definition_text import GuessedTable, definition_text, printable, quoted
from hinet_search.data.guess.guess_table import guessed_table
from hinet_search.data.guess.names import parts_of, task_names
from hinet_search.data.guess.roles import NO_SCENARIO, NOTHING_GIVEN, KnownRoles
from hinet_search.data.guess.thresholds import refuse_thresholds, threshold_of
from hinet_search.data.raw_values import listed
from hinet_search.data.reading import reading
from hinet_search.data.sources import table as table_source
from hinet_search.data.stores import is_url, local_path
from hinet_search.data.table_files import ROOT, find
from hinet_search.study.data_definition import EVERY_ROW, DataDefinition
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import check_study_name
from hinet_search.study.yaml_file import MAX_BYTES, read

MOST_SPLITS = 10  # values that are looked at
STUDIES = Path("studies")
SIZES = ("quick", "full")  # sizes of the study that is written
LONGEST_NAME = 58  # leaves room for a size after the name of the study
STUDY = """\
# Written by `hinet-search data init`. Every key: docs/studies.md
description: {description}
data: ../data/{name}.yaml
arms:                          # every arm gets the same budget
  hinet:
  mmoe:
  ple:
  shared_bottom:
  flat_moe: {{size_of: hinet}}   # a mixture of HiNet's size without its structure
  single:                      # a network per scenario and task: gains are measured against it
  trees:                       # gradient-boosted trees: no network
# where the search starts, for {rows}
{settings}
pruner: none                   # patience ends poor trainings; pruning lost the best recorded ones
sizes:                         # the first one is taken where none is named
  quick:                       # to see it work
    trials: 2
    epochs: {quick_epochs}
    finalists: {{top: 1, seeds: 2, default: false}}
    inputs: auto               # groups of inputs that do not help on validation are left out
{quick_parameters}  full:                        # to believe: --size full
    trials: 20
    epochs: {epochs}
    finalists: {{top: 3, seeds: 5}}
    inputs: auto
    teaching: auto             # the best and the cheapest arms learn from all finalists
    ensemble: true             # the mean of the best finalists, if you can serve several models
    choices: auto              # what the search's choices are worth in the best finalist
"""


@dataclass(frozen=True)
class DraftStudy:
    """The written files, definition and study, and the lines to check with their places."""

    files: tuple[Path, Path]
    guesses_to_check: tuple[str, ...]


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
    are guessed. `roles` are columns by role: scenario, user, item, time, split and weight; the
    scenario may be none. A table at a URL is copied into the cache; `say` gets the progress.
    Errors: DataError when the table cannot be read, or has no scenario, label or feature, or too
    many columns; ConfigurationError for a wrong name or path, or when a file exists already
    (`force` overwrites it); EnvironmentFault when a file cannot be written.
    """
    path = os.fspath(rows)
    name = _free_name(name, stem_of(path), force=force)
    source = {"kind": "table", "path": _path_from(STUDIES, path)}
    cache = LaunchOptions().cache
    local = local_path(path, "TABLE", cache, say)
    lazy = table_source.scan(local, Path.cwd(), cache, "TABLE")
    file = find(local, Path.cwd(), "TABLE").files[0]
    if dialect := in_words(file):
        say(f"{file}: read with {dialect}")
    table = guessed_table(lazy, path, source, _roles_of(tasks, roles, lazy, path))
    text = definition_text(table)
    num_bytes = len(text.encode())
    if num_bytes > MAX_BYTES:
        raise DataError(
            f"{path}: a definition must be at most {MAX_BYTES:,} bytes, got {num_bytes:,} for "
            f"{len(table.columns):,} columns",
            remedy="write a table of the columns that matter, with shorter names",
        )
    definition, study = _files(name)
    write_text(definition, text)
    write_text(study, _study_text(table, name, stem_of(path)))
    written = read(definition)
    written.parse(DataDefinition)
    to_check = (*written.guesses_to_check, *read(study).guesses_to_check)
    return DraftStudy((definition, study), to_check)


def _files(name: str) -> tuple[Path, Path]:
    return Path("data", f"{name}.yaml"), STUDIES / f"{name}.yaml"


def _free_name(name: str | None, stem: str, *, force: bool) -> str:
    """The name of the study, by default the name of its table.

    ConfigurationError for a wrong name, or when a file exists already (`force` overwrites it).
    """
    of_table = re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")
    name = name or of_table[:LONGEST_NAME] or "rows"
    for size in SIZES:
        check_study_name(f"{name}-{size}", "--name")
    existing = [path for path in _files(name) if path.exists()]
    if existing and not force:
        raise ConfigurationError(
            *(f"{path} is there already" for path in existing),
            remedy="name another with --name, or write over it with --force",
        )
    return name


def _path_from(folder: Path, rows: str) -> str:
    """The path of the rows relative to a folder; unchanged for a URL and in the data folder."""
    if any("\ud800" <= letter <= "\udfff" for letter in rows):
        raise ConfigurationError(
            f"TABLE must be a path in UTF-8, got {rows!a}", remedy="rename the file"
        )
    if is_url(rows):
        return rows
    is_in_data_folder = find(rows, Path.cwd(), "TABLE").base not in (Path.cwd().resolve(), ROOT)
    return rows if is_in_data_folder else os.path.relpath(rows, folder)


def _study_text(table: GuessedTable, name: str, table_name: str) -> str:
    settings = table.settings
    with_or_without = "with" if table.statistics.keys else "without"
    return STUDY.format(
        description=printable(quoted(f"What is best for {table_name}?")),
        name=name,
        rows=f"about {table.num_training_rows:,} rows of training {with_or_without} statistics",
        settings="\n".join(settings.lines()),
        epochs=settings.epochs,
        quick_epochs=settings.quick_epochs,
        quick_parameters="".join(f"    {line}\n" for line in settings.quick_lines()),
    )


def _roles_of(
    tasks: Sequence[str], roles: Mapping[str, str], lazy: pl.LazyFrame, where: str
) -> KnownRoles:
    """The roles of the columns that are named by options; DataError for a name without a column."""
    if not (tasks or roles):
        return NOTHING_GIVEN
    with reading(where):
        schema = lazy.collect_schema()
    thresholds = {text: threshold_of(text) for text in tasks if text not in schema}
    made = [threshold for threshold in thresholds.values() if threshold is not None]
    if roles.get("scenario") == NO_SCENARIO:
        roles = {**roles, "scenario": EVERY_ROW}
    named = [(f"--{role}", name) for role, name in roles.items() if name != EVERY_ROW]
    named += [("--task", threshold.column) for threshold in made]
    named += [("--task", text) for text in tasks if thresholds.get(text) is None]
    _refuse_unknown(named, schema.names())
    _refuse_two_roles(named)
    _refuse_no_time(roles.get("time"), schema)
    _refuse_no_split(roles.get("split"), lazy)
    refuse_thresholds(made, schema)
    labels = list(dict.fromkeys(text for text in tasks if text not in thresholds))
    known = KnownRoles(roles, dict(zip(task_names(labels), labels, strict=True)))
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
