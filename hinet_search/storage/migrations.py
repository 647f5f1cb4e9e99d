"""Migrations: check the version of a database's tables, and bring older tables up to date.

A change of tables.py adds one to VERSION, and here the step from the version before. From 1.0 on a
step adds columns that may be NULL, tables or indexes, nothing else: a launch of the older release
that still runs can go on writing.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, Engine, Float, Text, func, inspect, select

from hinet_search.common.errors import StudyConflict
from hinet_search.storage.damage import check_value, row_of
from hinet_search.storage.tables import VERSION, metadata, schema_version

if TYPE_CHECKING:
    from alembic.operations import Operations


def _name_the_release(operations: "Operations") -> None:
    """10 to 11: the release that made or migrated the tables, so that a refusal can name it."""
    operations.add_column(schema_version.name, Column("written_by", Text))


def _name_epochs(operations: "Operations") -> None:
    """11 to 12, before 1.0: passes are epochs, as a column and in the names of settings."""
    operations.execute("ALTER TABLE hs_evaluation RENAME COLUMN passes TO epochs")
    for table in metadata.tables.values():
        for column in table.columns:
            if column.name.endswith("_json"):
                renamed = func.replace(column, 'passes"', 'epochs"')
                renamed = func.replace(renamed, 'per_pass"', 'per_epoch"')
                operations.execute(table.update().values({column: renamed}))


def _note_the_seconds_left(operations: "Operations") -> None:
    """12 to 13: the seconds that a launch still takes, so that the live page can show them."""
    operations.add_column("hs_lease", Column("seconds_left", Float))


_STEPS: Mapping[int, Callable[["Operations"], None]] = {
    10: _name_the_release,
    11: _name_epochs,
    12: _note_the_seconds_left,
}
OLDEST = min(_STEPS)


def make_tables(engine: Engine, url: str) -> None:
    """Make our tables where they are absent, migrate older ones. Needs the creation lock.

    StudyConflict when they are there, newer or too old.
    """
    if stored_version(engine) is not None:
        migrate(engine, url)
        return
    with engine.connect() as connection:
        _begin(connection)
        metadata.create_all(connection)
        connection.execute(
            schema_version.insert().values(version=VERSION, written_by=_this_release())
        )
        connection.commit()


def migrate(engine: Engine, url: str) -> None:
    """Bring the tables up to VERSION in one transaction. Needs the creation lock.

    StudyConflict when they are absent, newer or too old.
    """
    version = check_version(engine, url, remedy="")
    if version == VERSION:
        return
    from alembic.migration import MigrationContext  # here, because few commands migrate
    from alembic.operations import Operations

    with engine.connect() as connection:
        _begin(connection)
        operations = Operations(MigrationContext.configure(connection))
        for older in range(version, VERSION):
            _STEPS[older](operations)
        connection.execute(
            schema_version.update().values(version=VERSION, written_by=_this_release())
        )
        connection.commit()


def check_version(engine: Engine, url: str, remedy: str) -> int:
    """Return the version of the tables, VERSION or one that `migrate` brings up to it.

    StudyConflict when they are absent (with `remedy`), newer or too old.
    """
    version = stored_version(engine)
    if version is None:
        raise StudyConflict(
            f"{url} holds no hinet-search study: table {schema_version.name} is missing",
            remedy=remedy,
        )
    if version > VERSION:
        with engine.connect() as connection:
            release: str | None = connection.execute(select(schema_version.c.written_by)).scalar()
        with row_of(schema_version.name):
            check_value(schema_version.c.written_by, release)
        release = f"hinet-search {release}" if release else "a newer hinet-search"
        raise StudyConflict(
            f"{url} has tables of version {version}, of {release}; "
            f"hinet-search {_this_release()} reads version {VERSION}",
            remedy=f"install {release}, or name another database with --storage or --output",
        )
    if version < OLDEST:
        raise StudyConflict(
            f"{url} has tables of version {version}, older than {OLDEST}, the first that is "
            "migrated",
            remedy="use the hinet-search that made it, "
            "or name another database with --storage or --output",
        )
    return version


def stored_version(engine: Engine) -> int | None:
    """Return the version of the tables, None where there are none."""
    if not inspect(engine).has_table(schema_version.name):
        return None
    with engine.connect() as connection:
        version = connection.execute(select(schema_version.c.version)).scalar()
    if version is None:
        return None
    with row_of(schema_version.name, version=version):
        check_value(schema_version.c.version, version)
    return int(version)


def _begin(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        # SQLite's driver begins no transaction before a change of tables.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _this_release() -> str:
    return installed_version("hinet-search")
