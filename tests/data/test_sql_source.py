"""The SQL source: types of columns, when a query is run, and what identifies its rows."""

import errno
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tables import definition, shop

from hinet_search.common.errors import DiskFull
from hinet_search.data.fingerprint import FileHasher
from hinet_search.data.prepare import prepare
from hinet_search.data.queries import engines, kept_rows
from hinet_search.data.sources.sql import Options, identity, load
from tests.data.queries import DUCKDB, SHOWN, SQLITE, duck, refused, rows, sqlite
from tests.waiting import wait_until

ONE_ROW: dict[str, list[object]] = {
    "small": [1],
    "price": [1.5],
    "count": [7],
    "share": [0.5],
    "at": [datetime(2026, 5, 3, 8, tzinfo=UTC)],
    "local": [datetime(2026, 5, 3, 10)],  # noqa: DTZ001  a timestamp without a zone
    "day": [date(2026, 5, 3)],
    "click": [True],
    "picture": [b"x"],
    "id": ["00000000-0000-0000-0000-000000000001"],
    "city": ["Ulm"],
}


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
    expected = pl.DataFrame(ONE_ROW).with_columns(large=pl.lit(12345678901234567))
    table = rows(tmp_path, DUCKDB, "SELECT * FROM shown")
    assert table["gone"].to_list() == [None]
    assert_frame_equal(table.drop("gone"), expected, check_column_order=False)


def test_a_decimal_beyond_64_bits_is_a_float(tmp_path: Path) -> None:
    duck(tmp_path, "CREATE TABLE shown AS SELECT 1e30::DECIMAL(38, 0) AS x")
    assert rows(tmp_path, DUCKDB, "SELECT * FROM shown")["x"].to_list() == [1e30]


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
    table = rows(tmp_path, postgres_url, "SELECT * FROM shown")
    assert_frame_equal(table, pl.DataFrame(ONE_ROW), check_column_order=False)


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
def test_a_query_of_postgresql_may_end_with_a_semicolon(postgres_url: str, tmp_path: Path) -> None:
    assert rows(tmp_path, postgres_url, "SELECT 1 AS x;\n")["x"].to_list() == [1]


def test_a_query_of_duckdb_may_end_with_a_semicolon(tmp_path: Path) -> None:
    duck(tmp_path)
    assert rows(tmp_path, DUCKDB, "SELECT 1 AS x ;\n")["x"].to_list() == [1]


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


def test_of_two_commands_that_start_together_one_runs_the_query_and_the_other_waits(
    shown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Asked(shown), Asked(shown)
    identities: list[str] = []
    other = Thread(target=lambda: identities.append(second.identity()))

    def starting_the_other(*arguments: Any) -> engines.Batches:
        if not other.ident:
            other.start()
            wait_until(lambda: bool(second.said))
        return engines.batches(*arguments)

    monkeypatch.setattr(kept_rows, "batches", starting_the_other)
    identities.append(first.identity())
    other.join()
    assert identities[0] == identities[1]
    assert second.said == ["waiting for another command that runs the query"]
    (folder,) = (shown / "cache" / ".queries").iterdir()
    assert folder.is_dir(), "no lock is left"


def test_a_full_disk_is_told_without_a_size_that_is_not_known(
    shown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on the device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(DiskFull, match=r"no room for its content, [\d,]+ bytes are free"):
        Asked(shown).identity()


def test_another_snapshot_runs_the_query_again_and_is_other_data_if_rows_differ(
    shown: Path,
) -> None:
    before = Asked(shown).identity()
    assert Asked(shown, snapshot="2026-05-03").identity() == before
    sqlite(shown, "UPDATE shown SET price = 3 WHERE user = 2")
    again = Asked(shown, snapshot="2026-05-04")
    assert again.identity() != before
    assert again.has_run


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
    (part,) = (shown / "cache").glob(".queries/*/00000-*.parquet")
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


def test_progress_says_how_many_rows_were_read(
    shown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BATCH_ROWS", 1)
    monkeypatch.setattr(kept_rows, "SECONDS_BETWEEN_NEWS", -1)
    asked = Asked(shown)
    asked.identity()
    first, *middle, last = asked.said
    assert first == "running the query on sqlite:///shop.db"
    assert middle == ["read 1 rows", "read 2 rows"]
    assert last.startswith("kept 2 rows of the query in ")
