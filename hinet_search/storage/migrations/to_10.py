"""To 10: add the objectives of a study after its first."""

from alembic.operations import Operations
from sqlalchemy import Column, Text


def upgrade(operations: Operations) -> None:
    """Add a column that names no further objective: earlier studies had one."""
    operations.add_column(
        "hs_study", Column("other_objectives_json", Text, nullable=False, server_default="[[]]")
    )
    with operations.batch_alter_table("hs_study") as study:
        study.alter_column("other_objectives_json", server_default=None)
