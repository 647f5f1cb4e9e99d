"""Draft: write a data definition and a study for a table, with the reasons as comments."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hinet_search.common.errors import (
    ConfigurationError,
    DataError,
    EnvironmentFault,
    did_you_mean,
)
from hinet_search.data.definition_text import GuessedTable, definition_text, printable, quoted
from hinet_search.data.guess.guess_table import guessed_table
from hinet_search.data.guess.names import task_names
from hinet_search.data.guess.roles import KnownRoles
from hinet_search.data.guess.training_settings import training_settings
from hinet_search.data.object_stores.address import is_url
from hinet_search.data.object_stores.copies import local_path
from hinet_search.data.raw_values import listed
from hinet_search.data.reading import reading
from hinet_search.data.sources import table
from hinet_search.data.table_files import ROOT, find
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import check_study_name
from hinet_search.study.yaml_file import MAX_BYTES, read

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
    weight: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> DraftStudy:
    """Inspect a table and write data/NAME.yaml and studies/NAME.yaml into the current folder.

    `tasks` are the columns of the labels; without any they are guessed. `weight` is that of the
    weights of rows, without which all count alike. A table at a URL is copied
    into the cache; `say` gets the progress.
    Errors: DataError when the table cannot be read or has no scenario, label or feature;
    ConfigurationError for a wrong name, or when a file exists already (`force` overwrites it);
    EnvironmentFault when a file cannot be written; those of `local_path`.
    """
    given = os.fspath(rows)
    file_name = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(given).stem).strip("._-")
    chosen_name = name or file_name[:LONGEST_NAME] or "rows"
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
    path = _path_from(study.parent, given)
    local = local_path(given, "TABLE", LaunchOptions().cache, say)
    lazy = table.scan(local, Path.cwd(), "TABLE")
    described = guessed_table(lazy, given, path, _roles_of(tasks, weight, lazy, given))
    text = definition_text(described)
    num_bytes = len(text.encode())
    if num_bytes > MAX_BYTES:
        raise DataError(
            f"{given}: a definition must be at most {MAX_BYTES:,} bytes, got {num_bytes:,} for "
            f"{len(described.columns):,} columns",
            remedy="write a table of the columns that matter, with shorter names",
        )
    _write(definition, text)
    _write(
        study, _study_text(described, Path(given).name, os.path.relpath(definition, study.parent))
    )
    written = read(definition)
    written.parse(DataDefinition)
    return DraftStudy((definition, study), written.guesses_to_check)


def _roles_of(
    tasks: Sequence[str], weight: str | None, lazy: pl.LazyFrame, where: str
) -> KnownRoles:
    """The roles of the columns that are named by options; DataError for a name without a column."""
    named = [("--task", task) for task in tasks]
    if weight is not None:
        named.append(("--weight", weight))
    with reading(where):
        columns = lazy.collect_schema().names() if named else []
    unknown = [(option, name) for option, name in named if name not in columns]
    if unknown:
        raise DataError(
            *(
                f"{option}: no column '{name}'{did_you_mean(name, columns)}"
                for option, name in unknown
            ),
            remedy=f"its columns: {listed(columns)}",
        )
    if weight in tasks:
        raise DataError(
            f"--weight: must be a column of its own, got the task {weight}",
            remedy="name another column, or leave --weight out",
        )
    labels = list(dict.fromkeys(tasks))
    return KnownRoles(tasks=dict(zip(task_names(labels), labels, strict=True)), weight=weight)


def _study_text(described: GuessedTable, table_name: str, definition: str) -> str:
    settings = training_settings(
        described.num_training_rows,
        has_statistics=described.has_statistics,
        has_numbers=described.has_numbers,
    )
    return STUDY.format(
        description=printable(quoted(f"What is best for {table_name}?")),
        definition=definition,
        rows=f"about {described.num_training_rows:,}",
        statistics=f"{'with' if described.has_statistics else 'without'} statistics",
        settings="\n".join(settings.lines()),
        passes=settings.passes,
        quick_passes=settings.quick_passes,
        quick_parameters="".join(f"    {line}\n" for line in settings.quick_lines()),
    )


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentFault(
            f"{path} cannot be written: {error.strerror}",
            remedy="go to a folder that can be written",
        ) from error


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
