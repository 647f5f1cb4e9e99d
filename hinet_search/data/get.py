"""Get: convert a published data set into the tables and the study that our results are made of.

Nothing is downloaded: most licences forbid passing the files on, so a user unpacks them first.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from hinet_search.common.errors import ConfigurationError, DataError, gone_or_similar, shortened
from hinet_search.common.files import replacing, write_text
from hinet_search.common.plugins import load, names
from hinet_search.data.raw_text import Tell
from hinet_search.study.find_file import SHARED, shipped_folder

FAMILIES = "hinet_search.data.published"
ROWS_PER_GROUP = 2**17  # of a table: few and large groups are small to describe and fast to read

Files = Mapping[str, Path]  # the files of a data set by their names
MakeTable = Callable[[Files, Tell], Iterator[pl.DataFrame]]


@dataclass(frozen=True)
class PublishedDataSet:
    """A data set: where it is published, its files, and what is made of them.

    The files lie in one of `folders`, relative to the folder that the user names; files in
    `optional` may be missing. `tables` are the functions that yield the rows of every table, by its
    path below the output folder. `study` is a shipped study, `definition` what data/ calls its data
    definition.
    """

    name: str
    published_at: str
    folders: tuple[str, ...]
    files: tuple[str, ...]
    tables: Mapping[str, MakeTable]
    study: str
    definition: str
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Converted:
    """The written files: tables with their numbers of rows, definition and study."""

    tables: Mapping[Path, int]
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

    The study is written last.
    Errors: ConfigurationError for an unknown name, or when the study exists (`force` overwrites
    it); DataError for files that are missing or broken; EnvironmentFault when one cannot be
    written.
    """
    known = known_data_sets()
    if name not in known:
        raise ConfigurationError(
            f"NAME: there is no data set '{shortened(name)}'{gone_or_similar(name, known)}",
            remedy=f"known: {', '.join(known)}",
        )
    data_set = known[name]
    study = output / f"{Path(data_set.study).name}.yaml"
    definition = output / SHARED / f"{data_set.definition}.yaml"
    if study.exists() and not force:
        raise ConfigurationError(
            f"{study} is there already",
            remedy="name another folder with -o, or write over it with --force",
        )
    files = _find_files(data_set, folder)
    num_bytes = sum(file.stat().st_size for file in files.values())
    rows = {}
    for table, make_table in data_set.tables.items():
        path = output / table
        tell(f"writing {path}")
        rows[path] = _write_table(path, make_table(files, tell), num_bytes)
    shipped = shipped_folder("studies")
    introduction = f"# Written by `hinet-search data get {name}`, beside its tables.\n"
    text = (shipped / SHARED / definition.name).read_text(encoding="utf-8")
    write_text(definition, introduction + text)
    text = (shipped / f"{data_set.study}.yaml").read_text(encoding="utf-8")
    write_text(study, introduction + text.replace(f"../{SHARED}/", f"{SHARED}/"))
    return Converted(rows, definition, study)


def part_of(number: pl.Expr, first: Mapping[str, float]) -> pl.Expr:
    """Return the part whose first number is the last one not above a row's, named `split`.

    `first` has the parts in order; below all of them a row belongs to the first.
    """
    parts = iter(first)
    part = pl.lit(next(parts))
    for name in parts:
        part = pl.when(number >= first[name]).then(pl.lit(name)).otherwise(part)
    return part.alias("split")


def _find_files(data_set: PublishedDataSet, folder: Path) -> Files:
    """The files in the folder that has the most of them; DataError names missing ones."""
    files: dict[str, Path] = {}
    for inner in data_set.folders:
        paths = {name: folder / inner / name for name in data_set.files}
        present = {name: path for name, path in paths.items() if path.is_file()}
        if len(present) > len(files):
            files = present
    missing = [name for name in data_set.files if name not in {*files, *data_set.optional}]
    if missing:
        raise DataError(
            *(f"--from: {folder / name} must be a file of {data_set.name}" for name in missing),
            remedy=f"download {data_set.name} from {data_set.published_at}, unpack it, "
            "and name its folder with --from",
        )
    return files


def _write_table(path: Path, frames: Iterator[pl.DataFrame], num_bytes: int) -> int:
    """Write the rows as they come; the number of rows. `num_bytes` is at most what it takes."""
    num_rows = 0
    writer = None
    with replacing(path, num_bytes) as part:
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
