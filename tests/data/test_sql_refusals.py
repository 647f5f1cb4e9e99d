"""The SQL source: what is refused, in the words of the engine and without the password."""

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.data.queries import engines
from hinet_search.data.queries.engines import refuse_effects, refuse_writes
from hinet_search.data.sources.sql import Options
from tests.data.queries import DUCKDB, SQLITE, duck, refused, rows, sqlite


@pytest.mark.parametrize(
    ("url", "query", "words"),
    [
        (SQLITE, "SELECT * FROM nowhere", "sqlite refuses the query: no such table: nowhere"),
        (SQLITE, "SELECT * FROM shown WHERE user > 9", "must return rows, got none"),
        (
            SQLITE,
            "SELECT 1 AS x, 2 AS x",
            "every column must have a name of its own, got more of x",
        ),
        (DUCKDB, "SELECT INTERVAL 1 DAY AS x", "column 'x' must have a type that tables have"),
        (SQLITE, "WITH x AS (SELECT 1) DELETE FROM shown", "not authorized"),
        (SQLITE, "SELECT * FROM pragma_user_version", "not authorized"),
        (SQLITE, "SELECT load_extension('x')", "not authorized"),
        (SQLITE, "SELECT fts3_tokenizer('simple')", "not authorized"),
        (SQLITE, "SELECT 1; SELECT 2", "one statement at a time"),
        (DUCKDB, "SELECT * FROM read_text('/etc/hostname')", "operations are disabled"),
        (DUCKDB, "SELECT * FROM glob('/*')", "operations are disabled"),
        (DUCKDB, "SELECT * FROM enable_logging('QueryLog')", "configuration has been locked"),
        (DUCKDB, "SELECT * FROM rows", "Table with name rows does not exist"),
        (DUCKDB, "SELECT 1; COPY shown TO 'x.csv'", "must be one statement that only reads"),
        (DUCKDB, "WITH x AS (SELECT 1) INSERT INTO shown SELECT 2", "must be one statement that"),
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


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("sqlite://", "must name the file of a database"),
        ("duckdb:///:memory:", "must name the file of a database"),
        ("postgresql+psycopg2://ann@localhost/shop", "PostgreSQL is read with"),
    ],
)
def test_an_address_that_no_engine_reads_is_refused(url: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=rf"^data\.source\.url: {problem}"):
        rows(tmp_path, url, "SELECT 1")


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


@pytest.mark.parametrize(
    "query",
    [
        "VACUUM INTO 'made'",
        "ATTACH 'made' AS made",
        "PRAGMA user_version = 3",
        "DELETE FROM shown",
        "COPY shown TO 'made'",
        "CALL enable_logging('QueryLog', storage='file', storage_config={'path': 'made'})",
        "INSTALL httpfs",
        "EXPLAIN ANALYZE SELECT 1",
        "/* SELECT */ DELETE FROM shown",
        "-- SELECT\nDELETE FROM shown",
        "((COPY shown TO 'made'))",
        "SELECTED",
        "/* SELECT 1",
        "--",
        "()",
    ],
)
def test_a_query_that_does_not_begin_as_one_that_reads_is_refused_at_the_door(query: str) -> None:
    with pytest.raises(ValidationError, match="must begin with SELECT, WITH, VALUES, got"):
        Options(url=SQLITE, query=query)


@pytest.mark.parametrize(
    "query",
    [
        "select 1",
        " \n/* of\nshop */ -- of May\n (SELECT 1)",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "values(1)",
        "SELECT*FROM shown",
    ],
)
def test_a_query_may_begin_with_comments_and_in_any_case(query: str) -> None:
    assert Options(url=SQLITE, query=query).query == query


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * INTO made FROM shown",
        "SELECT 1 INTO OUTFILE '/tmp/made'",
        "WITH x AS (SELECT 1) DELETE FROM shown",
        "SELECT 1 EXEC xp_cmdshell 'x'",
        "SELECT 1\nDROP TABLE shown",
        "SELECT 1; SELECT 2",
        "SELECT /*!50000 1 INTO DUMPFILE 'x' */",
        "SELECT * FROM OPENROWSET('x', 'y', 'z')",
        "SELECT id FROM shown FOR UPDATE",
        "WITH x AS PROCEDURE () CALL x()",
    ],
)
def test_an_engine_without_means_of_its_own_gets_only_words_that_read(
    query: str, tmp_path: Path
) -> None:
    words = r"must be one statement that only reads, got (INTO|DELETE|EXEC|DROP|;|OPENR|UPD|PROC)"
    with pytest.raises(DataError, match=words):
        rows(tmp_path, "mysql://ann@127.0.0.1:1/shop", query)


def test_names_that_only_hold_a_word_that_writes_are_taken() -> None:
    refuse_writes("SELECT updated_at, is_deleted, replace(name, 'a', 'b') FROM inserts ORDER BY 1")
    refuse_effects("SELECT pg_size_pretty(7), lo_exported, my_dblink FROM set_configs")


def test_a_table_of_search_of_a_stranger_s_file_is_read(shown: Path) -> None:
    sqlite(shown, "CREATE VIRTUAL TABLE words USING fts5(word)", "INSERT INTO words VALUES ('a')")
    assert rows(shown, SQLITE, "SELECT * FROM words WHERE word MATCH 'a'").rows() == [("a",)]


def test_a_view_of_a_stranger_s_file_writes_nothing(shown: Path) -> None:
    sqlite(shown, "CREATE VIEW bait AS SELECT load_extension('./x') AS x")
    assert "refuses the query" in refused(shown, SQLITE, "SELECT * FROM bait").problems[0]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("query", "words"),
    [
        (
            "SELECT 1) AS x; COPY (SELECT 1) TO PROGRAM 'touch {made}'; SELECT * FROM (SELECT 1",
            "multiple commands",
        ),
        ("SELECT 1) TO PROGRAM 'touch {made}' --", "syntax error"),
        ("SELECT 1 AS x INTO made", "SELECT ... INTO is not allowed here"),
        ("WITH x AS (INSERT INTO made VALUES (1) RETURNING *) SELECT * FROM x", "top level"),
        ("WITH x AS (SELECT 1) DELETE FROM made", "syntax error"),
        ("SELECT nextval('numbers')", "cannot execute nextval() in a read-only transaction"),
        ("SELECT * FROM made FOR UPDATE", "cannot execute SELECT FOR UPDATE in a read-only"),
        ("SELECT lo_create(7)", "cannot execute lo_create() in a read-only transaction"),
        ("SELECT * FROM write_one()", "cannot execute INSERT in a read-only transaction"),
        ("SELECT lo_export(1, '{made}')", "must only read rows of tables, got lo_export"),
        ("SELECT pg_catalog.\"lo_export\" (1, '{made}')", "must only read rows"),
        ("SELECT U&\"lo\\005fexport\"(1, '{made}')", "got a name with escapes"),
        ("SELECT lo_export /* of */ (1, '{made}')", "got lo_export"),
        ("SELECT pg_export_snapshot()", "got pg_export_snapshot"),
        ("SELECT query_to_xml('SELECT 1', true, true, '')", "got query_to_xml"),
        ("SELECT set_config('transaction_read_only', 'off', false)", "got set_config"),
        ("SELECT * FROM dblink_exec('x', 'y')", "got dblink_exec"),
        ("SELECT pg_reload_conf()", "got pg_reload_conf"),
    ],
)
def test_a_query_of_a_superuser_of_postgresql_writes_nothing(
    query: str, words: str, postgres: Any, postgres_url: str, tmp_path: Path
) -> None:
    postgres.psql(
        "CREATE TABLE made (x int); CREATE SEQUENCE numbers; CREATE FUNCTION write_one() "
        "RETURNS int LANGUAGE sql AS 'INSERT INTO made VALUES (1) RETURNING x'"
    )
    made = tmp_path / "made"
    (problem,) = refused(tmp_path, postgres_url, query.format(made=made)).problems
    assert words in problem
    assert not made.exists()
    assert "(0 rows)" in postgres.psql("SELECT * FROM made")


@pytest.mark.postgres
@pytest.mark.parametrize("options", ["-c%20default_transaction_read_only%3Doff", "-c%20a.b%3Dx%5C"])
def test_options_of_the_url_do_not_let_a_query_write(
    options: str, postgres: Any, postgres_url: str, tmp_path: Path
) -> None:
    postgres.psql("CREATE SEQUENCE numbers")
    with pytest.raises((DataError, EnvironmentFault), match=r"read-only|invalid|stack"):
        rows(tmp_path, f"{postgres_url}&options={options}", "SELECT nextval('numbers')")
    assert " f" in postgres.psql("SELECT is_called FROM numbers")
