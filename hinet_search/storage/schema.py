"""Schema: make our tables in a database, and refuse tables of another version."""

from sqlalchemy import Engine, inspect, select

from hinet_search.common.errors import StudyConflict
from hinet_search.storage.damage import AnyRow, reads
from hinet_search.storage.tables import VERSION, metadata, schema_version


def make_tables(engine: Engine, url: str) -> None:
    """Make our tables where they are absent. Needs the creation lock.

    StudyConflict when they are there, of another version.
    """
    if _version(engine) is not None:
        check_version(engine, url, remedy="")
        return
    with engine.connect() as connection:
        if engine.name == "sqlite":
            # SQLite's driver begins no transaction before a change of tables.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        metadata.create_all(connection)
        connection.execute(schema_version.insert().values(version=VERSION))
        connection.commit()


def check_version(engine: Engine, url: str, remedy: str) -> None:
    """Raise StudyConflict when our tables are absent (with `remedy`) or of another version."""
    version = _version(engine)
    if version is None:
        raise StudyConflict(
            f"{url} holds no hinet-search study: table {schema_version.name} is missing",
            remedy=remedy,
        )
    if version != VERSION:
        raise StudyConflict(
            f"{url} has tables of version {version}, this hinet-search reads version {VERSION}",
            remedy="use the hinet-search that made it, "
            "or name another database with --storage or --output",
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
