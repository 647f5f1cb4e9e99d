"""Table: rows from Parquet or CSV, one file or a glob of files, and columns that other such tables have for them.

A relative path is looked up in the folder of the study, the current folder, and the data folder: environment variable
HINET_SEARCH_DATA, or `../shared/data` beside the current folder where it is not set.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from hinet_search.data.contents import Contents
from hinet_search.data.join import Join, joined
from hinet_search.errors import DataError
from hinet_search.frozen import Frozen, Text

DATA_FOLDER = "HINET_SEARCH_DATA"
ROWS, JOINED = "data.source.path", "data.source.join"  # the keys that name files


class Options(Frozen):
    """`path` is a .parquet or .csv file, or a glob of files that share their columns; so is that of every join."""

    path: Text
    join: tuple[Join, ...] = ()


def load(options: Options, folder: Path) -> pl.LazyFrame:
    """The rows, files in order of their names; DataError when no file is found, one cannot be read or a join is wrong."""
    lazy = scan(options.path, folder)
    for join in options.join:
        lazy = joined(lazy, scan(join.path, folder, JOINED), join)
    return lazy


def scan(path: str, folder: Path, key: str = ROWS, types: Mapping[str, pl.DataType] | None = None) -> pl.LazyFrame:
    """Rows of the files that `path`, written at `key`, means; DataError when there are none or one cannot be read.

    Columns of CSV files have the type that their values look like, those of `types` the one that is given.
    """
    files = find(path, folder, key)
    formats = {file.suffix.lower() for file in files}
    if formats not in ({".parquet"}, {".csv"}):
        raise DataError(f"{path}: files must all be .parquet or all .csv, got {', '.join(sorted(formats))}")
    try:
        if formats == {".parquet"}:
            lazy = pl.scan_parquet(files, glob=False)
        else:
            lazy = pl.scan_csv(
                files, glob=False, try_parse_dates=True, infer_schema_length=None, schema_overrides=types
            )
        lazy.clone().collect_schema()  # not of `lazy`, which may yet become part of a scan
    except PolarsError as error:
        raise DataError(f"{files[0]}: cannot be read as {formats.pop()[1:]}: {str(error).splitlines()[0]}") from error
    return lazy


def identity(options: Options, folder: Path, contents: Contents) -> str:
    """Names, sizes and hashes of the files; the same content in another folder, or written later, is the same data."""
    lines = [_contents(contents, options.path, folder)]
    for join in options.join:
        lines += [f"join {join.keys!r} {join.columns!r}", _contents(contents, join.path, folder, JOINED)]
    return "\n".join(lines)


def find(path: str, folder: Path, key: str = ROWS) -> list[Path]:
    """Files that `path`, written at `key`, means, from the first place that has any; DataError names every place tried."""
    places = _places(path, folder)
    for base in places:
        found = [base / path] if (base / path).is_file() else sorted(base.glob(path.lstrip("/")))
        files = [file for file in found if file.is_file()]
        if files:
            return files
    tried = ", ".join(str(base / path) for base in places)
    raise DataError(
        f"{key}: '{path}' must be a file or a glob of files, found none in any of: {tried}",
        remedy=_how_to_find(path, places),
    )


def _how_to_find(path: str, places: list[Path]) -> str:
    if any((base / path).is_dir() for base in places):
        return f"it is a folder: write a glob of its files, such as '{path.rstrip('/')}/*.parquet'"
    if Path(path).is_absolute():
        return "write the path of a .parquet or .csv file, or a glob such as '/data/rows-*.parquet'"
    return f"set {DATA_FOLDER} to the folder that holds it, or write an absolute path"


def _places(path: str, folder: Path) -> list[Path]:
    if Path(path).is_absolute():
        return [Path("/")]
    shared = Path(os.environ.get(DATA_FOLDER) or "../shared/data")
    return list(dict.fromkeys(place.resolve() for place in (folder, Path.cwd(), shared)))


def _contents(contents: Contents, path: str, folder: Path, key: str = ROWS) -> str:
    files = find(path, folder, key)
    try:
        return "\n".join(f"{file.name} {contents.of(file)}" for file in files)
    except OSError as error:
        raise DataError(f"{key}: {error.filename} cannot be read: {error.strerror}") from error
