"""Draft rows: the rows of a draft, of a table of files or of a database, and the source of both."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hinet_search.common.errors import ConfigurationError, DataError, did_you_mean
from hinet_search.data.formats.suffixes import stem_of
from hinet_search.data.object_stores.address import is_database, is_url
from hinet_search.data.object_stores.copies import local_path
from hinet_search.data.raw_values import listed
from hinet_search.data.sources import table as table_source
from hinet_search.data.table_files import ROOT, find
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.yaml_file import validated

Say = Callable[[str], None]


@dataclass(frozen=True)
class DatabaseTable:
    """A table of the database at a URL."""

    url: str
    table: str


@dataclass(frozen=True)
class DraftRows:
    """Where rows are: `shown` in messages, and `source` in the definition."""

    shown: str
    source: Mapping[str, str]


def name_of(given: str | DatabaseTable) -> str:
    """The name of the rows, after which a study is named."""
    if isinstance(given, DatabaseTable):
        return given.table.rpartition(".")[2]
    return stem_of(given)


def rows_at(given: str | DatabaseTable, studies: Path) -> DraftRows:
    """The rows at a path, or those of a table of a database; none are read.

    `studies` is the folder of the study that is drafted. ConfigurationError for a URL with a
    password, and for a table without a database, or a database without a table.
    """
    if isinstance(given, DatabaseTable):
        return _rows_of_database(given)
    if is_database(given):
        raise ConfigurationError(
            "--table must name a table of the database",
            remedy="hinet-search data init URL --table NAME",
        )
    source = {"kind": "table", "path": _path_from(studies, given)}
    return DraftRows(given, source)


def _rows_of_database(given: DatabaseTable) -> DraftRows:
    if not is_database(given.url):
        raise ConfigurationError(
            "--table goes with the URL of a database, got it with a file",
            remedy="leave --table out, or write a URL such as sqlite:///shop.db",
        )
    from hinet_search.data.sources import sql

    keys = {"url": given.url, "table": given.table}
    options = validated(sql.Options, keys, "TABLE")
    shown = f"{sql.query_of(options).address.shown} {given.table}"
    return DraftRows(shown, {"kind": "sql", **keys})


def scanned(rows: DraftRows, say: Say) -> pl.LazyFrame:
    """The rows; `say` gets the progress of a copy or a query.

    Errors: those of the source; DataError with the nearest table where the database has no such.
    """
    cache = LaunchOptions().cache
    if rows.source["kind"] == "table":
        local = local_path(rows.shown, "TABLE", cache, say)
        return table_source.scan(local, Path.cwd(), cache, "TABLE")
    from hinet_search.data.fingerprint import FileHasher
    from hinet_search.data.sources import sql

    options = sql.Options(url=rows.source["url"], table=rows.source["table"])
    try:
        sql.identity(options, Path.cwd(), FileHasher(cache, say))
    except DataError:
        _refuse_unknown_table(options.table or "", sql.tables_of(options, Path.cwd()))
        raise
    return sql.load(options, Path.cwd(), cache)


def _refuse_unknown_table(table: str, tables: list[str]) -> None:
    """Raise DataError unless a table has that name, with its schema or without."""
    names = {*tables, *(name.rpartition(".")[2] for name in tables)}
    if tables and table.casefold() not in {name.casefold() for name in names}:
        raise DataError(
            f"--table: the database has no table '{table}'{did_you_mean(table, sorted(names))}",
            remedy=f"its tables: {listed(tables)}",
        )


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
