"""SQL: rows of a query, which is run once; its rows are kept in the cache and are then a table."""

import os
import re
from contextlib import closing, suppress
from pathlib import Path

import polars as pl
from pydantic import ConfigDict, field_validator, model_validator

from hinet_search.common.errors import DataError
from hinet_search.common.frozen_model import Frozen, Text
from hinet_search.data.fingerprint import FileHasher, NotFetched
from hinet_search.data.kept_parts import read_kept
from hinet_search.data.queries.address import (
    filled_in,
    refuse_unsafe_options,
    refuse_written_password,
)
from hinet_search.data.queries.engines import batches, check_query
from hinet_search.data.queries.kept_rows import Query, keep_rows, scan_kept

TABLES = """
SELECT table_schema, table_name FROM information_schema.tables
WHERE table_schema NOT IN ('information_schema', 'pg_catalog', 'mysql', 'sys', 'performance_schema')
"""
TABLES_OF_SQLITE = """
SELECT '', name FROM sqlite_master
WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite!_%' ESCAPE '!'
"""
USUAL_SCHEMAS = ("", "public", "main", "dbo")
_TABLE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*){0,2}", re.ASCII)


class Options(Frozen):
    """`query` is sent to the database at `url`; `table: shown` is short for SELECT * FROM shown.

    It begins with SELECT, WITH or VALUES, and only reads. It is run once, and its rows are kept in
    the cache. `snapshot` is a name for what it returned, such as the date: under another name it is
    run again. Variables of the environment stand in the URL as `${NAME}`; a password in the file is
    refused.
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # an address may hold a password

    url: Text
    query: Text | None = None
    table: Text | None = None
    snapshot: str = ""

    @field_validator("url")
    @classmethod
    def _without_password_and_code(cls, url: str) -> str:
        refuse_written_password(url)
        refuse_unsafe_options(url)
        return url

    @field_validator("query")
    @classmethod
    def _only_reads(cls, query: str | None) -> str | None:
        return None if query is None else check_query(query)

    @model_validator(mode="after")
    def _query_or_table(self) -> "Options":
        if (self.query is None) == (self.table is None):
            raise ValueError("a source of SQL needs one of 'query' and 'table'")
        if self.table is not None and not _TABLE.fullmatch(self.table):
            raise ValueError(
                f"table must be a name such as shown or shop.shown, got {self.table!r}; "
                "for others write a query"
            )
        return self


def tables_of(options: Options, folder: Path) -> list[str]:
    """The tables and views of the database, with their schema if it has one that is not usual.

    Errors: as in `identity`; none for a database that does not tell, whose list is empty.
    """
    address = query_of(options).address
    statement = TABLES_OF_SQLITE if address.engine == "sqlite" else TABLES
    tables = []
    with suppress(DataError), closing(batches(address, statement, folder)) as read:
        for batch in read:
            for schema, name in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                tables.append(name if schema in USUAL_SCHEMAS else f"{schema}.{name}")
    return sorted(tables)


def load(options: Options, folder: Path, cache: Path) -> pl.LazyFrame:
    """The rows that are kept; the query is run where there are none.

    Errors are those of `identity`.
    """
    query = query_of(options)
    return scan_kept(query, cache, keep_rows(query, folder, cache, lambda _: None))


def identity(options: Options, folder: Path, contents: FileHasher) -> str:
    """The address without user and password, the query, and the hash of the rows in their order.

    Errors: DataError when the query fails, returns no rows or types that tables do not have;
    EnvironmentFault when the database cannot be reached, its driver is missing, or rows cannot be
    kept; ConfigurationError for a variable that is not set; NotFetched.
    """
    query = query_of(options)
    if contents.may_fetch:
        kept = keep_rows(query, folder, contents.cache, contents.say)
    else:
        found = read_kept(query.kept_in(contents.cache))
        if found is None:
            raise NotFetched(f"data.source: the query on {query.address.shown} was not run yet")
        kept = found
    return f"{query.address.shown}\n{query.text}\n{kept.num_rows} {kept.content}"


def query_of(options: Options) -> Query:
    """The query, and the database with the variables of the environment filled in."""
    text = options.query or f"SELECT * FROM {options.table}"  # noqa: S608 -- its form was checked
    text = text.strip().rstrip(";")
    return Query(filled_in(options.url, os.environ), text, options.snapshot)
