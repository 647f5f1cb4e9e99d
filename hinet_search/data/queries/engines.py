"""Engines: the rows of a query in batches, read-only, with the driver that serves each best.

DuckDB and PostgreSQL (where its ADBC driver is installed) give columns of Arrow. SQLite, and every
engine that SQLAlchemy knows by an installed dialect, give rows of Python values. Each is held to
reading by means of its own: DuckDB by its parser and a locked configuration, PostgreSQL by a
sub-query in a read-only transaction, SQLite by its authorizer, others by the words of the query.
"""

import importlib.util
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa
from sqlalchemy.engine import URL, make_url

from hinet_search.common.database_url import parse_address
from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.data.queries.address import QueryAddress
from hinet_search.data.queries.statement import (
    QUERY_KEY,
    as_sub_query,
    refuse_effects,
    refuse_writes,
)
from hinet_search.data.reading import shorten
from hinet_search.data.table_files import find_file

if TYPE_CHECKING:
    from sqlalchemy import Connection

BATCH_ROWS = 100_000
URL_KEY = "data.source.url"
PACKAGES = {"duckdb": "duckdb", "postgresql": "psycopg[binary]", "mysql": "mysqlclient"}
STREAM_FAILURES = (OSError, pa.ArrowException)  # as which Arrow reports that a query fails later
_POSTGRESQL = ("postgresql", "postgresql+psycopg")
READ_ONLY = "-c default_transaction_read_only=on"  # of PostgreSQL's client library
# In a transaction, whatever the options of the URL are.
READ_ONLY_NOW = "SET TRANSACTION READ ONLY"
# A query of DuckDB reads the tables of its database: no other file, no address, no extension, no
# variable of this process, and it cannot set these otherwise.
DUCKDB_CONFIGURATION: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
    "lock_configuration": True,
}
# What SQLite may do without a look at its arguments, of what it asks before it runs a statement.
SQLITE_READS = (
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_RECURSIVE,
)
SQLITE_REFUSED_FUNCTIONS = ("load_extension", "fts3_tokenizer", "writefile", "edit")

Batches = Generator[pa.RecordBatch]  # closing it closes the connection


def batches(address: QueryAddress, query: str, folder: Path) -> Batches:
    """The rows of a query; the database file of a relative path is found as tables are.

    Errors: EnvironmentFault when the database cannot be opened or its driver is missing,
    ConfigurationError for an address that is no database, DataError when the query fails.
    """
    return _ENGINES.get(address.engine, _by_sqlalchemy)(address, query, folder)


def _duckdb(address: QueryAddress, query: str, folder: Path) -> Batches:
    try:
        import duckdb
    except ImportError:
        raise _missing_driver(address) from None
    file = _file(address, folder)
    with _opening(address, duckdb.Error):
        connection = duckdb.connect(str(file), read_only=True, config=DUCKDB_CONFIGURATION)
    with closing(connection), _querying(address, duckdb.Error, *STREAM_FAILURES):
        statements = connection.extract_statements(query)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise DataError(f"{QUERY_KEY}: must be one statement that only reads, as SELECT does")
        relation = connection.sql(query)
        yield from relation.to_arrow_reader(BATCH_ROWS)


def _postgresql(address: QueryAddress, query: str, folder: Path) -> Batches:  # noqa: ARG001 - an engine's arguments
    if address.url.drivername not in _POSTGRESQL:
        raise ConfigurationError(
            f"{URL_KEY}: PostgreSQL is read with postgresql:// or postgresql+psycopg://, "
            f"got {address.url.drivername}://"
        )
    refuse_effects(query)
    # Another machine is reached by TLS, and the transaction is read-only.
    checked = parse_address(address.with_password)
    url = make_url(checked.url)
    options = " ".join(filter(None, [_text(url.query.get("options")), READ_ONLY]))
    url = url.update_query_dict({"options": options})
    if checked.password is not None:
        url = url.set(password=checked.password)
    has_adbc = importlib.util.find_spec("adbc_driver_postgresql") is not None
    if has_adbc and address.url.drivername == "postgresql":
        return _adbc_postgresql(address, url.set(drivername="postgresql"), query)
    return _rows(address, url, as_sub_query(query), _read_only_postgresql)


def _adbc_postgresql(address: QueryAddress, url: URL, query: str) -> Batches:
    from adbc_driver_manager import Error
    from adbc_driver_postgresql import dbapi

    with _opening(address, Error):
        connection = dbapi.connect(_for_libpq(url))
    failures = (Error, *STREAM_FAILURES)
    with closing(connection), _querying(address, *failures), connection.cursor() as cursor:
        cursor.execute(READ_ONLY_NOW)
        cursor.execute(as_sub_query(query))
        yield from cursor.fetch_record_batch()


def _for_libpq(url: URL) -> str:
    """The URL for PostgreSQL's client library, which takes a plus sign for itself, not a space."""
    place, mark, query = url.render_as_string(hide_password=False).partition("?")
    return place.replace(" ", "%20") + mark + query.replace("+", "%20")


def _sqlite(address: QueryAddress, query: str, folder: Path) -> Batches:
    file = _file(address, folder)
    uri = {"mode": "ro", "uri": "true"}
    url = URL.create("sqlite", database=f"file:{quote(str(file.absolute()))}", query=uri)
    return _rows(address, url, query, _read_only_sqlite)


def _by_sqlalchemy(address: QueryAddress, query: str, folder: Path) -> Batches:  # noqa: ARG001 - an engine's arguments
    refuse_writes(query)
    return _rows(address, address.url, query, lambda _: None)


_ENGINES: dict[str, Callable[[QueryAddress, str, Path], Batches]] = {
    "duckdb": _duckdb,
    "postgresql": _postgresql,
    "sqlite": _sqlite,
}


def _read_only_postgresql(connection: "Connection") -> None:
    connection.exec_driver_sql(READ_ONLY_NOW)


def _read_only_sqlite(connection: "Connection") -> None:
    """Let the query read tables of its file, which may be a stranger's too, and do nothing else."""
    connection.exec_driver_sql("PRAGMA trusted_schema = OFF")
    driver: Any = connection.connection.driver_connection
    driver.set_authorizer(_sqlite_answer)


def _sqlite_answer(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION:
        is_read = second not in SQLITE_REFUSED_FUNCTIONS
    elif action == sqlite3.SQLITE_PRAGMA:
        is_read = first == "data_version"  # with which SQLite opens its tables of full-text search
    else:
        is_read = action in SQLITE_READS
    return sqlite3.SQLITE_OK if is_read else sqlite3.SQLITE_DENY


def _rows(
    address: QueryAddress, url: URL, query: str, hold_to_reading: Callable[["Connection"], None]
) -> Batches:
    """Batches of a cursor's rows, which the server keeps until they are fetched if it can."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError
    from sqlalchemy.pool import NullPool

    try:
        engine = create_engine(url, poolclass=NullPool)
    except (ImportError, NoSuchModuleError):
        raise _missing_driver(address) from None
    with _opening(address, SQLAlchemyError):
        connection = engine.connect()
    options = {"stream_results": True, "max_row_buffer": BATCH_ROWS, "no_parameters": True}
    with closing(connection), _querying(address, SQLAlchemyError):
        hold_to_reading(connection)
        result = connection.execution_options(**options).exec_driver_sql(query)
        if not result.returns_rows:
            raise DataError(f"{QUERY_KEY}: must return rows, as SELECT does")
        names = list(result.keys())
        while rows := result.fetchmany(BATCH_ROWS):
            yield _batch(names, rows)


def _batch(names: Sequence[str], rows: Sequence[Any]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [_array(name, values) for name, values in zip(names, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _array(name: str, values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError) as error:
        kinds = sorted({type(value).__name__ for value in values if value is not None})
        raise DataError(
            f"{QUERY_KEY}: column '{name}' must have values of one kind of up to 64 bits, "
            f"got {' and '.join(kinds)}",
            remedy=f"convert it in the query, such as CAST({name} AS TEXT) AS {name}",
        ) from error


def _file(address: QueryAddress, folder: Path) -> Path:
    """The file of an embedded database."""
    name = address.url.database
    if not name or name == ":memory:":
        raise ConfigurationError(
            f"{URL_KEY}: must name the file of a database, such as {address.engine}:///shop.db"
        )
    return find_file(name, folder, URL_KEY)


def _missing_driver(address: QueryAddress) -> EnvironmentFault:
    kind = address.engine
    if kind in PACKAGES:
        return EnvironmentFault(
            f"{URL_KEY}: {address.shown} needs a driver of {kind}, which is not installed",
            remedy=f"pip install '{PACKAGES[kind]}'",
        )
    return EnvironmentFault(
        f"{URL_KEY}: {address.shown} needs SQLAlchemy's dialect of {kind}, which is not installed",
        remedy=f"install the package that has it, such as pip install sqlalchemy-{kind} "
        f"or {kind}-sqlalchemy",
    )


@contextmanager
def _opening(address: QueryAddress, *failures: type[Exception]) -> Iterator[None]:
    try:
        yield
    except failures as error:
        # Not raised from it: the driver's error may quote the password.
        raise EnvironmentFault(
            f"{URL_KEY}: {address.shown} cannot be opened: {_in_words(address, error)}"
        ) from None


@contextmanager
def _querying(address: QueryAddress, *failures: type[Exception]) -> Iterator[None]:
    try:
        yield
    except failures as error:
        raise DataError(
            f"{QUERY_KEY}: {address.engine} refuses the query: {_in_words(address, error)}"
        ) from None


def _in_words(address: QueryAddress, error: Exception) -> str:
    return shorten(address.masked(str(getattr(error, "orig", None) or error)))


def _text(value: str | tuple[str, ...] | None) -> str:
    return " ".join(value) if isinstance(value, tuple) else value or ""
