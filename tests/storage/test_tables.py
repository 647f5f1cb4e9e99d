"""The tables of a database: as tables.py says, on SQLite and on PostgreSQL, of one version."""

from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from hinet_search.common.errors import StudyConflict
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


@pytest.mark.parametrize("version", [1, 99])
@pytest.mark.parametrize("create", [False, True])
def test_tables_of_another_version_are_refused(either: str, version: int, *, create: bool) -> None:
    with closing(connect(either, create=True)) as database, database.writing() as connection:
        connection.execute(text(f"UPDATE hs_schema SET version = {version}"))
    words = f"has tables of version {version}, this hinet-search reads version {VERSION}"
    with pytest.raises(StudyConflict, match=words) as caught:
        connect(either, create=create)
    assert caught.value.remedy == (
        "use the hinet-search that made it, or name another database with --storage or --output"
    )
