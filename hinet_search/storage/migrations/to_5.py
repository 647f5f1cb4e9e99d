"""To 5: add the test rows of a fingerprint, by which test accesses are counted."""

from alembic.operations import Operations
from sqlalchemy import Column, String


def upgrade(operations: Operations) -> None:
    """Add an empty table; the next launch on a fingerprint notes its test rows."""
    operations.create_table(
        "hs_test_rows",
        Column("fingerprint", String(128), primary_key=True),
        Column("in_order", String(64), nullable=False, index=True),
        Column("by_identity", String(64), index=True),
    )
