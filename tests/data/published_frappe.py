"""Small files in the layouts of Frappe and Frappe_x1."""

from collections.abc import Sequence
from pathlib import Path

from hinet_search.data.published.frappe import COLUMNS, LOG, LOG_ROW, PARTS

USUAL = ("sunday", "weekend", "home", "free", "sunny", "Spain", "0")  # the last columns of a row
NUM_USERS = 10
DAYTIMES = ("morning", "afternoon", "evening", "night", "noon", "sunrise", "sunset")


def log_row(user: int, item: int, daytime: str | None = None) -> list[str]:
    """A row of the log, without the count of uses; a user has a usual time of the day."""
    return [str(user), str(item), daytime or DAYTIMES[user % len(DAYTIMES)], *USUAL]


def log_rows() -> list[list[str]]:
    """Ten users with three apps each; user 0 has used one twice in a context, and one at night."""
    rows = [log_row(number // 3, number) for number in range(3 * NUM_USERS)]
    return [*rows, log_row(0, 2), log_row(0, 1, "night")]


def write_log(folder: Path, rows: list[list[str]]) -> None:
    """Write frappe.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [LOG_ROW.columns, *([*row[:2], "7", *row[2:]] for row in rows)]
    (folder / LOG).write_text("".join("\t".join(line) + "\n" for line in lines))


def numbered(log: list[list[str]], label: int, row: list[str]) -> str:
    """The line of a published file: values of all columns are numbered through, by first row."""
    cells = [str(label)]
    first = 0
    for column, value in enumerate(row):
        values = list(dict.fromkeys(logged[column] for logged in log))
        cells.append(f"{first + values.index(value)}:1")
        first += len(values)
    assert len(row) == len(COLUMNS)
    return " ".join(cells)


def write_part(folder: Path, part: str, lines: Sequence[str]) -> None:
    """Write the published file of train, valid or test."""
    (folder / PARTS[part]).write_text("".join(f"{line}\n" for line in lines))
