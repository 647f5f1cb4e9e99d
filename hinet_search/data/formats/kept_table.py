"""Kept tables: rows that cost much to read, read once and kept in the cache as Parquet files.

FOLDER/NAME/rows.json            hash of the rows, size of every file; written last
FOLDER/NAME/00002-00000.parquet  the first part of the rows of the third file
FOLDER/NAME.lock                 locked by the process that reads, removed afterwards

A table that is no Parquet is kept under a hash of the files' names and bytes: a file that changes
is read anew. What no command has used for UNUSED_SECONDS is removed when another one is kept.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter, ValidationError

from hinet_search.common.errors import DataError
from hinet_search.common.files import locked, replacing_folder
from hinet_search.data.fingerprint import FileHasher
from hinet_search.data.formats import arrow_files, csv_text, json_lines
from hinet_search.data.formats.known_formats import (
    ARROW,
    CSV,
    JSON_LINES,
    TSV,
    refuse_another_format,
)
from hinet_search.data.reading import reading
from hinet_search.data.table_files import TableFiles, refuse_unlike_files

MANIFEST = "rows.json"
FOLDER = ".tables"
VERSION = 3  # raise it when the same files would be kept as other rows
UNUSED_SECONDS = 30 * 86_400

Say = Callable[[str], None]
Types = Mapping[str, pl.DataType]


@dataclass(frozen=True)
class KeptRows:
    """What was read: a hash of the rows, and the bytes of every file in order.

    The hash is empty where other things identify the rows.
    """

    content: str
    files: dict[str, int]


_KEPT = TypeAdapter(KeptRows)


# Each returns the columns of a file, as far as they stand before the rows, and writes rows.
READERS = {CSV: csv_text, TSV: csv_text, JSON_LINES: json_lines, ARROW: arrow_files}


@dataclass(frozen=True)
class KeptFiles:
    """The Parquet files of a table's rows in order, and the file that each is of."""

    parts: tuple[Path, ...]
    sources: tuple[Path, ...]


def kept_files(table: TableFiles, kind: str, types: Types, cache: Path) -> KeptFiles:
    """The rows of a table of format `kind`; columns in `types` have these types in a text.

    Errors: DataError when a file cannot be read, is another one than its name says, or changes
    meanwhile; those of `keep`.
    """
    contents = FileHasher(cache, lambda _: None)
    target = cache.absolute() / FOLDER / _name(table, kind, types, contents)

    def write(folder: Path) -> str:
        with reading(table.in_words):
            for file in table.files:
                refuse_another_format(file)
            columns = list(map(READERS[kind].columns, table.files))
            refuse_unlike_files(table, columns, in_order=kind in (CSV, TSV))
            READERS[kind].write(table.files, folder, types)
        if _name(table, kind, types, contents) != target.name or contents.changed:
            raise DataError(
                f"{table.in_words}: must stay as it is while it is read, but it changed",
                remedy="run the command again when nothing writes to it",
            )
        _remove_unused(target.parent)
        return ""

    kept = keep(target, write, contents.say, f"reads {table.in_words}")
    with suppress(OSError):
        os.utime(target / MANIFEST)
    sources = [table.files[int(name.partition("-")[0])] for name in kept.files]
    return KeptFiles(tuple(target / name for name in kept.files), tuple(sources))


def _name(table: TableFiles, kind: str, types: Types, contents: FileHasher) -> str:
    lines = [f"{VERSION} {kind}", *(f"{name} {types[name]}" for name in sorted(types))]
    try:
        lines += [f"{table.name_of(file)} {contents.of(file)}" for file in table.files]
    except OSError as error:
        where = error.filename or table.in_words
        raise DataError(f"{where}: cannot be read: {error.strerror}") from error
    return hashlib.blake2b("\n".join(lines).encode("utf-8", "replace"), digest_size=8).hexdigest()


def _remove_unused(folder: Path) -> None:
    """Remove the tables that no command has used for long."""
    for manifest in folder.glob(f"*/{MANIFEST}"):
        with suppress(OSError):  # another command removed it
            if time.time() - manifest.stat().st_mtime > UNUSED_SECONDS:
                shutil.rmtree(manifest.parent, ignore_errors=True)


def read_kept(folder: Path) -> KeptRows | None:
    """Read what a folder holds; None where it is not complete."""
    try:
        kept = _KEPT.validate_json((folder / MANIFEST).read_bytes())
        sizes = {name: (folder / name).stat().st_size for name in kept.files}
    except (OSError, ValidationError):
        return None
    return kept if sizes == kept.files else None


def keep(target: Path, write: Callable[[Path], str], say: Say, what: str) -> KeptRows:
    """Read the manifest of a folder; `write` its files where there is none.

    `write` gets an empty folder, and returns the hash of the rows. `what` another command may be
    doing is said while it is waited for.
    Errors: what `write` raises; DiskFull; EnvironmentFault when the cache cannot be written.
    """
    kept = read_kept(target)
    if kept is not None:
        return kept
    with locked(target, lambda: say(f"waiting for another command that {what}")):
        return read_kept(target) or _written(target, write)


def _written(target: Path, write: Callable[[Path], str]) -> KeptRows:
    """Write a folder in place of a damaged one."""
    with replacing_folder(target, None) as part:
        if target.exists():
            shutil.rmtree(target)
        content = write(part)
        files = {file.name: file.stat().st_size for file in sorted(part.iterdir())}
        kept = KeptRows(content, files)
        (part / MANIFEST).write_bytes(_KEPT.dump_json(kept))
    return kept
