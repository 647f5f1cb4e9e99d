"""Sketch: a data definition and a study for a table that nobody has described yet, written with reasons as comments."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hinet_search.data.cuts import cut_points
from hinet_search.data.facts import ColumnFacts, facts_of
from hinet_search.data.guesses import Guess, Guesses, guess, words_of
from hinet_search.data.matching import as_text
from hinet_search.data.sources import table
from hinet_search.definition import DataDefinition
from hinet_search.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.study import check_study_name
from hinet_search.yaml_file import read

FEWEST_POSITIVES = 30  # of a task in a scenario that is taken into the study
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
WORDS_OF_YAML = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
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
  single:                      # a network for every scenario and task: gains are measured against it
  trees:                       # gradient-boosted trees without ids
sizes:                         # the first one is taken where none is named
  quick: {{trials: 3, passes: 2, finalists: {{top: 1, seeds: 2}}}}   # to see that everything works
  full: {{trials: 20, passes: 4, finalists: {{top: 3, seeds: 5}}}}   # to believe: --size full
"""


@dataclass(frozen=True)
class Sketch:
    """What was written: the definition and the study, and the guesses to look at, with their places."""

    files: tuple[Path, Path]
    doubts: tuple[str, ...]


def write_sketch(rows: Path, name: str | None, *, force: bool) -> Sketch:
    """Look at a table and write data/NAME.yaml and studies/NAME.yaml into the current folder.

    Errors: DataError when the table cannot be read or holds no scenario or label, ConfigurationError for a name or when
    a file is there already (`force` writes over it).
    """
    chosen = name or re.sub(r"[^A-Za-z0-9._-]+", "_", rows.stem).strip("._-") or "rows"
    check_study_name(chosen, "--name")
    definition, study = Path("data", f"{chosen}.yaml"), Path("studies", f"{chosen}.yaml")
    there = [path for path in (definition, study) if path.exists() and not force]
    if there:
        raise ConfigurationError(
            *(f"{path} is there already" for path in there),
            remedy="name another with --name, or write over it with --force",
        )
    lazy = table.scan(str(rows), Path.cwd(), "TABLE")
    text = "\n".join([*_definition_lines(lazy, rows, os.path.relpath(rows, study.parent)), ""])
    texts = {
        definition: text,
        study: STUDY.format(
            description=_quoted(f"What is best for {rows.name}?"), definition=os.path.relpath(definition, study.parent)
        ),
    }
    for path, content in texts.items():
        _write(path, content)
    written = read(definition)
    written.parse(DataDefinition)
    return Sketch((definition, study), written.doubts)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentFault(
            f"{path} cannot be written: {error.strerror}", remedy="go to a folder that can be written"
        ) from error


def _guessed(columns: Sequence[ColumnFacts], rows: Path) -> Guesses:
    found = guess(columns)
    if found.scenario is None or not found.tasks:
        missing = "few values (a scenario)" if found.scenario is None else "0 and 1 (a label)"
        raise DataError(
            f"{rows}: a column of {missing} is needed and none was found among {', '.join(one.name for one in columns)}",
            remedy="write the definition by hand (docs/data.md), or add the column",
        )
    return found


def _definition_lines(lazy: pl.LazyFrame, rows: Path, path: str) -> Iterator[str]:
    """The lines of the definition of a table that is at `path` from the study's folder."""
    columns = facts_of(lazy)
    found = _guessed(columns, rows)
    yield f"# Guessed from {columns[0].rows:,} rows of {len(columns)} columns. Every key: docs/data.md. Look at lines with a 'check'."
    yield f"source: {{kind: table, path: {_quoted(path)}}}"
    yield from _scenario_lines(lazy, found)
    yield "tasks:                # in the order of the funnel: the most frequent first"
    for one in found.tasks:
        yield _remarked(f"  {_quoted(_task_name(one.column))}: {{{_label(one)}}}", one)
    for key, somebody in (("user", found.user), ("item", found.item), ("time", found.time)):
        if somebody:
            yield _remarked(f"{key}: {_quoted(somebody.column.name)}", somebody)
    yield from _feature_lines(found)
    yield from _split_lines(lazy, found)
    yield from _left_out_lines(found.left_out)


def _scenario_lines(lazy: pl.LazyFrame, found: Guesses) -> Iterator[str]:
    """The scenario with the values that have enough of both classes of every task; others stand in comments."""
    assert found.scenario is not None, "the caller has looked"
    column = found.scenario.column
    positives = [_positive(one).sum().alias(f"positives {index}") for index, one in enumerate(found.tasks)]
    counts = lazy.group_by(column.name).agg(pl.len().alias("rows of it"), *positives).drop_nulls(column.name).collect()
    counts = counts.with_columns(as_text(counts[column.name]).alias("text of it")).sort("rows of it", descending=True)
    yield "scenario:"
    yield _remarked(f"  column: {_quoted(column.name)}", found.scenario)
    yield "  values:             # value in the table: name in the report"
    for row in counts.iter_rows(named=True):
        of_tasks = [row[f"positives {index}"] for index in range(len(found.tasks))]
        told = ", ".join(
            f"{_task_name(task.column)} {count:,}" for task, count in zip(found.tasks, of_tasks, strict=True)
        )
        enough = all(FEWEST_POSITIVES <= count <= row["rows of it"] - FEWEST_POSITIVES for count in of_tasks)
        value = row["text of it"]
        line = f"{_value(value, column)}: {_quoted(value)}"
        reason = f"{row['rows of it']:,} rows; {told}"
        yield f"    {line}   # {reason}" if enough else f"    # {line}   left out, too few of a class: {reason}"


def _feature_lines(found: Guesses) -> Iterator[str]:
    yield "features:"
    for kind, guesses in (("categorical", found.categorical), ("numeric", found.numeric)):
        if guesses:
            yield f"  {kind}:"
            yield from (_remarked(f"    - {_quoted(one.column.name)}", one) for one in guesses)
    if found.outcomes:
        yield "never_features:"
        yield from (_remarked(f"  - {_quoted(one.column.name)}", one) for one in found.outcomes)
    if any(one.column.not_finite for one in found.numeric):
        yield "not_finite: impute    # NaN and infinity become the mean of training, with a flag"


def _split_lines(lazy: pl.LazyFrame, found: Guesses) -> Iterator[str]:
    cuts = cut_points(lazy, found.time.column.name) if found.time else None
    if cuts is not None:
        yield f"split: {{by: time, valid_from: {cuts[0]}, test_from: {cuts[1]}}}   # about 70, 15 and 15 % of the rows"
    else:
        yield "split: {by: random}   # check: no column splits by time, which is the honest way"


def _left_out_lines(guesses: Sequence[Guess]) -> Iterator[str]:
    if guesses:
        yield "# Left out:"
        yield from (f"#   {_quoted(one.column.name)}: {one.reason}" for one in guesses)


def _remarked(line: str, one: Guess) -> str:
    """A line with its reason, or with what to look at."""
    return f"{line}   # check: {one.reason}; {one.doubt}" if one.doubt else f"{line}   # {one.reason}"


def _label(one: Guess) -> str:
    column = f"column: {_quoted(one.column.name)}"
    return column if one.column.is_binary else f"{column}, above: 0"


def _positive(one: Guess) -> pl.Expr:
    column = pl.col(one.column.name)
    return column.cast(pl.Int64) > 0


def _task_name(column: ColumnFacts) -> str:
    """`is_click` and `Was clicked?` as a name without spaces or brackets."""
    words = [word for word in words_of(column.name) if word not in ("is", "was", "has", "did")]
    return "_".join(words) or column.name


def _value(text: str, column: ColumnFacts) -> str:
    """A value of the table as a key: numbers, true and false as they are, texts in quotes where they need them."""
    return text if column.is_number or column.dtype == pl.Boolean else _quoted(text)


def _quoted(text: str) -> str:
    """A text as YAML takes it, for one."""
    plain = PLAIN.fullmatch(text) and text.lower() not in WORDS_OF_YAML
    return text if plain else json.dumps(text, ensure_ascii=False)
