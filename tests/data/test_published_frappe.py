"""Frappe: the log and the published files become the rows of Frappe_x1."""

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hinet_search.common.errors import DataError
from hinet_search.common.quiet import say_nothing
from hinet_search.data.get import get
from hinet_search.data.published.frappe import CONTEXT
from tests.data.published_frappe import log_row, log_rows, numbered, write_log, write_part

ROWS = log_rows()
USUAL_TEXT = "weekday sunday, isweekend weekend, homework home, cost free, weather sunny, country Spain, city 0"


def line(label: int, row: list[str]) -> str:
    return numbered(ROWS, label, row)


VALID = (line(1, ROWS[0]), line(1, ROWS[2]), line(-1, log_row(0, 7)), line(-1, log_row(0, 8)))
TEST = (line(1, ROWS[5]), line(-1, log_row(1, 0)))


def table(
    folder: Path,
    valid: tuple[str, ...] = VALID,
    test: tuple[str, ...] = TEST,
    train: tuple[str, ...] | None = None,
    log: list[list[str]] = ROWS,
) -> pl.DataFrame:
    """The table of the log and the published files; that of train only where it is given."""
    write_log(folder / "raw", log)
    write_part(folder / "raw", "valid", valid)
    write_part(folder / "raw", "test", test)
    if train is not None:
        write_part(folder / "raw", "train", train)
    get("frappe", folder / "raw", folder / "out", say_nothing)
    return pl.read_parquet(folder / "out" / "frappe" / "frappe_x1.parquet")


def train_of(rows: pl.DataFrame, used: int) -> pl.DataFrame:
    return rows.filter(pl.col("split") == "train", pl.col("used") == used)


def problem(folder: Path, **files: Any) -> str:
    with pytest.raises(DataError) as caught:
        table(folder, **files)
    (said,) = caught.value.problems
    return said.replace(f"{folder / 'raw'}/", "")


def test_a_published_row_has_the_values_of_the_log_and_its_label(tmp_path: Path) -> None:
    valid = table(tmp_path).filter(pl.col("split") == "valid")
    assert valid["item"].to_list() == [0, 2, 7, 8]
    assert valid["used"].to_list() == [1, 1, 0, 0]
    assert valid.row(3, named=True) == {
        "user": 0,
        "item": 8,
        "daytime": "morning",
        "weekday": "sunday",
        "isweekend": "weekend",
        "homework": "home",
        "cost": "free",
        "weather": "sunny",
        "country": "Spain",
        "city": 0,
        "used": 0,
        "split": "valid",
    }


def test_published_rows_of_train_are_taken_as_they_are(tmp_path: Path) -> None:
    train = (line(-1, log_row(0, 9)), line(1, ROWS[1]), line(-1, log_row(0, 9)))
    rows = table(tmp_path, train=train).filter(pl.col("split") == "train")
    assert rows.select("item", "used").rows() == [(9, 0), (1, 1), (9, 0)]


def test_without_train_its_positives_are_the_rows_of_the_log_that_are_left(tmp_path: Path) -> None:
    rows = train_of(table(tmp_path), used=1).select("user", "item", "daytime").rows()
    left = [row for number, row in enumerate(ROWS) if number not in (0, 2, 5)]
    assert rows == [(int(row[0]), int(row[1]), row[2]) for row in left]


def test_every_positive_has_two_negatives_of_its_user_and_context(tmp_path: Path) -> None:
    rows = table(tmp_path)
    positives = Counter(rows.filter(pl.col("used") == 1).select(CONTEXT).rows())
    negatives = Counter(rows.filter(pl.col("used") == 0).select(CONTEXT).rows())
    assert len(positives) == 11
    assert negatives == {context: 2 * number for context, number in positives.items()}


def test_a_user_has_no_negative_twice_and_none_that_it_has_used(tmp_path: Path) -> None:
    rows = table(tmp_path)
    used = set(rows.filter(pl.col("used") == 1).select("user", "item").rows())
    unused = rows.filter(pl.col("used") == 0).select("user", "item").rows()
    assert len(unused) == len(set(unused)) == 2 * len(ROWS)
    assert used.isdisjoint(unused)


def test_negatives_are_those_of_every_run_and_other_ones_of_every_user(tmp_path: Path) -> None:
    rows = table(tmp_path / "a")
    assert rows.equals(table(tmp_path / "b"))
    drawn = train_of(rows, used=0)
    by_user = [set(drawn.filter(pl.col("user") == user)["item"]) for user in range(3, 9)]
    assert len(set.union(*by_user)) > 15  # 6 of each


def test_a_log_without_a_row_for_a_positive_is_refused(tmp_path: Path) -> None:
    said = problem(tmp_path, test=(*TEST, VALID[0]))
    assert said == (
        f"frappe.csv: must have a row for each of label 1 in the other files, lacks user 0, item 0, "
        f"daytime morning, {USUAL_TEXT}"
    )


def test_a_log_with_fewer_rows_than_the_negatives_take_is_refused(tmp_path: Path) -> None:
    lines = (*VALID, *(line(-1, log_row(1, item)) for item in range(20, 26)))
    assert problem(tmp_path, valid=lines) == (
        f"frappe.csv: must have a row for every 2 of label 0 in the other files, lacks user 1, "
        f"daytime afternoon, {USUAL_TEXT}"
    )


def test_a_log_with_too_few_apps_for_the_negatives_is_refused(tmp_path: Path) -> None:
    log = [*ROWS, *[log_row(2, 8)] * 20]
    said = "frappe.csv: must have 46 apps for negatives of user 2, got 27"
    assert problem(tmp_path, log=log) == said


def test_a_log_whose_rows_are_all_in_the_other_files_gives_no_train(tmp_path: Path) -> None:
    log = ROWS[:9]
    free = [log_row(user, item) for user in range(3) for item in range(9) if item // 3 != user]
    valid = tuple(numbered(log, -1, row) for row in free)
    test = tuple(numbered(log, 1, row) for row in log)
    assert set(table(tmp_path, log=log, valid=valid, test=test)["split"]) == {"valid", "test"}
