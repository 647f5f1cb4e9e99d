"""Queries and URLs: what `check` makes of a source that a stranger names. Nothing is written but the cache, and no file of ours changes."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from hypothesis import strategies as st

from tests.fuzz import shop
from tests.fuzz.commands import listing, outcome, stand_still, temporary_files_here, typed
from tests.fuzz.faults import Fault
from tests.fuzz.inputs import CHARACTERS

SQLITE, DUCKDB = "sqlite:///shop.db", "duckdb:///shop.duckdb"
POSTGRES = "postgresql://ann@127.0.0.1:1/shop"
ROWS = "SELECT * FROM rows ORDER BY minute"
QUERIES = (
    ROWS,
    "WITH x AS (SELECT * FROM rows) SELECT * FROM x",
    "VALUES (1, 2)",
    "SELECT 1 AS x, 2 AS x",
    "VACUUM INTO 'made'",
    "ATTACH DATABASE 'made' AS made",
    "PRAGMA journal_mode = wal",
    "SELECT 1; ATTACH 'made' AS made",
    "WITH x AS (SELECT 1) INSERT INTO rows SELECT * FROM rows",
    "SELECT load_extension('./libhdfs')",
    "SELECT writefile('made', 'x')",
    "SELECT * FROM pragma_database_list",
    "COPY rows TO 'made'",
    "COPY (SELECT 1) TO PROGRAM 'touch made'",
    "EXPORT DATABASE 'made'",
    "INSTALL httpfs",
    "SELECT * FROM read_csv('rows.csv')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM 'rows.csv'",
    "CALL enable_logging('QueryLog', storage='file', storage_config={'path': 'made'})",
    "SELECT * FROM enable_logging('QueryLog', storage='file')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM duckdb_settings()",
    "SELECT lo_export(1, 'made')",
    "SELECT 1) AS x; COPY (SELECT 1) TO 'made'; SELECT * FROM (SELECT 1",
    "SELECT '\x1b[31m' AS \"\x1b[31m\"",
    "WITH RECURSIVE x(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM x LIMIT 90000) SELECT i FROM x",
    "SELECT 9e999 AS x, -9e999 AS y, x'00' AS z",
    "SELECT * FROM rows WHERE user = :user AND place = ? AND item = $1 AND price = %(x)s",
)
URLS = (
    SQLITE,
    DUCKDB,
    POSTGRES,
    "postgresql+psycopg://ann@127.0.0.1:1/shop",
    f"{POSTGRES}?sslkeylogfile=made",
    f"{POSTGRES}?sslcert=a&sslkey=./libhdfs.so:x",
    f"{POSTGRES}?options=-c%20default_transaction_read_only%3Doff",
    "postgresql+psycopg2://ann@127.0.0.1:1/shop",
    f"{SQLITE}?mode=rwc&uri=true",
    "sqlite:///file:made?mode=rwc",
    "sqlite://",
    "sqlite:///rows.csv",
    "duckdb:///rows.csv",
    "duckdb:///shop.db",
    "duckdb:///md:shop",
    "sqlite+pysqlcipher:///shop.db",
    f"{DUCKDB}?allow_unsigned_extensions=true",
    "mysql://ann@127.0.0.1:1/shop?plugin_dir=.",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3D./libhdfs.so",
    "mssql+pyodbc://ann@127.0.0.1/shop?driver=./libhdfs.so",
    "os.system://x/y",
    "${HOME}",
    "${PATH}://x",
    "postgresql://ann:s3cret@127.0.0.1:1/shop",
)
TABLES = (
    "hdfs://h/x.parquet",
    "HDFS://h/x.parquet",
    "hdfs:///x",
    "arrow_hdfs://h/x",
    "http://[::1]:1/x.parquet",
    "http://[::1/x",
    "http://[1:2:3]/x",
    "http://ann:s3cret@127.0.0.1:1/x.csv",
    "http://ann:s3cret@127.0.0.1:1/x\ud800.csv",
    "file:///etc/passwd",
    "file://rows.csv",
    "local://rows.csv",
    "simplecache::file://rows.csv",
    "reference://x/::file://rows.csv",
    "zip://rows.csv::file://rows.zip",
    "filecache://made::memory://x",
    "memory://bucket/x.parquet",
    "memory://../../made.csv",
    "python://os.system",
    "github://x:y@z/a.csv",
    "sftp://127.0.0.1:1/x.csv",
    "data:text/csv,a",
    "libarchive://x",
    SQLITE,
    "s3://bucket/x.parquet",
    "rows.csv::rows.csv",
)

Given = tuple[str, str, str]  # kind of source, URL or path, query
SEEDS: dict[str, Given] = {
    "the rows of SQLite as it is": ("sql", SQLITE, ROWS),
    "the rows of DuckDB as it is": ("sql", DUCKDB, ROWS),
    **{f"SQLite: {query}": ("sql", SQLITE, query) for query in QUERIES[1:]},
    **{f"DuckDB: {query}": ("sql", DUCKDB, query) for query in QUERIES[1:]},
    **{f"URL {url}": ("sql", url, ROWS) for url in URLS[2:]},
    **{f"table {path}": ("table", path, "") for path in TABLES},
}


def inputs() -> st.SearchStrategy[Given]:
    """A query with other words in it, a URL with other options, or the URL of a table."""
    words = st.sampled_from([word for query in QUERIES for word in query.split()])
    text = words | st.text(CHARACTERS, max_size=4)
    query = st.builds(_changed, st.sampled_from(QUERIES), st.lists(_edits(text), max_size=3))
    file = st.sampled_from([SQLITE, DUCKDB])
    options = st.sampled_from(
        ["", "?", "?a=b", "?mode=rwc", "?sslkey=a:b", "?driver=x", "?odbc_connect=DRIVER%3D./x;"]
    )
    url = st.builds(lambda url, more: url + more, st.sampled_from(URLS), options | text)
    # No word before the path, so that no name is looked up on the network.
    table = st.builds(_changed_after_place, st.sampled_from(TABLES), st.lists(_edits(text)))
    return st.one_of(
        st.tuples(st.just("sql"), file, query),
        st.tuples(st.just("sql"), file, query),
        st.tuples(st.just("sql"), url, st.sampled_from(QUERIES)),
        st.tuples(st.just("table"), table, st.just("")),
    )


def _edits(text: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[int, int, str]]:
    return st.tuples(st.integers(0, 100), st.integers(0, 20), text)


def _changed(text: str, edits: list[tuple[int, int, str]]) -> str:
    for place, length, new in edits:
        at = place % (len(text) + 1)
        text = text[:at] + new + text[at + length :]
    return text


def _changed_after_place(text: str, edits: list[tuple[int, int, str]]) -> str:
    head, mark, rest = text.partition("://")
    place, slash, path = rest.partition("/")
    return f"{head}{mark}{place}{slash}{_changed(path, edits)}"


def begin(home: Path) -> Path:
    """A folder with the table in a database of SQLite and of DuckDB."""
    stand_still()
    folder = home / "databases"
    if not folder.exists():
        folder.mkdir()
        names, marks = ", ".join(shop.COLUMNS), ", ".join("?" * len(shop.COLUMNS))
        with closing(sqlite3.connect(folder / "shop.db")) as connection:
            connection.execute(f"CREATE TABLE rows ({names})")
            connection.executemany(f"INSERT INTO rows VALUES ({marks})", shop.rows())
            connection.commit()
        import duckdb

        (folder / "rows.csv").write_text(shop.csv(), encoding="utf-8")
        with duckdb.connect(str(folder / "shop.duckdb")) as connection:
            connection.execute(
                f"CREATE TABLE rows AS SELECT * FROM read_csv('{folder / 'rows.csv'}')"
            )
    return folder


def run(given: Given, folder: Path) -> str:
    """Check a study of that source; the rows of a query that is taken are in the cache."""
    kind, url, query = given
    shutil.copytree(folder, ".", dirs_exist_ok=True)
    options = {"url": url, "query": query} if kind == "sql" else {"path": url}
    source = json.dumps({"kind": kind, **options})
    shop.write(
        small_yaml=shop.plain_study().replace("{kind: table, path: rows.csv}", source),
        libhdfs_so=b"no library",
    )
    before = listing(Path())
    with temporary_files_here():
        said = typed("check", "small.yaml", "--output", "out")
    after = listing(Path())
    changed = sorted(
        name
        for name in {*before, *after}
        if before.get(name) != after.get(name) and name.split("/")[0] not in ("out", ".temporary")
    )
    if changed:
        raise Fault("written", f"{kind}: {', '.join(changed[:4])}", f"{changed}\n{said}")
    if "s3cret" in said.out + said.err:
        raise Fault("password", f"{kind}: printed", f"{said}")
    return outcome(said)
