"""Kept table: read the files of a table that is no Parquet once, and keep its rows in the cache.

They are kept under a hash of the files' names and bytes: a file that changes is read anew. What
no command has used for UNUSED_SECONDS is removed when another table is kept.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from hinet_search.common.errors import DataError
from hinet_search.data.fingerprint import FileHasher
from hinet_search.data.formats import arrow_files, csv_text, json_lines
from hinet_search.data.formats.plain_files import PlainFile, plain_file
from hinet_search.data.formats.suffixes import ARROW, CSV, JSON_LINES, TSV
from hinet_search.data.kept_parts import MANIFEST, Say, file_of, keep
from hinet_search.data.reading import reading
from hinet_search.data.table_files import TableFiles
from hinet_search.data.unlike_files import refuse_unlike_files

FOLDER = ".tables"
PLAIN = "plain"  # of compressed files, while they are read
VERSION = 2  # raise it when the same files would be kept as other rows
UNUSED_SECONDS = 30 * 86_400

Types = Mapping[str, pl.DataType]


@dataclass(frozen=True)
class Reader:
    """A format: the columns of one file, as far as it tells them, and how files are written.

    `write` writes parts of the rows of every file, in which columns of texts have the given types.
    In a file that `has_places`, values have their column by their place in the row.
    """

    columns: Callable[[PlainFile], dict[str, str]]
    write: Callable[[Sequence[PlainFile], Path, Types], None]
    has_places: bool = False


def _separated_by(separator: str) -> Reader:
    return Reader(
        partial(csv_text.columns, separator=separator),
        partial(csv_text.write, separator=separator),
        has_places=True,
    )


READERS = {
    CSV: _separated_by(csv_text.COMMA),
    TSV: _separated_by(csv_text.TAB),
    JSON_LINES: Reader(lambda _: {}, json_lines.write),
    ARROW: Reader(arrow_files.columns, arrow_files.write),
}


@dataclass(frozen=True)
class KeptFiles:
    """The Parquet files of a table's rows in order, and the file that each is of."""

    parts: tuple[Path, ...]
    sources: tuple[Path, ...]


def kept_files(table: TableFiles, kind: str, types: Types, cache: Path, say: Say) -> KeptFiles:
    """The rows of a table of format `kind`; columns in `types` have these types in a text.

    Errors: DataError when a file cannot be read, is another one than its name says, or changes
    meanwhile; those of `keep`.
    """
    contents = FileHasher(cache, say)
    target = cache.absolute() / FOLDER / _name(table, kind, types, contents)

    def write(part: Path) -> tuple[int, str]:
        with reading(table.in_words):
            _write(table, kind, types, part)
        if _name(table, kind, types, contents) != target.name or contents.changed:
            raise DataError(
                f"{table.in_words}: must stay as it is while it is read, but it changed",
                remedy="run the command again when nothing writes to it",
            )
        _remove_unused(target.parent)
        return _num_rows(part), ""

    kept = keep(target, write, say, f"reads {table.in_words}")
    with suppress(OSError):
        os.utime(target / MANIFEST)
    parts = [target / name for name in kept.files]
    return KeptFiles(tuple(parts), tuple(table.files[file_of(part)] for part in parts))


def _name(table: TableFiles, kind: str, types: Types, contents: FileHasher) -> str:
    lines = [f"{VERSION} {kind}", *(f"{name} {types[name]}" for name in sorted(types))]
    try:
        lines += [f"{table.name_of(file)} {contents.of(file)}" for file in table.files]
    except OSError as error:
        where = error.filename or table.in_words
        raise DataError(f"{where}: cannot be read: {error.strerror}") from error
    return hashlib.blake2b("\n".join(lines).encode("utf-8", "replace"), digest_size=8).hexdigest()


def _write(table: TableFiles, kind: str, types: Types, folder: Path) -> None:
    reader = READERS[kind]
    plain = folder / PLAIN
    files = [plain_file(file, plain, number) for number, file in enumerate(table.files)]
    columns = [reader.columns(file) for file in files]
    refuse_unlike_files(table, columns, in_order=reader.has_places)
    reader.write(files, folder, types)
    if plain.exists():
        shutil.rmtree(plain)


def _num_rows(folder: Path) -> int:
    rows = pl.scan_parquet(sorted(folder.iterdir()), glob=False, hive_partitioning=False)
    return int(rows.select(pl.len()).collect().item())


def _remove_unused(folder: Path) -> None:
    """Remove the tables that no command has used for long."""
    for manifest in folder.glob(f"*/{MANIFEST}"):
        with suppress(OSError):  # another command removed it
            if time.time() - manifest.stat().st_mtime > UNUSED_SECONDS:
                shutil.rmtree(manifest.parent, ignore_errors=True)
