"""Get: convert a published data set into the tables and the study that our results are made of.

An interrupted conversion goes on with the tables that it lacks.

Nothing is downloaded: most licences forbid passing the files on, so a user unpacks them first.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from hinet_search.common.errors import (
    ConfigurationError,
    DataError,
    EnvironmentFault,
    did_you_mean,
    shortened,
)
from hinet_search.common.files import replacing
from hinet_search.common.plugins import load, names
from hinet_search.data.raw_text import Tell
from hinet_search.study.find_file import SHARED, shipped_folder

Stamp = list[int]  # of a file: bytes, and when it was written last

FAMILIES = "hinet_search.data.published"
ROWS_PER_GROUP = 2**17  # of a table: few and large groups are small to describe and fast to read

STUDY = """\
description: {description}
data: {definition}
arms:
  hinet:
  mmoe:
  ple:
  hmoe:
  star:
  shared_bottom:
  flat_moe: {{size_of: hinet}}
  single:
seed: 1
slots: 2
sizes:                         # the first one is taken where none is named
  quick:                       # to see it work
    trials: 2
    passes: {quick_passes:g}
    finalists: {{top: 1, seeds: 2, default: false}}
  full:                        # to believe: --size full
    trials: 8
    passes: {passes}
    finalists: {{top: 1, seeds: 5}}
"""
QUICK = 20  # times as many passes has the full size

Files = Mapping[str, tuple[Path, ...]]  # the files of a data set by their names or globs
MakeTable = Callable[[Files, Tell], Iterator[pl.DataFrame]]


@dataclass(frozen=True)
class StudyTexts:
    """A study and its data definition, as YAML; `definition_name` is what the study calls it."""

    name: str
    text: str
    definition_name: str
    definition: str


@dataclass(frozen=True)
class PublishedDataSet:
    """A data set: where it is published, its files, and what is made of them.

    The files lie in one of `folders`, relative to the folder that the user names; `other_forms` are
    the files of other forms in which it is passed on. `tables` are the functions that yield the
    rows of every table from the files of any form, by its path below the output folder.
    """

    name: str
    published_at: str
    folders: tuple[str, ...]
    files: tuple[str, ...]
    tables: Mapping[str, MakeTable]
    study: Callable[[], StudyTexts]
    other_forms: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Converted:
    """The files with the rows of tables; `kept` are tables that an interrupted run had written."""

    tables: Mapping[Path, int]
    kept: tuple[Path, ...]
    definition: Path
    study: Path


def known_data_sets() -> dict[str, PublishedDataSet]:
    """Every data set of every family by name."""
    data_sets: dict[str, PublishedDataSet] = {}
    for family in names(FAMILIES):
        data_sets |= {data_set.name: data_set for data_set in load(FAMILIES, family).DATA_SETS}
    return dict(sorted(data_sets.items()))


def get(name: str, folder: Path, output: Path, tell: Tell, *, force: bool = False) -> Converted:
    """Convert the published files in `folder` into `output`; every file is whole or absent.

    The study is written last. After an interruption, tables that were written from the same files
    are kept; `force` writes them again.
    Errors: ConfigurationError for an unknown name, or when the study exists (`force` overwrites
    it); DataError for files that are missing or broken; EnvironmentFault when one cannot be
    written.
    """
    known = known_data_sets()
    if name not in known:
        raise ConfigurationError(
            f"NAME: there is no data set '{shortened(name)}'{did_you_mean(name, known)}",
            remedy=f"known: {', '.join(known)}",
        )
    data_set = known[name]
    texts = data_set.study()
    study = output / f"{texts.name}.yaml"
    definition = output / texts.definition_name
    if study.exists() and not force:
        raise ConfigurationError(
            f"{study} is there already",
            remedy="name another folder with -o, or write over it with --force",
        )
    files = _find_files(data_set, folder)
    sources = list(chain.from_iterable(files.values()))
    num_bytes = sum(source.stat().st_size for source in sources)
    finished = read_finished(output / f".{name}.finished.json", name, sources)
    rows = {}
    kept = []
    for table, make_table in data_set.tables.items():
        path = output / table
        if finished.has(table) and not force:
            tell(f"keeping {path}, which was written before an interruption")
            rows[path] = pq.read_metadata(path).num_rows
            kept.append(path)
            continue
        tell(f"writing {path}")
        rows[path] = _write_table(path, make_table(files, tell), num_bytes)
        with _writing(finished.file):
            finished = finished.with_table(table)
    _write_text(definition, _introduced(data_set, texts.definition))
    _write_text(study, _introduced(data_set, texts.text))
    finished.file.unlink(missing_ok=True)
    return Converted(rows, tuple(kept), definition, study)


def shipped_study(name: str, definition: str) -> StudyTexts:
    """A shipped study and its definition `data/DEFINITION.yaml`, which is written beside it."""
    folder = shipped_folder("studies")
    definition_name = f"{SHARED}/{definition}.yaml"
    text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    return StudyTexts(
        name.rpartition("/")[2],
        text.replace(f"../{definition_name}", definition_name),
        definition_name,
        (folder / definition_name).read_text(encoding="utf-8"),
    )


def new_study(name: str, description: str, definition: str, passes: int) -> StudyTexts:
    """A study of its own for a data set without a shipped one."""
    definition_name = f"{SHARED}/{name}.yaml"
    text = STUDY.format(
        description=description,
        definition=definition_name,
        passes=passes,
        quick_passes=passes / QUICK,
    )
    return StudyTexts(name, text, definition_name, definition)


def _find_files(data_set: PublishedDataSet, folder: Path) -> Files:
    """The files of the form and folder that most are there of; DataError names missing ones."""
    forms = (data_set.files, *data_set.other_forms)
    tried: list[Files] = []
    for form in forms:
        for inner in data_set.folders:
            found = {name: sorted((folder / inner).glob(name)) for name in form}
            tried.append({name: tuple(filter(Path.is_file, found[name])) for name in form})
    files = max(tried, key=lambda files: sum(map(bool, files.values())) / len(files))
    missing = [name for name, paths in files.items() if not paths]
    if missing:
        problems = [
            f"--from: {folder / name} must be a file of {data_set.name}" for name in missing
        ]
        raise DataError(
            *problems,
            remedy=f"download {data_set.name} from {data_set.published_at}, unpack it, "
            "and name its folder with --from",
        )
    return files


def _write_table(path: Path, frames: Iterator[pl.DataFrame], num_bytes: int) -> int:
    """Write the rows as they come; the number of rows. `num_bytes` is at most what it takes."""
    num_rows = 0
    writer = None
    with _writing(path), replacing(path, num_bytes) as part:
        try:
            for frame in _in_groups(frames):
                rows = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
                writer = writer or pq.ParquetWriter(part, rows.schema, compression="zstd")
                writer.write_table(rows)
                num_rows += len(frame)
        finally:
            if writer is not None:
                writer.close()
        if num_rows == 0:
            raise DataError(f"{path}: must have rows, the files have none that belong to it")
    return num_rows


def _in_groups(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows in frames of at least ROWS_PER_GROUP, but for the last one."""
    group: list[pl.DataFrame] = []
    for frame in frames:
        group.append(frame)
        if sum(map(len, group)) >= ROWS_PER_GROUP:
            yield pl.concat(group)
            group = []
    if group:
        yield pl.concat(group)


def _write_text(path: Path, text: str) -> None:
    with _writing(path), replacing(path, len(text.encode())) as part:
        part.write_text(text, encoding="utf-8")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise EnvironmentFault when a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise EnvironmentFault(
            f"{path} cannot be written: {error.strerror or error}",
            remedy="name a folder that can be written with -o",
        ) from error


def _introduced(data_set: PublishedDataSet, text: str) -> str:
    return f"# Written by `hinet-search data get {data_set.name}`, beside its tables.\n{text}"


@dataclass(frozen=True)
class FinishedTables:
    """Notes in `file`, beside the tables of `made_of`: every table's stamp, by its path there."""

    file: Path
    made_of: str
    stamps: Mapping[str, Stamp]

    def has(self, table: str) -> bool:
        """Return whether the table is the one that was written from these files."""
        file = self.file.parent / table
        return file.is_file() and self.stamps.get(table) == _stamp(file)

    def with_table(self, table: str) -> "FinishedTables":
        """Note a table that was just written."""
        stamps = {**self.stamps, table: _stamp(self.file.parent / table)}
        text = json.dumps({"made_of": self.made_of, "tables": stamps})
        with replacing(self.file, len(text)) as part:
            part.write_text(text, encoding="utf-8")
        return FinishedTables(self.file, self.made_of, stamps)


def read_finished(file: Path, name: str, sources: Iterable[Path]) -> FinishedTables:
    """The notes on tables of a data set; none if other files or another version made them."""
    files = [
        (str(path.resolve()), path.stat().st_size, path.stat().st_ctime_ns) for path in sources
    ]
    made_of = json.dumps([version("hinet-search"), name, files])
    try:
        notes = json.loads(file.read_text(encoding="utf-8"))
        stamps = notes["tables"] if notes["made_of"] == made_of else {}
    except (OSError, ValueError, KeyError, TypeError):  # none, or they were changed: start again
        stamps = {}
    return FinishedTables(file, made_of, stamps)


def _stamp(file: Path) -> Stamp:
    status = file.stat()
    return [status.st_size, status.st_mtime_ns]
