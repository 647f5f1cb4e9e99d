"""Engines: the rows of a query in batches, read-only, with the driver that serves each best.

DuckDB and PostgreSQL (where its ADBC driver is installed) give columns of Arrow. SQLite, and every
engine that SQLAlchemy knows by an installed dialect, give rows of Python values. Each is held to
reading by means of its own: DuckDB by its parser and a locked configuration, PostgreSQL by a
sub-query in a read-only transaction, SQLite by its authorizer, others by the words of the query.
These are sought in texts and comments too, which engines write in many ways.
"""

import importlib.util
import re
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
QUERY_KEY = "data.source.query"
BEGINNINGS = ("SELECT", "WITH", "VALUES")
_BEFORE_THE_FIRST_WORD = re.compile(r"(\s|\(|--[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)
_WORD = re.compile(r"\w+", re.ASCII)
# A query may be all that a database lets a user do: after the first statement without a semicolon
# (SQL Server), behind WITH, or as a clause of SELECT.
_WRITES = (
    *("INSERT", "UPDATE", "DELETE", "MERGE", "INTO", "OUTFILE", "DUMPFILE", "BULK", "TRUNCATE"),
    *("CREATE", "ALTER", "DROP", "GRANT", "REVOKE", "DENY", "CALL", "EXEC", "EXECUTE", "BEGIN"),
    *("COMMIT", "ROLLBACK", "BACKUP", "RESTORE", "SHUTDOWN", "KILL", "DBCC", "RECONFIGURE"),
    *("OPENROWSET", "OPENQUERY", "OPENDATASOURCE", "WAITFOR", "SET", "USE", "FUNCTION"),
    *("PROCEDURE", "COPY", "UNLOAD", "EXPORT", "PUT", "LOAD", "INSTALL", "ATTACH", "PRAGMA"),
)
_WRITING_WORD = re.compile(rf"\b({'|'.join(_WRITES)})\b|\b[sx]p_\w+|;", re.IGNORECASE)
# Functions of PostgreSQL that a read-only transaction lets a superuser call: they write files of
# the server, connect elsewhere, steer the server or other sessions, or run a text as a query.
_EFFECTS = re.compile(
    r"\b(lo_(ex|im)port|dblink\w*|pg_file_\w+|pg_(terminate|cancel)_backend|pg_reload_conf"
    r"|pg_rotate_logfile\w*|pg_promote|pg_switch_(wal|xlog)|pg_create_restore_point|pg_log_\w+"
    r"|pg_(start_|stop_)?backup\w*|pg_wal_replay_\w+|pg_logical_\w+|pg_replication_\w+|pg_sync_\w+"
    r"|pg_(create|drop|copy|alter)_\w+|pg_stat_reset\w*|pg_stat_statements_reset|pg_notify"
    r"|pg_import_system_collations|pg_(try_)?advisory\w*|pg_prewarm|autoprewarm\w*|set_config"
    r"|(query|table|cursor|schema|database)_to_xml\w*|xpath_table|ts_stat|ts_rewrite|crosstab\w*"
    r"|connectby|pg_read_(binary_)?file|pg_ls_\w+|pg_stat_file|pg_sleep\w*|pg_export_snapshot)\b"
    r'|\bu&"',
    re.IGNORECASE,
)

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
    with _opening(address, (duckdb.Error,)):
        connection = duckdb.connect(str(file), read_only=True, config=DUCKDB_CONFIGURATION)
    with closing(connection), _querying(address, (duckdb.Error, *STREAM_FAILURES)):
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
    options = [*url.normalized_query.get("options", ()), READ_ONLY]
    url = url.update_query_dict({"options": " ".join(options)})
    if checked.password is not None:
        url = url.set(password=checked.password)
    has_adbc = importlib.util.find_spec("adbc_driver_postgresql") is not None
    if has_adbc and address.url.drivername == "postgresql":
        return _adbc_postgresql(address, url.set(drivername="postgresql"), query)
    return _rows(
        address,
        url,
        as_sub_query(query),
        lambda connection: connection.exec_driver_sql(READ_ONLY_NOW),
    )


def _adbc_postgresql(address: QueryAddress, url: URL, query: str) -> Batches:
    from adbc_driver_manager import Error
    from adbc_driver_postgresql import dbapi

    with _opening(address, (Error,)):
        # PostgreSQL's client library takes a plus sign for itself, not for a space.
        place, mark, query_of_url = url.render_as_string(hide_password=False).partition("?")
        options = mark + query_of_url.replace("+", "%20")
        connection = dbapi.connect(place.replace(" ", "%20") + options)
    failures = (Error, *STREAM_FAILURES)
    with closing(connection), _querying(address, failures), connection.cursor() as cursor:
        cursor.execute(READ_ONLY_NOW)
        cursor.execute(as_sub_query(query))
        yield from cursor.fetch_record_batch()


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
    address: QueryAddress, url: URL, query: str, hold_to_reading: Callable[["Connection"], object]
) -> Batches:
    """Batches of a cursor's rows, which the server keeps until they are fetched if it can."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError
    from sqlalchemy.pool import NullPool

    try:
        engine = create_engine(url, poolclass=NullPool)
    except (ImportError, NoSuchModuleError):
        raise _missing_driver(address) from None
    with _opening(address, (SQLAlchemyError,)):
        connection = engine.connect()
    options = {"stream_results": True, "max_row_buffer": BATCH_ROWS, "no_parameters": True}
    with closing(connection), _querying(address, (SQLAlchemyError,)):
        hold_to_reading(connection)
        result = connection.execution_options(**options).exec_driver_sql(query)
        if not result.returns_rows:
            raise DataError(f"{QUERY_KEY}: must return rows, as SELECT does")
        names = list(result.keys())
        while rows := result.fetchmany(BATCH_ROWS):
            columns = zip(*rows, strict=True)
            arrays = [_array(name, values) for name, values in zip(names, columns, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, names=names)


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
def _opening(address: QueryAddress, failures: tuple[type[Exception], ...]) -> Iterator[None]:
    try:
        yield
    except failures as error:
        # Not raised from it: the driver's error may quote the password.
        raise EnvironmentFault(
            f"{URL_KEY}: {address.shown} cannot be opened: {_in_words(address, error)}"
        ) from None


@contextmanager
def _querying(address: QueryAddress, failures: tuple[type[Exception], ...]) -> Iterator[None]:
    try:
        yield
    except failures as error:
        raise DataError(
            f"{QUERY_KEY}: {address.engine} refuses the query: {_in_words(address, error)}"
        ) from None


def _in_words(address: QueryAddress, error: Exception) -> str:
    return shorten(address.masked(str(getattr(error, "orig", None) or error)))


def check_query(query: str) -> str:
    """Return a query that begins as one that reads, without a semicolon at its end.

    ValueError for any other.
    """
    beginning = _BEFORE_THE_FIRST_WORD.match(query)
    assert beginning is not None, "it may be empty"
    first = _WORD.match(query, beginning.end())
    if first is None or first[0].upper() not in BEGINNINGS:
        got = first[0] if first else "none of these"
        raise ValueError(
            f"a query only reads: it must begin with {', '.join(BEGINNINGS)}, got {got:.40}"
        )
    stripped = query.rstrip()
    return stripped.removesuffix(";") if stripped.endswith(";") else query


def as_sub_query(query: str) -> str:
    """Return a statement that has the rows of a query, and that no engine takes for another.

    A sub-query cannot copy to a file or program, lock rows, or hold an INSERT behind WITH.
    """
    return f"SELECT * FROM (\n{query}\n) AS query"  # noqa: S608 -- the text is the user's query


def refuse_effects(query: str) -> None:
    """DataError for a query of PostgreSQL that calls a function with effects, or may hide one."""
    found = _EFFECTS.search(query)
    if found is not None:
        raise DataError(
            f"{QUERY_KEY}: must only read rows of tables, got "
            f"{found[1] or 'a name with escapes (U&)'}",
            remedy="leave it out, or make a view of it in the database and read the view",
        )


def refuse_writes(query: str) -> None:
    """DataError for a query of an engine without means of its own that may do more than read."""
    found = _WRITING_WORD.search(query)
    if found is not None:
        raise DataError(
            f"{QUERY_KEY}: must be one statement that only reads, got {found[0]}",
            remedy="where it is meant as a text or a name, make a view of it in the database and "
            "read the view",
        )
