"""To 8: add trainings that measure what groups of inputs are worth."""

from alembic.operations import Operations
from sqlalchemy import BigInteger, Column, Float, ForeignKey, String, Text


def upgrade(operations: Operations) -> None:
    """Add an empty table: no earlier study has measured its inputs."""
    operations.create_table(
        "hs_input_worth",
        Column(
            "study", String(64), ForeignKey("hs_study.name", ondelete="CASCADE"), primary_key=True
        ),
        Column("left_out", Text, primary_key=True),
        Column("seed", BigInteger, primary_key=True),
        Column("arm", Text, nullable=False),
        Column("value", Float),
    )
