"""The tables of a database: as tables.py says, on SQLite and on PostgreSQL."""

from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from hinet_search.storage.engine import connect
from hinet_search.storage.tables import VERSION, metadata

pytestmark = pytest.mark.usefixtures("as_shipped")


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or str(name).startswith("hs_")


def test_a_new_database_has_the_tables_that_the_package_describes(either: str) -> None:
    options = {"compare_type": True, "compare_server_default": True, "include_name": _is_ours}
    with closing(connect(either, create=True)) as database, database.reading() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        assert connection.execute(text("SELECT version FROM hs_schema")).scalar() == VERSION
