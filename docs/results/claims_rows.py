"""Rows of how often a claim is wrong: all of them in claims.csv, and what claims.md shows of them.

`python docs/results/claims_rows.py` writes the tables of the page from claims.csv anew. The page
has a table for each family of claims: of lines that have a limit the one with the highest rate and
every one above the limit, of lines without a limit the lowest and the highest rate.
"""

import csv
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

PAGE, FILE = Path(__file__).with_name("claims.md"), Path(__file__).with_name("claims.csv")
BEGIN, END = "<!-- claims -->", "<!-- end of claims -->"  # of the tables in the page
HEAD = ["family", "title", "line", "share", "low", "high", "studies", "allowed"]


class Row(NamedTuple):
    """A line of a table: how often something happened, and how often it may (None: no limit)."""

    words: str
    share: float
    low: float  # of the exact 95 % interval
    high: float
    studies: int
    allowed: float | None


class Table(NamedTuple):
    """The rows of one question of a family of claims."""

    family: str
    title: str
    rows: Sequence[Row]


def printed(title: str, rows: Sequence[Row]) -> Iterator[str]:
    """Return the lines of a table as Markdown."""
    yield f"\n| {title} | share | 95 % interval | studies | allowed |\n|---|---|---|---|---|"
    for row in rows:
        allowed = "" if row.allowed is None else f"{row.allowed:g}"
        ends = f"{row.low:.3f} to {row.high:.3f}"
        yield f"| {row.words} | {row.share:.3f} | {ends} | {row.studies:,} | {allowed} |"


def shortened(tables: Sequence[Table]) -> Iterator[str]:
    """Yield a table for each family of claims."""
    for family, of_family in groupby(tables, key=lambda table: table.family):
        yield f"\n| {family} | line | rate | 95 % interval | at most |\n|---|---|---|---|---|"
        for table in of_family:
            title = table.title  # beside the first of its rows
            for words, row in _shown(table.rows):
                allowed = "" if row.allowed is None else _number(row.allowed)
                ends = f"{_number(row.low)} to {_number(row.high)}"
                yield f"| {title} | {words} | {_number(row.share)} | {ends} | {allowed} |"
                title = ""


def _shown(rows: Sequence[Row]) -> Iterator[tuple[str, Row]]:
    """Yield the rows of a table that the page has, each with its words."""
    for limit in sorted({row.allowed for row in rows if row.allowed is not None}):
        limited = [row for row in rows if row.allowed == limit]
        highest = max(limited, key=lambda row: row.share)
        yield f"highest of {len(limited)}: {highest.words}", highest
        for row in limited:
            if row is not highest and row.share > limit:
                yield f"above {_number(limit)} too: {row.words}", row
    free = sorted((row for row in rows if row.allowed is None), key=lambda row: row.share)
    if len(free) > 2:
        yield f"lowest of {len(free)}: {free[0].words}", free[0]
        yield f"highest of {len(free)}: {free[-1].words}", free[-1]
    else:
        yield from ((row.words, row) for row in free)


def _number(share: float) -> str:
    return f"{share:.3f}" if share else "0"


def read(path: Path = FILE) -> list[Table]:
    """Return the tables of a file."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    tables = []
    for (family, title), of_table in groupby(lines, lambda line: (line["family"], line["title"])):
        tables.append(Table(family, title, [_row(line) for line in of_table]))
    return tables


def _row(line: dict[str, str]) -> Row:
    share, low, high = float(line["share"]), float(line["low"]), float(line["high"])
    allowed = float(line["allowed"]) if line["allowed"] else None
    return Row(line["line"], share, low, high, int(line["studies"]), allowed)


def save(tables: Sequence[Table], path: Path = FILE) -> None:
    """Write all rows into a file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEAD)
        for table in tables:
            for row in table.rows:
                allowed = "" if row.allowed is None else f"{row.allowed:g}"
                rates = [f"{rate:.3f}" for rate in (row.share, row.low, row.high)]
                writer.writerow(
                    [table.family, table.title, row.words, *rates, row.studies, allowed]
                )


def written(page: str, tables: Sequence[Table]) -> str:
    """Return the page with these tables between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    text = "\n".join(shortened(tables))
    return f"{before}{BEGIN}\n{text}\n\n{END}{after}"


def write_page() -> None:
    """Write the tables of the file into the page."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), read()), encoding="utf-8")


if __name__ == "__main__":
    write_page()
