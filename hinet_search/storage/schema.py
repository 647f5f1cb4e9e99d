"""Schema: makes our tables where there are none, brings older ones forward, refuses those of a newer hinet-search."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, inspect, select

from hinet_search.errors import StudyConflict
from hinet_search.storage.tables import VERSION, metadata, schema_version


def make_or_migrate(engine: Engine, url: str, say: Callable[[str], None]) -> None:
    """Leaves our tables there, in today's version. Needs the creation lock."""
    if _version(engine) is not None:
        bring_forward(engine, url, say)
        return
    with _changing(engine) as connection:
        metadata.create_all(connection)
        connection.execute(schema_version.insert().values(version=VERSION))


def bring_forward(engine: Engine, url: str, say: Callable[[str], None]) -> None:
    """Leaves our tables in today's version, and says so when they were older. Needs the creation lock.

    StudyConflict when they are absent or newer, or when a study runs that needs them as they are.
    """
    found = version_of(engine, url, "")
    if found == VERSION:
        return
    from hinet_search.storage.migrations import migrate  # here, for it imports alembic

    with _changing(engine) as connection:
        migrate(connection, url, found)
    say(f"{url}: tables brought from version {found} to {VERSION}")


@contextmanager
def _changing(engine: Engine) -> Iterator[Connection]:
    """One transaction that changes tables: whatever is cut off inside leaves nothing."""
    with engine.connect() as connection:
        if engine.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # its driver begins none before a change of tables
        yield connection
        connection.commit()


def make_index(engine: Engine) -> None:
    """Makes the index by which we find a trial of Optuna, and which Optuna does not make."""
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE INDEX IF NOT EXISTS hs_trials_by_number ON trials (study_id, number)")


MIGRATE = "hinet-search migrate (with the same --storage or --output) brings them forward, as the next launch does"


def check_version(engine: Engine, url: str, remedy: str) -> None:
    """StudyConflict when our tables are absent (with `remedy`) or of another version."""
    if (found := version_of(engine, url, remedy)) < VERSION:
        raise _other_version(
            found,
            url,
            MIGRATE,
        )


def version_of(engine: Engine, url: str, remedy: str) -> int:
    """The version of our tables; StudyConflict when they are absent (with `remedy`) or of a newer hinet-search."""
    found = _version(engine)
    if found is None:
        raise StudyConflict(f"{url} holds no hinet-search study: table {schema_version.name} is missing", remedy=remedy)
    if found > VERSION:
        raise _other_version(found, url, "use the hinet-search that made it, or a newer one, or another database")
    return found


def _other_version(found: int, url: str, remedy: str) -> StudyConflict:
    return StudyConflict(
        f"{url} has tables of version {found}, this hinet-search reads version {VERSION}", remedy=remedy
    )


def _version(engine: Engine) -> int | None:
    if not inspect(engine).has_table(schema_version.name):
        return None
    with engine.connect() as connection:
        return connection.execute(select(schema_version.c.version)).scalar()
