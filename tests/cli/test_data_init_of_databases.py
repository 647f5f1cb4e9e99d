"""`data init` of a table of a database, and of files in formats of other tools."""

import gzip
import sqlite3
from pathlib import Path

import polars as pl
import polars.selectors as cs
import pytest

from tests.cli.conftest import Run
from tests.data.odd_tables import write_odd_table

TABLE = "shown"


@pytest.fixture
def rows(tmp_path: Path) -> pl.DataFrame:
    """Rows without columns that SQLite has no type for."""
    path = write_odd_table(tmp_path, rows=2000)
    frame = pl.read_parquet(path)
    return frame.select(cs.integer() | cs.float() | cs.string())


@pytest.fixture
def shop(rows: pl.DataFrame, tmp_path: Path) -> None:
    """The file shop.db with the rows as the table `shown`."""
    distinct = {name.casefold(): name for name in rows.columns}  # as SQLite sees them
    rows = rows.select(distinct.values())
    with sqlite3.connect(tmp_path / "shop.db") as database:
        names = ", ".join(f'"{name}"' for name in rows.columns)
        database.execute(f"CREATE TABLE {TABLE} ({names})")
        marks = ", ".join("?" for _ in rows.columns)
        database.executemany(f"INSERT INTO {TABLE} VALUES ({marks})", rows.rows())
    database.close()


@pytest.mark.usefixtures("shop")
def test_a_table_of_a_database_is_drafted_and_checked_by_one_query(
    run: Run, tmp_path: Path
) -> None:
    begun = run("data", "init", "sqlite:///shop.db", "--table", TABLE)
    assert begun.code == 0, begun.err
    assert begun.out == "wrote data/shown.yaml\nwrote studies/shown.yaml\n"
    assert begun.err.count("running the query on sqlite:///shop.db") == 1
    source = 'source: {kind: sql, url: "sqlite:///shop.db", table: shown}'
    assert source in (tmp_path / "data" / "shown.yaml").read_text()
    described = run("data", "describe", "studies/shown.yaml")
    assert described.code == 0, described.err
    assert "running the query" not in described.err


@pytest.mark.usefixtures("shop")
def test_a_missing_table_of_a_database_names_the_nearest(run: Run, tmp_path: Path) -> None:
    said = run("data", "init", "sqlite:///shop.db", "--table", "show")
    assert said.code == 3
    assert "--table: the database has no table 'show'; did you mean 'shown'?" in said.err
    assert "its tables: shown" in said.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("sqlite:///shop.db",), "--table must name a table of the database"),
        (("rows.csv", "--table", "shown"), "--table goes with the URL of a database"),
        (("sqlite:///shop.db", "--table", "a; DROP"), "table must be a name such as shown"),
        (("sqlite:///none.db", "--table", "shown"), "'none.db' must be a file"),
    ],
)
def test_what_is_no_table_of_a_database_is_told(
    words: tuple[str, ...], problem: str, run: Run, tmp_path: Path
) -> None:
    said = run("data", "init", *words)
    assert said.code in (2, 3), said.err
    assert problem in said.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "url", ["postgresql://ann:s3cret@localhost/shop", "mysql://ann@localhost/shop?password=s3cret"]
)
def test_a_password_in_the_url_of_a_database_is_refused_and_not_printed(url: str, run: Run) -> None:
    said = run("--debug", "data", "init", url, "--table", TABLE)
    assert said.code == 2
    assert "must not hold a password" in said.err
    assert "${NAME}" in said.err
    assert "s3cret" not in said.err + said.out


def test_a_password_of_the_environment_is_in_no_message_and_not_in_the_definition(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "s3cret")
    url = "postgresql://ann:${SHOP_PASSWORD}@localhost:1/shop"
    said = run("--debug", "data", "init", url, "--table", TABLE)
    assert said.code == 4, said.err
    assert "postgresql://localhost:1/shop cannot be opened" in said.err
    written = "".join(file.read_text() for file in tmp_path.rglob("*.yaml"))
    assert "s3cret" not in said.err + said.out + written


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.csv.gz", "rows.arrow"])
def test_a_table_of_another_format_is_drafted_and_described(
    name: str, rows: pl.DataFrame, run: Run, tmp_path: Path
) -> None:
    if name == "rows.arrow":
        rows.write_ipc(tmp_path / name)
    else:
        text = rows.write_csv() if "csv" in name else rows.write_ndjson()
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    begun = run("data", "init", name)
    assert begun.code == 0, begun.err
    assert begun.out == "wrote data/rows.yaml\nwrote studies/rows.yaml\n"
    described = run("data", "describe", "studies/rows.yaml")
    assert described.code == 0, described.err
    assert "1,994 rows" in described.out  # 6 are of rare scenarios
