"""One file opens databases, and every engine that it makes has the settings that keep a study safe."""

import ast
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.pool import QueuePool

import hinet_search
from hinet_search.storage.engine import connect
from tests.postgres import emptied

pytestmark = pytest.mark.usefixtures("as_shipped")

PACKAGE = Path(hinet_search.__file__).parent
OPENERS = {"create_engine", "RDBStorage", "JournalStorage", "get_storage"}
DRIVERS = {"sqlite3", "psycopg"}


def opens(path: Path) -> set[str]:
    """Names in a file by which a database could be opened."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name | ast.Attribute):
            names |= {node.id if isinstance(node, ast.Name) else node.attr} & OPENERS
        if isinstance(node, ast.alias):
            names |= {node.name.partition(".")[0]} & DRIVERS
    return names


def test_only_the_engines_file_opens_a_database() -> None:
    """A server keeps the events that it was sent in a file of their own."""
    files = {str(path.relative_to(PACKAGE)): opens(path) for path in PACKAGE.rglob("*.py")}
    assert {name: names for name, names in files.items() if names} == {
        "storage/engine.py": {"create_engine", "RDBStorage", "sqlite3"},
        "storage/sqlite_file.py": {"sqlite3"},
    }


def engines(url: str) -> list[Engine]:
    """Return the engines of a coordinator, which shares one with Optuna, and of a reader, which has two."""
    writer, reader = connect(url, create=True), connect(url)
    return [writer.engine, writer.storage.engine, reader.engine, reader.storage.engine]


def test_every_engine_of_sqlite_has_the_pragmas(tmp_path: Path) -> None:
    for engine in engines(str(tmp_path / "h.db")):
        with engine.connect() as connection:
            values = {
                pragma: connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()
                for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        engine.dispose()
        assert values == {
            "journal_mode": "wal",
            "synchronous": 1,
            "foreign_keys": 1,
            "busy_timeout": 60_000,
        }


@pytest.mark.postgres
def test_every_engine_of_postgres_tries_its_two_connections_before_use(postgres: object) -> None:
    for engine in engines(emptied(postgres)):
        pool = engine.pool
        assert isinstance(pool, QueuePool)
        assert (pool.size(), pool._max_overflow, pool._pre_ping) == (2, 0, True)
        with engine.connect() as connection:
            assert connection.execute(text("SHOW timezone")).scalar() in ("utc", "UTC")
        engine.dispose()
