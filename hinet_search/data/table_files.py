"""Table files: find the files of a table, and the columns that stand in names of their folders.

A table is named by a file, a glob or a folder. A relative path is looked up in the folder of the
study, the current folder, and the folder in HINET_SEARCH_DATA. A folder named
`day=2026-05-03` adds the column `day`.

Shape legend: F files of a table.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import polars as pl

from hinet_search.common.errors import DataError
from hinet_search.common.files import is_a
from hinet_search.data.formats.known_formats import IN_WORDS, is_table
from hinet_search.data.reading import OWN, raise_problems, shorten

DATA_FOLDER = "HINET_SEARCH_DATA"
ROOT = Path("/")
GLOB_CHARACTERS = set("*?[")
# Folders of formats that keep files of old versions beside those of the table.
VERSIONED = {"_delta_log": "Delta", ".hoodie": "Hudi"}
PATH = f"{OWN}path"  # the column with the file of every row
_NO_VALUE = ("", "__HIVE_DEFAULT_PARTITION__")
_WHOLE_NUMBER = r"^-?[0-9]{1,18}$"


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
    bases = [folder, Path.cwd()]
    if data_folder := os.environ.get(DATA_FOLDER):
        bases.append(Path(data_folder))
    bases = list(dict.fromkeys(base.resolve() for base in bases))
    if Path(path).is_absolute():
        bases = [ROOT]
    for base in bases:
        target = base / path
        if is_a(Path.is_file, target):
            return TableFiles(base, target.parent, (target,))
        if is_a(Path.is_dir, target):
            table = TableFiles(base, target, tuple(_tables_below(target, key)))
        else:
            table = _matching(base, path.lstrip("/"))
        if table.files:
            return table
    tried = ", ".join(shorten(str(base / path)) for base in bases)
    raise DataError(
        f"{key}: '{shorten(path)}' must be a file, a folder or a glob of files, "
        f"found none in any of: {tried}",
        remedy=_how_to_find(path, bases),
    )


def _matching(base: Path, pattern: str) -> TableFiles:
    """The files of a glob; none for an invalid one."""
    root = base
    for part in PurePosixPath(pattern).parts:
        if GLOB_CHARACTERS & set(part):
            break
        root /= part
    if root == base / pattern:
        return TableFiles(base, root, ())
    try:
        matches = sorted(file for file in base.glob(pattern) if is_a(Path.is_file, file))
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
            raise DataError(
                f"{key}: {folder} is a {VERSIONED[entry.name]} table, whose folder also holds "
                "files of older versions",
                remedy="write the rows of one version into a folder of Parquet files",
            )
        if is_left_over(entry.name):
            continue
        if is_a(Path.is_dir, entry):
            if entry.is_symlink() and entry.parent.resolve().is_relative_to(entry.resolve()):
                raise DataError(
                    f"{key}: {entry} is a link to a folder that holds it", remedy="remove the link"
                )
            yield from _tables_below(entry, key)
        elif is_table(entry) and is_a(Path.is_file, entry):
            yield entry
        else:
            raise DataError(
                f"{key}: a folder must hold tables ({IN_WORDS}), got {entry}",
                remedy=f"move it away, or write a glob of the tables, such as '{folder}/*.parquet'",
            )


def is_left_over(name: str) -> bool:
    """Return whether a writer left it beside tables: hidden, or with `_`, but no `_key=1`."""
    return name.startswith((".", "_")) and "=" not in name


def _how_to_find(path: str, bases: list[Path]) -> str:
    if any(is_a(Path.is_dir, base / path) for base in bases):
        return f"the folder holds no table ({IN_WORDS}): name the folder of the tables"
    if any(is_a(Path.exists, base / path) for base in bases):
        return "it is a device, a pipe or a socket: write its rows to a file"
    if Path(path).is_absolute():
        return "write the path of a table, or a glob such as '/data/rows-*.parquet'"
    return f"set {DATA_FOLDER} to the folder that holds it, or write an absolute path"


def refuse_unlike_files(
    table: TableFiles, columns: Sequence[dict[str, str]], *, in_order: bool = False
) -> None:
    """DataError when the files, which have these columns, differ in names or types.

    Partitions are columns too. `in_order` is for formats that have values by place.
    """
    of_files = []
    for file, in_file in zip(table.files, columns, strict=True):
        of_folders = dict.fromkeys(partition_of(table, file), "in the name of a folder")
        of_files.append(of_folders | in_file)
    wanted = of_files[0]
    problems: list[str] = []
    for file, types in zip(table.files, of_files, strict=True):
        where = f"{file}: must have the columns of {table.name_of(table.files[0])}"
        problems += [f"{where}, has no '{name}'" for name in wanted if name not in types]
        problems += [f"{where}, has '{name}' too" for name in types if name not in wanted]
        common = [name for name in types if name in wanted]
        for name in common:
            if types[name] != wanted[name]:
                problems.append(
                    f"{where}, but '{name}' is {types[name]} in place of {wanted[name]}"
                )
        if in_order and common != [name for name in wanted if name in types]:
            problems.append(f"{where} in the same order")
    raise_problems(
        problems, "write the files with the same columns and types, or name some of them"
    )


def partition_of(table: TableFiles, file: Path) -> dict[str, str | None]:
    """The values in the names of a file's folders, percent signs decoded; None where it is none."""
    folders = table.name_of(file).split("/")[:-1]
    pairs = [folder.partition("=") for folder in folders if "=" in folder]
    return {unquote(key): None if value in _NO_VALUE else unquote(value) for key, _, value in pairs}


def partition_columns(
    table: TableFiles, types: Mapping[str, pl.DataType] | None = None
) -> list[pl.Series]:
    """A column (F,) for every key; all files must have the same keys.

    Values are of their type in `types` if all are, else whole numbers, dates or texts.
    """
    values = [partition_of(table, file) for file in table.files]
    columns = []
    for key in values[0]:
        texts = pl.Series(key, [of_file[key] for of_file in values], dtype=pl.String)
        columns.append(_typed(texts, (types or {}).get(key)))
    return columns


def _typed(texts: pl.Series, wanted: pl.DataType | None) -> pl.Series:
    if wanted is not None:
        values = texts.cast(wanted, strict=False)
        if values.null_count() == texts.null_count():
            return values
    present = texts.drop_nulls()
    if present.is_empty():
        return texts
    if present.str.contains(_WHOLE_NUMBER).all():
        return texts.cast(pl.Int64)
    dates = texts.str.to_date("%Y-%m-%d", strict=False)
    return dates if dates.null_count() == texts.null_count() else texts


def with_partitions(
    lazy: pl.LazyFrame, files: Sequence[Path], columns: list[pl.Series]
) -> pl.LazyFrame:
    """The rows with the value (F,) of each column for their file, which PATH names, without PATH.

    `files` are those that are scanned.
    """
    paths = pl.Series([str(file) for file in files])

    def values_of(column: pl.Series, files: pl.Series) -> pl.Series:
        return files.replace_strict(paths, column, return_dtype=column.dtype)

    for column in columns:
        # Batch by batch: a lazy replacement is a join, which holds all rows.
        values = pl.col(PATH).map_batches(
            partial(values_of, column), return_dtype=column.dtype, is_elementwise=True
        )
        lazy = lazy.with_columns(values.alias(column.name))
    return lazy.drop(PATH)
