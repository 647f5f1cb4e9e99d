"""Migrations: make our tables, migrate older ones, refuse those of a newer hinet-search.

`to_3.py` turns tables of version 2 into version 3 with alembic's operations, and fills new columns
with what is true of the old rows. docs/database.md says how to add a step.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module

from sqlalchemy import Connection, Engine, inspect, select, update

from hinet_search.common.errors import StudyConflict
from hinet_search.storage.damage import AnyRow, reads
from hinet_search.storage.lease import held_studies
from hinet_search.storage.tables import VERSION, metadata, schema_version

MIGRATE = (
    "hinet-search migrate (with the same --storage or --output) brings them forward, "
    "as the next launch does"
)


def make_or_migrate(engine: Engine, url: str, say: Callable[[str], None]) -> None:
    """Make our tables, or migrate older ones. Needs the creation lock."""
    if _version(engine) is not None:
        bring_forward(engine, url, say)
        return
    with _changing(engine) as connection:
        metadata.create_all(connection)
        connection.execute(schema_version.insert().values(version=VERSION))


def bring_forward(engine: Engine, url: str, say: Callable[[str], None]) -> None:
    """Migrate our tables to this version, and report that to `say`. Needs the creation lock.

    StudyConflict when they are absent or newer, or when a running study needs them unchanged.
    """
    version = version_of(engine, url, "")
    if version == VERSION:
        return
    with _changing(engine) as connection:
        _upgrade(connection, url, version)
    say(f"{url}: tables brought from version {version} to {VERSION}")


@contextmanager
def _changing(engine: Engine) -> Iterator[Connection]:
    """Open one transaction that changes tables: an interruption leaves no change."""
    with engine.connect() as connection:
        if engine.name == "sqlite":
            # SQLite's driver begins no transaction before a change of tables.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection
        connection.commit()


def check_version(engine: Engine, url: str, remedy: str) -> None:
    """Raise StudyConflict when our tables are absent (with `remedy`) or of another version."""
    version = version_of(engine, url, remedy)
    if version < VERSION:
        raise _other_version(version, url, MIGRATE)


def version_of(engine: Engine, url: str, remedy: str) -> int:
    """Return the version of our tables.

    StudyConflict when they are absent (with `remedy`) or of a newer hinet-search.
    """
    version = _version(engine)
    if version is None:
        raise StudyConflict(
            f"{url} holds no hinet-search study: table {schema_version.name} is missing",
            remedy=remedy,
        )
    if version > VERSION:
        raise _other_version(
            version, url, "use the hinet-search that made it, or a newer one, or another database"
        )
    return version


def _other_version(version: int, url: str, remedy: str) -> StudyConflict:
    return StudyConflict(
        f"{url} has tables of version {version}, this hinet-search reads version {VERSION}",
        remedy=remedy,
    )


def _version(engine: Engine) -> int | None:
    if not inspect(engine).has_table(schema_version.name):
        return None
    with engine.connect() as connection:
        row = connection.execute(select(schema_version)).first()
    return None if row is None else _to_version(row)


@reads(schema_version)
def _to_version(row: AnyRow) -> int:
    version: int = row.version
    return version


def _upgrade(connection: Connection, url: str, old_version: int) -> None:
    """Run all steps from `old_version` on; StudyConflict while a study runs on the old tables.

    SQLite must not enforce foreign keys on the connection: alembic replaces tables there, and each
    table that it drops would delete the rows that refer to it.
    """
    # Imported here: a database of the current version needs no alembic.
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    if running := sorted(held_studies(connection)):
        raise StudyConflict(
            f"{url} has tables of version {old_version} and is in use by the hinet-search "
            f"that made it: {', '.join(running)}",
            remedy="wait until no study runs there, then again",
        )
    operations = Operations(MigrationContext.configure(connection))
    for version in range(old_version + 1, VERSION + 1):
        import_module(f"{__name__}.to_{version}").upgrade(operations)
    connection.execute(update(schema_version).values(version=VERSION))
