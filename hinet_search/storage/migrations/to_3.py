"""To 3: add a study's uuid, by which it knows its own files; drop an index."""

from uuid import uuid4

from alembic.operations import Operations
from sqlalchemy import Column, String, column, select, table, update


def upgrade(operations: Operations) -> None:
    """Give every study a uuid, and drop the index.

    The index made SQLite search for a parameter in the trials of all studies instead of one.
    """
    operations.add_column("hs_study", Column("uuid", String(32)))
    study, connection = table("hs_study", column("name"), column("uuid")), operations.get_bind()
    for name in connection.execute(select(study.c.name)).scalars().all():
        connection.execute(update(study).where(study.c.name == name).values(uuid=uuid4().hex))
    with operations.batch_alter_table("hs_study") as changed:
        changed.alter_column("uuid", existing_type=String(32), nullable=False)
    operations.execute("DROP INDEX IF EXISTS hs_trial_params_by_name")
