"""Small databases of SQLite and DuckDB, and queries of them."""

import sqlite3
from pathlib import Path

import duckdb
import polars as pl
import pytest

from hinet_search.common.errors import DataError
from hinet_search.data.sources.sql import Options, load

SHOWN = "shown"
SQLITE, DUCKDB = "sqlite:///shop.db", "duckdb:///shop.duckdb"


def sqlite(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / "shop.db")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def duck(folder: Path, *statements: str) -> None:
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        for statement in statements:
            connection.execute(statement)


def rows(folder: Path, url: str, query: str, cache: str = "cache") -> pl.DataFrame:
    return load(Options(url=url, query=query), folder, folder / cache).collect()


def refused(folder: Path, url: str, query: str) -> DataError:
    with pytest.raises(DataError) as caught:
        rows(folder, url, query)
    assert not list((folder / "cache").glob(".queries/*")), "nothing is kept of a failed query"
    return caught.value
