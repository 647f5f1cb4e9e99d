"""Draft files: a data definition and a study that are generated, written side by side."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.load_study import check_study_name
from hinet_search.study.yaml_file import MAX_BYTES, read

STUDIES = Path("studies")
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


@dataclass(frozen=True)
class DraftPaths:
    """Where a definition and a study are to be written."""

    name: str
    definition: Path
    study: Path


@dataclass(frozen=True)
class StudyText:
    """What differs between generated studies; all but numbers are whole lines of YAML."""

    description: str
    settings: Sequence[str]
    passes: int
    quick_passes: int
    quick_parameters: Sequence[str] = ()

    def text(self, definition: str) -> str:
        """Return the study; `definition` is the path of its definition."""
        return STUDY.format(
            description=self.description,
            definition=definition,
            settings="\n".join(self.settings),
            passes=self.passes,
            quick_passes=self.quick_passes,
            quick_parameters=_lines(self.quick_parameters),
        )


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def draft_paths(name: str | None, source: str, *, force: bool) -> DraftPaths:
    """Return where to write; without a name that of `source`.

    ConfigurationError for a wrong name, or when a file exists already (`force` overwrites it).
    """
    of_source = re.sub(r"[^A-Za-z0-9._-]+", "_", source).strip("._-")
    chosen = name or of_source[:LONGEST_NAME] or "rows"
    for size in SIZES:
        check_study_name(f"{chosen}-{size}", "--name")
    paths = DraftPaths(chosen, Path("data", f"{chosen}.yaml"), STUDIES / f"{chosen}.yaml")
    existing = [path for path in (paths.definition, paths.study) if path.exists()]
    if existing and not force:
        raise ConfigurationError(
            *(f"{path} is there already" for path in existing),
            remedy="name another with --name, or write over it with --force",
        )
    return paths


def check_size(definition: str, source: str, num_columns: int) -> None:
    """Raise DataError for a definition that is too large to be read."""
    num_bytes = len(definition.encode())
    if num_bytes > MAX_BYTES:
        raise DataError(
            f"{source}: a definition must be at most {MAX_BYTES:,} bytes, got {num_bytes:,} for "
            f"{num_columns:,} columns",
            remedy="write a table of the columns that matter, with shorter names",
        )


def write_drafts(paths: DraftPaths, definition: str, study: StudyText) -> DraftStudy:
    """Write both files.

    Errors: ConfigurationError for a study that is too large to be read, EnvironmentFault when a
    file cannot be written.
    """
    text = study.text(os.path.relpath(paths.definition, paths.study.parent))
    num_bytes = len(text.encode())
    if num_bytes > MAX_BYTES:
        raise ConfigurationError(
            f"{paths.study}: a study must be at most {MAX_BYTES:,} bytes, got {num_bytes:,} with "
            "its comments"
        )
    _write(paths.definition, definition)
    _write(paths.study, text)
    written = read(paths.definition)
    written.parse(DataDefinition)
    to_check = (*written.guesses_to_check, *read(paths.study).guesses_to_check)
    return DraftStudy((paths.definition, paths.study), to_check)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentFault(
            f"{path} cannot be written: {error.strerror}",
            remedy="go to a folder that can be written",
        ) from error
