"""Migrations: `to_3.py` makes tables of version 3 of those of version 2, by alembic's operations.

A step fills what is new with what is true of the old rows. docs/database.md says how to add one.
"""

from importlib import import_module

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, update

from hinet_search.errors import StudyConflict
from hinet_search.storage.lease import held_studies
from hinet_search.storage.tables import VERSION, schema_version


def migrate(connection: Connection, url: str, found: int) -> None:
    """All steps from version `found` on; StudyConflict while somebody runs a study, who needs the tables as they are.

    SQLite must not enforce foreign keys on the connection: alembic replaces tables there, and each table that it drops
    would take the rows that refer to it along.
    """
    if running := sorted(held_studies(connection)):
        raise StudyConflict(
            f"{url} has tables of version {found} and is in use by the hinet-search that made it: {', '.join(running)}",
            remedy="wait until no study runs there, then again",
        )
    operations = Operations(MigrationContext.configure(connection))
    for version in range(found + 1, VERSION + 1):
        import_module(f"{__name__}.to_{version}").upgrade(operations)
    connection.execute(update(schema_version).values(version=VERSION))
