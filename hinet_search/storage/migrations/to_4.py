"""To 4: add the sentence of a study's verdict, so that a list of studies reads no trials."""

from alembic.operations import Operations
from sqlalchemy import Column, Text


def upgrade(operations: Operations) -> None:
    """Add an empty column; the next launch that ends writes the sentence."""
    operations.add_column("hs_study", Column("verdict", Text, nullable=False, server_default=""))
    with operations.batch_alter_table("hs_study") as study:
        study.alter_column("verdict", server_default=None)
