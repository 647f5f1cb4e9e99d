"""To 9: add the configurations that an arm tries first, with where they are from."""

from alembic.operations import Operations
from sqlalchemy import Column, Text


def upgrade(operations: Operations) -> None:
    """Add a column that names no start of any earlier arm: where they were from is not known."""
    operations.add_column(
        "hs_arm", Column("starts_json", Text, nullable=False, server_default="[[]]")
    )
    with operations.batch_alter_table("hs_arm") as arm:
        arm.alter_column("starts_json", server_default=None)
