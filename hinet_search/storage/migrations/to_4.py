"""Version 4: the sentence of a study's verdict, so that a list of studies need not read their trials."""

from alembic.operations import Operations
from sqlalchemy import Column, Text


def upgrade(operations: Operations) -> None:
    """No study has one before a launch ends."""
    operations.add_column("hs_study", Column("verdict", Text, nullable=False, server_default=""))
    with operations.batch_alter_table("hs_study") as study:
        study.alter_column("verdict", server_default=None)
