"""The SQL source: what is refused, in the words of the engine and without the password."""

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from hinet_search.common.errors import ConfigurationError, EnvironmentFault
from hinet_search.data.queries import engines
from hinet_search.data.sources.sql import Options
from tests.data.queries import DUCKDB, SQLITE, duck, refused, rows


@pytest.mark.parametrize(
    ("url", "query", "words"),
    [
        (SQLITE, "SELECT * FROM nowhere", "sqlite refuses the query: no such table: nowhere"),
        (SQLITE, "DELETE FROM shown", "attempt to write a readonly database"),
        (SQLITE, "SELECT * FROM shown WHERE user > 9", "must return rows, got none"),
        (
            SQLITE,
            "SELECT 1 AS x, 2 AS x",
            "every column must have a name of its own, got more of x",
        ),
        (SQLITE, "PRAGMA user_version = 3", "attempt to write a readonly database"),
        (DUCKDB, "SELECT INTERVAL 1 DAY AS x", "column 'x' must have a type that tables have"),
        (DUCKDB, "DELETE FROM shown", "attached in read-only mode"),
        (DUCKDB, "COPY shown TO 'copy.csv'", "file system operations are disabled"),
        (DUCKDB, "SELECT * FROM read_text('/etc/hostname')", "operations are disabled"),
    ],
)
def test_a_query_that_fails_is_told_in_the_words_of_the_engine(
    url: str, query: str, words: str, shown: Path
) -> None:
    duck(shown, "CREATE TABLE shown AS SELECT 1 AS x")
    (problem,) = refused(shown, url, query).problems
    assert problem.startswith("data.source.query: ")
    assert words in problem


def test_a_query_of_duckdb_that_fails_after_its_first_rows_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BATCH_ROWS", 2048)
    duck(tmp_path, "CREATE TABLE shown AS SELECT range AS i FROM range(10000)")
    query = "SELECT CASE WHEN i = 9999 THEN error('a late fault') END AS x FROM shown"
    (problem,) = refused(tmp_path, DUCKDB, query).problems
    assert problem.startswith("data.source.query: duckdb refuses the query: ")
    assert "a late fault" in problem


@pytest.mark.postgres
def test_a_query_of_postgresql_that_fails_after_its_first_rows_is_told(
    postgres_url: str, tmp_path: Path
) -> None:
    query = "SELECT 1 / (50000 - i) AS x FROM generate_series(1, 60000) i"
    (problem,) = refused(tmp_path, postgres_url, query).problems
    assert problem.startswith("data.source.query: postgresql refuses the query: ")
    assert "division by zero" in problem


def test_a_database_that_is_not_there_is_told_with_the_places_that_were_tried(
    tmp_path: Path,
) -> None:
    (problem,) = refused(tmp_path, SQLITE, "SELECT 1").problems
    assert problem.startswith("data.source.url: 'shop.db' must be a file, found none in any of: ")
    assert str(tmp_path / "shop.db") in problem


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop.duckdb").write_text("x" * 5000)
    with pytest.raises(EnvironmentFault, match=r"data.source.url: duckdb:///shop.duckdb cannot be"):
        rows(tmp_path, DUCKDB, "SELECT 1")


@pytest.mark.parametrize("url", ["sqlite://", "duckdb:///:memory:"])
def test_a_database_without_a_file_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must name the file of a database"):
        rows(tmp_path, url, "SELECT 1")


def test_another_driver_of_postgresql_is_refused_at_the_key_of_the_url(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^data\.source\.url: PostgreSQL is read with"):
        rows(tmp_path, "postgresql+psycopg2://ann@localhost/shop", "SELECT 1")


@pytest.fixture
def without_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("duckdb", "psycopg"):
        monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.usefixtures("without_drivers")
@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        (DUCKDB, "pip install 'duckdb'"),
        ("postgresql+psycopg://ann@localhost/shop", "pip install 'psycopg[binary]'"),
        ("nowhere://ann@host/shop", "install the package that has it"),
    ],
)
def test_a_missing_driver_is_told_with_its_package(url: str, remedy: str, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="which is not installed") as caught:
        rows(tmp_path, url, "SELECT 1")
    assert caught.value.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs one of 'query' and 'table'"),
        ({"query": "SELECT 1", "table": "shown"}, "needs one of 'query' and 'table'"),
        ({"table": "shown; DROP TABLE shown"}, "table must be a name such as shown or shop.shown"),
        ({"table": "shown", "url": "shop.db"}, "must be a URL such as"),
        ({"table": "shown", "url": "postgresql://ann:s3cret@db/shop"}, "must not hold a password"),
    ],
)
def test_wrong_options_are_refused_without_repeating_the_address(
    options: dict[str, str], words: str
) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        Options(**{"url": SQLITE, **options})  # type: ignore[arg-type]
    assert "s3cret" not in str(caught.value)
