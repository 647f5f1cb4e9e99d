"""Engine: open every database, SQLite or PostgreSQL, for our tables and for Optuna's."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    InterfaceError,
    MultipleResultsFound,
    NoResultFound,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hinet_search.common.database_url import Address, parse_address
from hinet_search.common.errors import DatabaseAway, EnvironmentFault, StudyConflict
from hinet_search.storage import sqlite_file
from hinet_search.storage.damage import REMEDY, DamagedRow
from hinet_search.storage.migrations import check_version, make_tables, migrate
from hinet_search.storage.tables import VERSION

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

_READ = "BEGIN"
# Take SQLite's write lock at once: a later upgrade from reading fails without waiting.
_WRITE = "BEGIN IMMEDIATE"
_BEGIN = "hinet_search_begin"
_OF_DATABASE = (
    DatabaseError,
    InterfaceError,
    PoolTimeout,
    NoResultFound,
    MultipleResultsFound,
    UnicodeDecodeError,  # SQLite's own names and messages, in a damaged file
)
_OF_CONTENT = (
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FORMAT,
)
LAUNCH_FIRST = "launch a study first (hinet-search launch), or name its database with --storage"
_CREATION_LOCK = 0x48694E6574  # "HiNet": key of pg_advisory_lock


@dataclass(frozen=True)
class Database:
    """An open database. `url` is masked. A coordinator shares one pool with Optuna's storage."""

    url: str
    engine: Engine = field(repr=False)
    open_storage: Callable[[], "RDBStorage"] = field(repr=False)

    @cached_property
    def storage(self) -> "RDBStorage":
        """Optuna's storage, opened at the first use: readers without it do not wait for Optuna."""
        return self.open_storage()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a read transaction: it sees one state of the database and waits for no writer."""
        options = (
            {_BEGIN: _READ}
            if self.engine.name == "sqlite"
            else {"isolation_level": "REPEATABLE READ"}
        )
        with self.guarded(), self.engine.connect().execution_options(**options) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a write transaction; commit it at the end, roll it back on an exception."""
        with (
            self.guarded(),
            self.engine.connect().execution_options(**{_BEGIN: _WRITE}) as connection,
            connection.begin(),
        ):
            yield connection

    def guarded(self) -> AbstractContextManager[None]:
        """Turn errors of a locked, lost or full database into EnvironmentFault.

        Wrap calls of Optuna in it.
        """
        return _guarded(self.url)

    def close(self) -> None:
        """Close all connections of this process."""
        if "storage" in self.__dict__:
            self.storage.remove_session()
            self.storage.engine.dispose()
        self.engine.dispose()


def connect(url: str, *, create: bool = False) -> Database:
    """Open the database at `url`, a path or URL.

    `create=True` is for a coordinator: make what is missing (folder, file, tables), and let
    Optuna's transactions take the write lock at once. `create=False` is for readers: make and
    change nothing, but bring tables of an older release up to date.
    Errors: EnvironmentFault when there is no database, it cannot be reached, or must be migrated
    and cannot be written; StudyConflict when its tables are too old or of a newer release;
    ConfigurationError for any other kind of URL.
    """
    address = parse_address(url)
    if address.file is not None:
        _refuse_unusable(address.file, create=create)
    with _guarded(address.masked):
        bare = _bare_engine(address, create=create)
        if not create:
            if check_version(bare, address.masked, LAUNCH_FIRST) != VERSION:
                _migrate_as_reader(address)
            engine = create_engine(address.url, **_engine_arguments(address, create=False))
            if address.file is not None:
                _listen(engine, _READ)
            return Database(address.masked, engine, partial(_storage, address, create=False))
        with _creation_lock(address, bare):
            make_tables(bare, address.masked)
            storage = _storage(address, create=True)
        return Database(address.masked, storage.engine, lambda: storage)


def _migrate_as_reader(address: Address) -> None:
    """Bring tables of an older release up to date; EnvironmentFault where none may be written."""
    if address.file is not None:
        sqlite_file.refuse_unwritable(address.file)
    bare = _bare_engine(address, create=True)
    with _creation_lock(address, bare):
        migrate(bare, address.masked)


def connect_if_there(url: str) -> Database | None:
    """Open the database as a reader; None where a launch would make it.

    Errors: as of connect, and EnvironmentFault where a launch could not write the database.
    """
    address = parse_address(url)
    if address.file is not None:
        _refuse_unusable(address.file, create=True)
    try:
        return connect(url)
    except (EnvironmentFault, StudyConflict) as error:
        if error.remedy != LAUNCH_FIRST:
            raise
        return None


def _refuse_unusable(file: Path, *, create: bool) -> None:
    """Raise EnvironmentFault for a missing file; with `create`, for one that cannot be written."""
    if not sqlite_file.is_there(file) and not create:
        raise EnvironmentFault(f"no database at {file}", remedy=LAUNCH_FIRST)
    if create:
        sqlite_file.refuse_unwritable(file)


def _bare_engine(address: Address, *, create: bool) -> Engine:
    """Return an engine without pool or listeners, for work before the real engine exists."""
    try:
        return create_engine(address.url, poolclass=NullPool, **_opening(address, create=create))
    except ImportError as error:
        raise EnvironmentFault(
            f"{address.masked} needs the PostgreSQL driver psycopg, which is not installed",
            remedy="pip install '.[postgres]' in a clone of hinet-search",
        ) from error


def _opening(address: Address, *, create: bool) -> dict[str, Any]:
    """Return the arguments by which an engine opens connections."""
    if address.file is not None:
        return {
            "creator": partial(
                sqlite_file.open_to_write if create else sqlite_file.open_to_read, address.file
            )
        }
    secret = {} if address.password is None else {"password": address.password}
    return {"connect_args": {"connect_timeout": 10, "options": "-c timezone=utc", **secret}}


def _engine_arguments(address: Address, *, create: bool) -> dict[str, Any]:
    """Return the arguments of an engine; without `create` it is read-only.

    This function makes it so for PostgreSQL, `_listen` does for SQLite.
    """
    opening = _opening(address, create=create)
    if address.file is not None:
        # Where SQLite cannot lock, a pooled connection would not see later writes of other
        # processes.
        is_pooled = create or sqlite_file.is_writable(address.file)
        return opening if is_pooled else {**opening, "poolclass": NullPool}
    server = {
        "pool_size": 2,
        "max_overflow": 0,
        "pool_pre_ping": True,
        "execution_options": {} if create else {"postgresql_readonly": True},
    }
    return {**opening, **server}


def _storage(address: Address, *, create: bool) -> "RDBStorage":
    import optuna  # here, because the import takes a third of the time of `status`

    # Optuna's progress lines would mix with ours.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = optuna.storages.RDBStorage(
            address.url.replace("{", "{{").replace("}", "}}"),  # Optuna formats its URL
            engine_kwargs=_engine_arguments(address, create=create),
            skip_table_creation=not create,
        )
    except RuntimeError as error:  # Optuna raises it for tables of another Optuna version only
        raise StudyConflict(f"{address.masked}: {error}") from error
    if address.file is not None:
        if create:
            refuse = partial(sqlite_file.refuse_replaced, address.file)
            identity = sqlite_file.identity_of(address.file)
            event.listen(storage.engine, "begin", lambda _: refuse(identity))
        _listen(storage.engine, _WRITE if create else _READ)
    return storage


def _listen(engine: Engine, default_begin: str) -> None:
    """Set pragmas, and the statement that begins transactions.

    Optuna nests connections while it starts, so call this afterwards.
    """

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the listener below begins transactions, not the driver
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA query_only={int(default_begin == _READ)}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, default_begin))

    engine.dispose()  # connections made before the listeners do not call them


@contextmanager
def _creation_lock(address: Address, bare: Engine) -> Iterator[None]:
    """Hold the lock under which one process makes tables and sets SQLite's journal mode."""
    if address.file is None:
        with bare.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _CREATION_LOCK})
            yield  # closing the connection releases the lock
        return
    with sqlite_file.creation_lock(address.file):
        with bare.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        yield


@contextmanager
def _guarded(url: str) -> Iterator[None]:
    try:
        yield
    except DamagedRow as error:
        raise EnvironmentFault(f"database {url} is damaged: {error}", remedy=REMEDY) from error
    except Exception as error:
        if not isinstance(error, _OF_DATABASE) and not _is_of_optunas_storage(error):
            raise
        cause = error.__cause__ if _is_of_optunas_storage(error) and error.__cause__ else error
        driver = cause.orig if isinstance(cause, DBAPIError) else cause
        reason = "; ".join(line.strip() for line in str(driver).splitlines() if line.strip())
        problem = f"database {url} is not usable: {reason}"
        if not _may_pass(error):
            raise EnvironmentFault(problem, remedy=REMEDY) from error
        remedy = "check that it runs, that its disk has space, and that no process locks it"
        if "does not support SSL" in reason:
            remedy = (
                "turn TLS on in the server, or, if the network between them is trusted, "
                "add ?sslmode=disable to its URL"
            )
        raise DatabaseAway(problem, remedy=remedy) from error


def _may_pass(error: BaseException) -> bool:
    """Whether the error is of the connection, a lock or the disk, and may pass.

    A file that is not a database, or wrong content, does not pass. SQLite has one class of errors
    for both kinds; its error codes tell them apart (ERROR is a missing table or column). Errors of
    the driver itself have no code.
    """
    cause = error.__cause__ if _is_of_optunas_storage(error) else error
    if isinstance(cause, OperationalError) and isinstance(cause.orig, sqlite3.Error):
        code = getattr(cause.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        return code & 0xFF not in _OF_CONTENT
    return isinstance(cause, (OperationalError, InterfaceError, PoolTimeout))


def _is_of_optunas_storage(error: BaseException) -> bool:
    """Compare by name, because processes that never open Optuna's storage do not import Optuna."""
    return (
        f"{type(error).__module__}.{type(error).__name__}"
        == "optuna.exceptions.StorageInternalError"
    )
