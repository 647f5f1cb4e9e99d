"""Version 2: the size that an arm was given, and what all seeds of a finalist give together."""

from alembic.operations import Operations
from sqlalchemy import Column, Text


def upgrade(operations: Operations) -> None:
    """No arm was given a size, and no finalist was summed up."""
    operations.add_column("hs_arm", Column("size_of", Text, nullable=False, server_default=""))
    with operations.batch_alter_table("hs_arm") as arm:
        arm.alter_column("size_of", server_default=None)
    operations.add_column("hs_finalist", Column("summary_json", Text))
