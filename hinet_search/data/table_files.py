"""Table files: find the files of a table, by name, by a glob or in a folder.

A relative path is looked up in the folder of the study, the current folder, and the data folder:
environment variable HINET_SEARCH_DATA, else `../shared/data` beside the current folder.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hinet_search.common.errors import DataError
from hinet_search.data.reading import shorten

DATA_FOLDER = "HINET_SEARCH_DATA"
FORMATS = (".parquet", ".csv")
ROOT = Path("/")
GLOB_CHARACTERS = set("*?[")
# Folders of formats that keep files of old versions beside those of the table.
VERSIONED = {"_delta_log": "Delta", ".hoodie": "Hudi"}


@dataclass(frozen=True)
class TableFiles:
    """The files of a table in order; names and partitions are those below the folder `root`.

    `base` is the folder in which the path was looked up, ROOT for an absolute path.
    """

    base: Path
    root: Path
    files: tuple[Path, ...]

    def name_of(self, file: Path) -> str:
        """The path of a file below the root: `part-0.parquet`, `day=2026-05-03/part-0.parquet`."""
        return file.relative_to(self.root).as_posix()

    @property
    def in_words(self) -> str:
        """The first file and how many more there are."""
        more = f" and {len(self.files) - 1:,} more" if len(self.files) > 1 else ""
        return f"{self.files[0]}{more}"


def find(path: str, folder: Path, key: str) -> TableFiles:
    """The files at `path`, from the first base folder that has any.

    Files that writers leave beside tables (`_SUCCESS`, `.part-0.parquet.crc`) are skipped in
    folders and globs. DataError when there is no file, with every path that was tried, or when a
    folder holds files that are no tables; `key` is where the definition has the path.
    """
    bases = _base_folders(path, folder)
    for base in bases:
        found = _found(base, path, key)
        if found.files:
            return found
    tried = ", ".join(shorten(str(base / path)) for base in bases)
    raise DataError(
        f"{key}: '{shorten(path)}' must be a file, a folder or a glob of files, "
        f"found none in any of: {tried}",
        remedy=_how_to_find(path, bases),
    )


def find_file(path: str, folder: Path, key: str) -> Path:
    """The file at `path`, from the first base folder that has it; DataError when none has."""
    bases = _base_folders(path, folder)
    for base in bases:
        if _is(Path.is_file, base / path):
            return base / path
    tried = ", ".join(shorten(str(base / path)) for base in bases)
    raise DataError(f"{key}: '{shorten(path)}' must be a file, found none in any of: {tried}")


def _base_folders(path: str, folder: Path) -> list[Path]:
    if Path(path).is_absolute():
        return [ROOT]
    shared = Path(os.environ.get(DATA_FOLDER) or "../shared/data")
    return list(dict.fromkeys(base.resolve() for base in (folder, Path.cwd(), shared)))


def _found(base: Path, path: str, key: str) -> TableFiles:
    """The file of that path, those in a folder, or those of a glob; none for an invalid path."""
    target = base / path
    if _is(Path.is_file, target):
        return TableFiles(base, target.parent, (target,))
    if _is(Path.is_dir, target):
        return TableFiles(base, target, tuple(_tables_below(target, key)))
    return _matching(base, path.lstrip("/"))


def _matching(base: Path, pattern: str) -> TableFiles:
    root = base
    for part in PurePosixPath(pattern).parts:
        if GLOB_CHARACTERS & set(part):
            break
        root /= part
    if root == base / pattern:
        return TableFiles(base, root, ())
    try:
        matches = sorted(file for file in base.glob(pattern) if _is(Path.is_file, file))
    except (OSError, ValueError):  # too long for the file system, or `**` beside a letter
        return TableFiles(base, root, ())
    tables = [file for file in matches if not any(map(is_left_over, file.relative_to(root).parts))]
    return TableFiles(base, root, tuple(tables))


def _tables_below(folder: Path, key: str) -> Iterator[Path]:
    """The tables of a folder and the folders in it; DataError at the first other file."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{key}: {folder} cannot be read: {error.strerror}") from error
    for entry in entries:
        if entry.name in VERSIONED:
            refuse_versions(str(folder), key, entry.name)
        if is_left_over(entry.name):
            continue
        if _is(Path.is_dir, entry):
            _refuse_loop(entry, key)
            yield from _tables_below(entry, key)
        elif entry.suffix.lower() in FORMATS and _is(Path.is_file, entry):
            yield entry
        else:
            raise DataError(
                f"{key}: a folder must hold .parquet or .csv files, got {entry}",
                remedy=f"move it away, or write a glob of the tables, such as '{folder}/*.parquet'",
            )


def refuse_versions(folder: str, key: str, name: str) -> None:
    """Raise DataError: `name`, one of VERSIONED, is in the folder."""
    raise DataError(
        f"{key}: {folder} is a {VERSIONED[name]} table, whose folder also holds files of older "
        "versions",
        remedy="write the rows of one version into a folder of Parquet files",
    )


def _refuse_loop(entry: Path, key: str) -> None:
    if entry.is_symlink() and entry.parent.resolve().is_relative_to(entry.resolve()):
        raise DataError(
            f"{key}: {entry} is a link to a folder that holds it", remedy="remove the link"
        )


def is_left_over(name: str) -> bool:
    """Return whether a writer left it beside tables: hidden, or with `_`, but no `_key=1`."""
    return name.startswith((".", "_")) and "=" not in name


def _is(kind: Callable[[Path], bool], path: Path) -> bool:
    try:
        return kind(path)
    except OSError:  # too long for the file system, or in a folder that may not be read
        return False


def _how_to_find(path: str, bases: list[Path]) -> str:
    if any(_is(Path.is_dir, base / path) for base in bases):
        return "the folder holds no .parquet or .csv file: name the folder of the tables"
    if any(_is(Path.exists, base / path) for base in bases):
        return "it is a device, a pipe or a socket: write its rows to a file"
    if Path(path).is_absolute():
        return "write the path of a .parquet or .csv file, or a glob such as '/data/rows-*.parquet'"
    return f"set {DATA_FOLDER} to the folder that holds it, or write an absolute path"
