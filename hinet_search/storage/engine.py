"""Engine: the one place that opens a database, SQLite or PostgreSQL, for us and for Optuna alike."""

import fcntl
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import DatabaseError, DBAPIError, IntegrityError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hinet_search.errors import DatabaseAway, EnvironmentFault, StudyConflict
from hinet_search.private import make_file, make_folder
from hinet_search.storage.address import Address, parse_address
from hinet_search.storage.filesystem import OVER_THE_NETWORK, file_system_of
from hinet_search.storage.schema import MIGRATE, bring_forward, check_version, make_index, make_or_migrate, version_of
from hinet_search.storage.tables import VERSION

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

BUSY_SECONDS = 60
_READ = "BEGIN"
_WRITE = "BEGIN IMMEDIATE"  # takes SQLite's write lock at once: a later upgrade from reading fails without waiting
_BEGIN = "hinet_search_begin"
LAUNCH_FIRST = "launch a study first (hinet-search launch), or name its database with --storage"
_CREATION_LOCK = 0x48694E6574  # "HiNet": key of pg_advisory_lock


@dataclass(frozen=True)
class Database:
    """An open database. `url` is masked. Whoever runs a study shares one pool with Optuna's storage over it."""

    url: str
    engine: Engine = field(repr=False)
    open_storage: Callable[[], "RDBStorage"] = field(repr=False)

    @cached_property
    def storage(self) -> "RDBStorage":
        """Optuna's own, opened when it is first asked for: a reader that needs none does not wait for Optuna."""
        return self.open_storage()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One read transaction; it sees one state of the database and never waits for a writer."""
        options = {_BEGIN: _READ} if self.engine.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        with self.guarded(), self.engine.connect().execution_options(**options) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One write transaction, committed at the end and rolled back by an exception."""
        with (
            self.guarded(),
            self.engine.connect().execution_options(**{_BEGIN: _WRITE}) as connection,
            connection.begin(),
        ):
            yield connection

    def guarded(self) -> AbstractContextManager[None]:
        """Inside it a locked, lost or full database is an EnvironmentFault; wrap calls of Optuna in it."""
        return _guarded(self.url)

    def close(self) -> None:
        """Closes all connections of this process."""
        if "storage" in self.__dict__:
            self.storage.remove_session()
            self.storage.engine.dispose()
        self.engine.dispose()


def _quiet(_text: str) -> None:
    """Says nothing."""


def connect(url: str, *, create: bool = False, say: Callable[[str], None] = _quiet) -> Database:
    """Opens the database at `url`, a path or URL.

    `create=True` is for the one who runs a study: it makes what is missing (folder, file, tables), brings older tables
    forward (and says so), and Optuna's transactions take the write lock at once. `create=False` is for readers: it makes
    and changes nothing.
    Errors: EnvironmentFault when there is no database or it cannot be reached, StudyConflict when it has another layout,
    ConfigurationError for any other kind of URL.
    """
    address = parse_address(url)
    if address.file is not None:
        _prepare_file(address.file, create=create)
    with _guarded(address.masked):
        bare = _bare_engine(address)
        if not create:
            check_version(bare, address.masked, LAUNCH_FIRST)
            return Database(address.masked, _reading_engine(address), partial(_storage, address, create=False))
        with _creation_lock(address, bare):
            make_or_migrate(bare, address.masked, say)
            storage = _storage(address, create=True)
            make_index(bare)
        return Database(address.masked, storage.engine, lambda: storage)


def connect_if_there(url: str) -> Database | None:
    """As a reader does; None where a launch would make the database, or bring its tables forward. Other errors as connect."""
    try:
        return connect(url)
    except (EnvironmentFault, StudyConflict) as error:
        if error.remedy not in (LAUNCH_FIRST, MIGRATE):
            raise
        return None


def migrate(url: str, say: Callable[[str], None]) -> None:
    """Brings older tables of the database at `url` forward, and says so; makes nothing else. Errors are those of connect."""
    address = parse_address(url)
    if address.file is not None:
        _prepare_file(address.file, create=False)
    with _guarded(address.masked):
        bare = _bare_engine(address)
        if version_of(bare, address.masked, LAUNCH_FIRST) < VERSION:
            with _creation_lock(address, bare):
                bring_forward(bare, address.masked, say)


def _prepare_file(file: Path, *, create: bool) -> None:
    if not create:
        if not file.is_file():
            raise EnvironmentFault(f"no database at {file}", remedy=LAUNCH_FIRST)
        return
    if (kind := file_system_of(file)) in OVER_THE_NETWORK:
        raise EnvironmentFault(
            f"{file} lies on {kind}, where SQLite can be damaged by two writers",
            remedy="name a file on a local disk with --storage, or a PostgreSQL database",
        )
    try:
        make_folder(file.parent)
    except OSError as error:
        raise EnvironmentFault(
            f"folder {file.parent} of the database cannot be made: {error.strerror}", remedy="name another database"
        ) from error


def _bare_engine(address: Address) -> Engine:
    """An engine without pool or listeners, for what happens before the real one exists."""
    try:
        return create_engine(address.url, poolclass=NullPool, connect_args=_connect_arguments(address))
    except ImportError as error:
        raise EnvironmentFault(
            f"{address.masked} needs the PostgreSQL driver psycopg, which is not installed",
            remedy="pip install '.[postgres]' in a clone of hinet-search",
        ) from error


def _connect_arguments(address: Address) -> dict[str, Any]:
    if address.file is not None:
        return {"timeout": BUSY_SECONDS}
    secret = {} if address.password is None else {"password": address.password}
    return {"connect_timeout": 10, "options": "-c timezone=utc", **secret}


def _engine_arguments(address: Address, *, create: bool) -> dict[str, Any]:
    """Who creates nothing can change nothing either: here for PostgreSQL, in `_listen` for SQLite."""
    server = {
        "pool_size": 2,
        "max_overflow": 0,
        "pool_pre_ping": True,
        "execution_options": {} if create else {"postgresql_readonly": True},
    }
    return {"connect_args": _connect_arguments(address), **({} if address.file is not None else server)}


def _reading_engine(address: Address) -> Engine:
    engine = create_engine(address.url, **_engine_arguments(address, create=False))
    if address.file is not None:
        _listen(engine, _READ)
    return engine


def _storage(address: Address, *, create: bool) -> "RDBStorage":
    import optuna  # here, for it takes a third of the time in which `status` answers

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # its progress lines would stand between ours
    try:
        storage = optuna.storages.RDBStorage(
            address.url.replace("{", "{{").replace("}", "}}"),  # Optuna formats its URL
            engine_kwargs=_engine_arguments(address, create=create),
            skip_table_creation=not create,
        )
    except RuntimeError as error:  # the only one Optuna raises here: tables of another Optuna
        raise StudyConflict(f"{address.masked}: {error}") from error
    if address.file is not None:
        _listen(storage.engine, _WRITE if create else _READ)
    return storage


def _listen(engine: Engine, default_begin: str) -> None:
    """Sets pragmas and how transactions begin. Optuna nests connections while it starts, so this comes after."""

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself, the listener below does
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA query_only={int(default_begin == _READ)}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, default_begin))

    engine.dispose()  # connections made before the listeners would go without them


@contextmanager
def _creation_lock(address: Address, bare: Engine) -> Iterator[None]:
    """Only one process makes tables; SQLite's journal mode is set in here too, as it needs to be alone."""
    if address.file is None:
        with bare.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _CREATION_LOCK})
            yield  # the lock goes with the connection
        return
    lock_file = address.file.with_name(address.file.name + ".lock")
    try:
        make_file(lock_file)
        lock = lock_file.open("w")
        make_file(address.file)  # SQLite gives its other files the mode of this one
    except OSError as error:
        raise EnvironmentFault(f"database {address.file} cannot be made: {error.strerror}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with bare.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        yield


@contextmanager
def _guarded(url: str) -> Iterator[None]:
    try:
        yield
    except (IntegrityError, ProgrammingError):
        raise  # our own mistake, not the environment's
    except Exception as error:
        if not isinstance(error, (DatabaseError, InterfaceError, PoolTimeout)) and not _is_of_optunas_storage(error):
            raise
        fault = DatabaseAway if _may_pass(error) else EnvironmentFault
        reason = _reason(error)
        raise fault(f"database {url} is not usable: {reason}", remedy=_remedy(reason)) from error


def _remedy(reason: str) -> str:
    if "does not support SSL" in reason:
        return "turn TLS on in the server, or, where nobody else can listen, add ?sslmode=disable to its URL"
    return "check that it runs, that its disk has space, and that nobody holds it locked"


def _may_pass(error: BaseException) -> bool:
    """Whether it is of the connection, a lock or the disk; not of a file that is no database."""
    cause = error.__cause__ if _is_of_optunas_storage(error) else error
    return isinstance(cause, (OperationalError, InterfaceError, PoolTimeout))


def _is_of_optunas_storage(error: BaseException) -> bool:
    """Known by its name, since whoever never opens Optuna's storage does not import it."""
    return f"{type(error).__module__}.{type(error).__name__}" == "optuna.exceptions.StorageInternalError"


def _reason(error: BaseException) -> str:
    cause = error.__cause__ if _is_of_optunas_storage(error) and error.__cause__ else error
    driver = cause.orig if isinstance(cause, DBAPIError) else cause
    return "; ".join(line.strip() for line in str(driver).splitlines() if line.strip())
