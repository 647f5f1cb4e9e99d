"""To 2: add the arm whose size an arm takes, and the summary of a finalist over its seeds."""

from alembic.operations import Operations
from sqlalchemy import Column, Text


def upgrade(operations: Operations) -> None:
    """Add empty columns: no arm took a size before, and no finalist has a summary."""
    operations.add_column("hs_arm", Column("size_of", Text, nullable=False, server_default=""))
    with operations.batch_alter_table("hs_arm") as arm:
        arm.alter_column("size_of", server_default=None)
    operations.add_column("hs_finalist", Column("summary_json", Text))
