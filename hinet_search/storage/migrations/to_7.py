"""To 7: add ensembles, and the arm that a student learns as."""

from alembic.operations import Operations
from sqlalchemy import Column, ForeignKey, String, Text


def upgrade(operations: Operations) -> None:
    """Add an empty table, and a column that says of no earlier arm that it is a student."""
    operations.add_column("hs_arm", Column("student_of", Text, nullable=False, server_default=""))
    with operations.batch_alter_table("hs_arm") as arm:
        arm.alter_column("student_of", server_default=None)
    operations.create_table(
        "hs_ensemble",
        Column(
            "study", String(64), ForeignKey("hs_study.name", ondelete="CASCADE"), primary_key=True
        ),
        Column("name", String(64), primary_key=True),
        Column("record_json", Text, nullable=False),
    )
