"""Memory of fetching the rows of a query, from SQLite and DuckDB, at several sizes.

    python benchmarks/bench_queries.py [--folder FOLDER] [MILLIONS OF ROWS ...]

A table of eight columns is fetched into the cache by a process of its own; anonymous memory is what
it holds beside mapped files. SQLite gives rows of Python values, DuckDB columns of Arrow.
"""

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hinet_search.data.fingerprint import FileHasher
from hinet_search.data.sources.sql import Options, identity
from in_processes import FOLDER, run
from layout import aligned

MILLIONS = (0.5, 1.5, 4.5)
MILLION = 1_000_000
COLUMNS = """i AS id, i * 7919 % 50000 AS user_id, i * 104729 % 20000 AS item_id,
'place ' || (i % 6) AS place, i % 1000 / 7.0 AS price, 'city ' || (i % 1000) AS city,
i % 5 AS clicks, CASE WHEN i % 3 = 0 THEN i END AS seldom"""


@dataclass(frozen=True)
class QueryFigure:
    """Rows fetched by a process of its own; megabytes are anonymous, at their highest."""

    engine: str
    num_rows: int
    seconds: float
    cpu_seconds: float
    megabytes: float


def bench_queries(folder: Path, millions: tuple[float, ...]) -> Iterator[QueryFigure]:
    """Make, fetch and remove a table of every size, with both engines."""
    folder.mkdir(parents=True, exist_ok=True)
    for engine, write in (("sqlite", write_sqlite), ("duckdb", write_duckdb)):
        for million in millions:
            with tempfile.TemporaryDirectory(prefix="queries-", dir=folder) as name:
                num_rows = round(million * MILLION)
                write(Path(name) / "shop.db", num_rows)
                yield _figure(engine, Path(name), num_rows)


def write_sqlite(file: Path, num_rows: int) -> None:
    connection = sqlite3.connect(file)
    numbers = f"WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {num_rows})"  # noqa: S608 -- no foreign text
    connection.execute(f"CREATE TABLE shown AS {numbers} SELECT {COLUMNS} FROM n")  # noqa: S608
    connection.commit()
    connection.close()


def write_duckdb(file: Path, num_rows: int) -> None:
    import duckdb

    with duckdb.connect(str(file)) as connection:
        numbers = f"range(1, {num_rows + 1}) n(i)"
        connection.execute(f"CREATE TABLE shown AS SELECT {COLUMNS} FROM {numbers}")  # noqa: S608


def _figure(engine: str, folder: Path, num_rows: int) -> QueryFigure:
    megabytes, ((seconds, cpu_seconds),) = run((_fetch, engine, folder))
    return QueryFigure(engine, num_rows, seconds, cpu_seconds, megabytes)


def _fetch(engine: str, folder: Path) -> tuple[float, float]:
    began, cpu_began = time.perf_counter(), time.process_time()
    options = Options(url=f"{engine}:///shop.db", table="shown")
    identity(options, folder, FileHasher(folder / "cache", lambda _: None))
    return time.perf_counter() - began, time.process_time() - cpu_began


def table(figures: list[QueryFigure]) -> str:
    """The figures as text, a line for each table."""
    head = ("engine", "rows", "seconds", "of CPU", "anonymous MB")
    lines = [
        (
            figure.engine,
            f"{figure.num_rows:,}",
            f"{figure.seconds:.0f}",
            f"{figure.cpu_seconds:.1f}",
            f"{figure.megabytes:,.0f}",
        )
        for figure in figures
    ]
    return aligned([head, *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("millions", nargs="*", type=float, default=list(MILLIONS))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    print(table(list(bench_queries(arguments.folder, tuple(arguments.millions)))))


if __name__ == "__main__":
    main()
