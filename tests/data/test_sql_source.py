"""The SQL source: types of columns, when a query is run, what identifies its rows, and refusals."""

import sqlite3
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError
from tables import definition, shop

from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.data.fingerprint import FileHasher
from hinet_search.data.prepare import prepare
from hinet_search.data.queries import engines
from hinet_search.data.sources.sql import Options, identity, load
from tests.postgres import emptied, url_of

SHOWN = "shown"
LOCAL = datetime(2026, 5, 3, 10)  # noqa: DTZ001  a timestamp without a zone
SQLITE, DUCKDB = "sqlite:///shop.db", "duckdb:///shop.duckdb"


def sqlite(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / "shop.db")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def duck(folder: Path, *statements: str) -> None:
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        for statement in statements:
            connection.execute(statement)


def rows(folder: Path, url: str, query: str, cache: str = "cache") -> pl.DataFrame:
    return load(Options(url=url, query=query), folder, folder / cache).collect()


def refused(folder: Path, url: str, query: str) -> DataError:
    with pytest.raises(DataError) as caught:
        rows(folder, url, query)
    assert not list((folder / "cache").glob(".queries/*")), "nothing is kept of a failed query"
    return caught.value


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """A folder with a SQLite database of a small table."""
    sqlite(
        tmp_path,
        "CREATE TABLE shown (user INTEGER, price REAL, city TEXT, picture BLOB, gone TEXT)",
        "INSERT INTO shown VALUES (1, 2, 'Ulm', x'00ff', NULL), (2, NULL, NULL, NULL, NULL)",
    )
    return tmp_path


class Asked:
    """Says when a query is run."""

    def __init__(self, folder: Path, cache: str = "cache", **options: Any) -> None:
        self.said: list[str] = []
        self.folder, self.cache = folder, folder / cache
        self.options = {"url": SQLITE, "table": SHOWN, **options}

    def identity(self) -> str:
        contents = FileHasher(self.cache, self.said.append)
        return identity(Options(**self.options), self.folder, contents)

    @property
    def has_run(self) -> bool:
        return any(line.startswith("running the query") for line in self.said)


def test_the_columns_of_sqlite_have_the_kinds_of_their_values(shown: Path) -> None:
    expected = pl.DataFrame(
        {
            "user": [1, 2],
            "price": [2.0, None],
            "city": ["Ulm", None],
            "picture": [b"\x00\xff", None],
            "gone": pl.Series([None, None], dtype=pl.Null),
        }
    )
    assert_frame_equal(rows(shown, SQLITE, "SELECT * FROM shown;"), expected)


def test_the_types_of_duckdb_become_types_of_tables(tmp_path: Path) -> None:
    duck(
        tmp_path,
        "SET timezone = 'Asia/Tokyo'",
        """CREATE TABLE shown AS SELECT 1::TINYINT AS small, 12345678901234567::HUGEINT AS large,
        1.50::DECIMAL(10, 2) AS price, 7::DECIMAL(20, 0) AS count, .5::FLOAT AS share,
        TIMESTAMPTZ '2026-05-03 10:00:00+02' AS at, TIMESTAMP '2026-05-03 10:00:00' AS local,
        DATE '2026-05-03' AS day, true AS click, 'x'::BLOB AS picture, NULL AS gone,
        '00000000-0000-0000-0000-000000000001'::UUID AS id, 'Ulm'::ENUM ('Ulm') AS city""",
    )
    expected = pl.DataFrame(
        {
            "small": [1],
            "large": [12345678901234567],
            "price": [1.5],
            "count": [7],
            "share": [0.5],
            "at": [datetime(2026, 5, 3, 8, tzinfo=UTC)],
            "local": [LOCAL],
            "day": [date(2026, 5, 3)],
            "click": [True],
            "picture": [b"x"],
            "gone": pl.Series([None], dtype=pl.Int32),
            "id": ["00000000-0000-0000-0000-000000000001"],
            "city": ["Ulm"],
        }
    )
    table = rows(tmp_path, DUCKDB, "SELECT * FROM shown").with_columns(
        pl.col("gone").cast(pl.Int32)
    )
    assert_frame_equal(table, expected)


def test_a_decimal_beyond_64_bits_is_a_float(tmp_path: Path) -> None:
    duck(tmp_path, "CREATE TABLE shown AS SELECT 1e30::DECIMAL(38, 0) AS x")
    assert rows(tmp_path, DUCKDB, "SELECT * FROM shown")["x"].to_list() == [1e30]


@pytest.fixture(params=["postgresql", "postgresql+psycopg"], ids=["ADBC", "SQLAlchemy"])
def postgres_url(
    request: pytest.FixtureRequest, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The URL of an empty database, read with one driver or the other."""
    emptied(postgres)
    monkeypatch.setenv("SHOP_PASSWORD", "a{}%b")
    url = url_of(postgres).replace("a{}%25b", "${SHOP_PASSWORD}")
    return url.replace("postgresql", request.param, 1)


@pytest.mark.postgres
def test_the_types_of_postgresql_are_the_same_with_both_drivers(
    postgres_url: str, postgres: Any, tmp_path: Path
) -> None:
    postgres.psql(
        """CREATE TYPE town AS ENUM ('Ulm'); CREATE TABLE shown AS SELECT 1::SMALLINT AS small,
        1.50::NUMERIC(10, 2) AS price, 7::NUMERIC AS count, .5::REAL AS share,
        TIMESTAMPTZ '2026-05-03 10:00:00+02' AS at, TIMESTAMP '2026-05-03 10:00:00' AS local,
        DATE '2026-05-03' AS day, true AS click, 'x'::BYTEA AS picture, 'Ulm'::town AS city,
        '00000000-0000-0000-0000-000000000001'::UUID AS id"""
    )
    expected = pl.DataFrame(
        {
            "small": [1],
            "price": [1.5],
            "count": [7],
            "share": [0.5],
            "at": [datetime(2026, 5, 3, 8, tzinfo=UTC)],
            "local": [LOCAL],
            "day": [date(2026, 5, 3)],
            "click": [True],
            "picture": [b"x"],
            "city": ["Ulm"],
            "id": ["00000000-0000-0000-0000-000000000001"],
        }
    )
    assert_frame_equal(rows(tmp_path, postgres_url, "SELECT * FROM shown"), expected)


@pytest.mark.postgres
def test_a_query_of_postgresql_cannot_write(
    postgres_url: str, postgres: Any, tmp_path: Path
) -> None:
    postgres.psql("CREATE TABLE shown (x INTEGER)")
    query = "WITH gone AS (INSERT INTO shown VALUES (1) RETURNING x) SELECT * FROM gone"
    error = refused(tmp_path, postgres_url, query)
    assert "data.source.query: postgresql refuses the query: " in error.problems[0]
    assert postgres.psql("SELECT count(*) FROM shown").split()[2] == "0"


@pytest.mark.postgres
def test_a_percent_sign_of_a_query_stays_what_it_is(postgres_url: str, tmp_path: Path) -> None:
    query = "SELECT 'a%s' AS x WHERE 'abc' LIKE '%b%'"
    assert rows(tmp_path, postgres_url, query)["x"].to_list() == ["a%s"]


@pytest.fixture
def in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetch a row at a time."""
    monkeypatch.setattr(engines, "BATCH_ROWS", 1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("(NULL), ('a'), (NULL)", [None, "a", None]),
        ("(1), (2.5), (NULL)", [1.0, 2.5, None]),
        ("(NULL), (NULL)", [None, None]),
    ],
)
@pytest.mark.usefixtures("in_small_batches")
def test_batches_of_different_kinds_get_a_type_that_holds_them_all(
    values: str, expected: list[object], tmp_path: Path
) -> None:
    sqlite(tmp_path, "CREATE TABLE shown (x)", f"INSERT INTO shown VALUES {values}")
    assert rows(tmp_path, SQLITE, "SELECT * FROM shown")["x"].to_list() == expected


@pytest.mark.usefixtures("in_small_batches")
def test_batches_that_no_type_holds_are_refused(tmp_path: Path) -> None:
    sqlite(tmp_path, "CREATE TABLE shown (x)", "INSERT INTO shown VALUES (1), ('a')")
    error = refused(tmp_path, SQLITE, "SELECT * FROM shown")
    assert error.problems == (
        "data.source.query: column 'x' must have values of one kind, got Int64 and String",
    )
    assert error.remedy == "convert it in the query, such as CAST(x AS TEXT) AS x"


def test_the_identity_does_not_depend_on_how_rows_are_divided(
    shown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = Asked(shown, "one").identity()
    monkeypatch.setattr(engines, "BATCH_ROWS", 1)
    assert Asked(shown, "other").identity() == at_once


def test_a_query_is_run_once_and_its_rows_are_kept(shown: Path) -> None:
    first, later = Asked(shown), Asked(shown)
    before = first.identity()
    sqlite(shown, "DELETE FROM shown")
    assert later.identity() == before
    assert (first.has_run, later.has_run) == (True, False)
    assert len(load(Options(**later.options), shown, later.cache).collect()) == 2


def test_another_snapshot_runs_the_query_again(shown: Path) -> None:
    before = Asked(shown).identity()
    sqlite(shown, "UPDATE shown SET price = 3 WHERE user = 2")
    again = Asked(shown, snapshot="2026-05-04")
    assert again.identity() != before
    assert again.has_run


def test_another_snapshot_of_the_same_rows_is_the_same_data(shown: Path) -> None:
    assert Asked(shown).identity() == Asked(shown, snapshot="2026-05-04").identity()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE shown SET price = 3",
        "UPDATE shown SET price = 0 WHERE user = 2",
        "UPDATE shown SET city = 'Um' || 'l' WHERE user = 1",
        "UPDATE shown SET picture = x'00' WHERE user = 2",
        "UPDATE shown SET city = '' WHERE user = 2",
        "DELETE FROM shown WHERE user = 2",
    ],
)
def test_rows_that_have_changed_have_another_identity(statement: str, shown: Path) -> None:
    before = Asked(shown, "one").identity()
    sqlite(shown, statement)
    assert Asked(shown, "other").identity() != before


def test_another_order_of_the_rows_is_other_data(shown: Path) -> None:
    orders = [f"SELECT * FROM shown ORDER BY user {order}" for order in ("ASC", "DESC")]
    hashes = [Asked(shown, table=None, query=query).identity().splitlines()[-1] for query in orders]
    assert hashes[0] != hashes[1]


def test_rows_that_were_damaged_in_the_cache_are_read_again(shown: Path) -> None:
    before = Asked(shown).identity()
    (part,) = (shown / "cache").glob(".queries/*/part-*.parquet")
    part.write_bytes(b"PAR1")
    again = Asked(shown)
    assert again.identity() == before
    assert again.has_run


def test_a_study_of_a_query_is_encoded_like_one_of_its_table(tmp_path: Path) -> None:
    shop().write_parquet(tmp_path / "shop.parquet")
    duck(tmp_path, f"CREATE TABLE shop AS SELECT * FROM '{tmp_path}/shop.parquet'")
    source = {"kind": "sql", "url": DUCKDB, "table": "shop"}
    of_query, of_table = (
        prepare(each, tmp_path, tmp_path / "cache", lambda _: None)
        for each in (definition(source=source), definition())
    )
    assert of_query.record.source == "sql duckdb:///shop.duckdb shop"
    assert (of_query.train.ids_RF == of_table.train.ids_RF).all()
    assert (of_query.test.labels_RT == of_table.test.labels_RT).all()


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


@pytest.fixture
def without_drivers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module in ("duckdb", "psycopg"):
        monkeypatch.setitem(sys.modules, module, None)
    return


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


def test_progress_says_how_many_rows_were_read(
    shown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hinet_search.data.queries import kept_rows

    monkeypatch.setattr(engines, "BATCH_ROWS", 1)
    monkeypatch.setattr(kept_rows, "SECONDS_BETWEEN_NEWS", -1)
    asked = Asked(shown)
    asked.identity()
    first, *middle, last = asked.said
    assert first == "running the query on sqlite:///shop.db"
    assert middle == ["read 1 rows", "read 2 rows"]
    assert last.startswith("kept 2 rows of the query in ")
