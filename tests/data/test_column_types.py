"""Types of columns: a type that its use does not allow is refused with the key that names it."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tables import prepared, problems_of, shop

from hinet_search.common.errors import DataError
from hinet_search.data.sources.table import Join, joined

BYTES = pl.Series([b"home", b"push\xff"])


@pytest.mark.parametrize(
    ("key", "column", "changes"),
    [
        ("scenario.column", "place", {}),
        ("user", "person", {"user": "person"}),
        ("item", "thing", {"item": "thing"}),
        ("time", "minute", {}),
        ("split.column", "part", {}),
        ("tasks.click.column", "click", {"tasks": {"click": {"column": "click"}}}),
        ("tasks.click.column", "click", {"tasks": {"click": {"column": "click", "equals": 1}}}),
    ],
)
def test_a_column_of_lists_is_refused_with_its_key(
    key: str, column: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    frame = shop().with_columns(person="user", thing="item").with_columns(pl.concat_list(column))
    (problem,) = problems_of(frame, tmp_path, **changes)
    assert problem.startswith(f"data.{key}: column '{column}' must hold one value a row, got List(")


@pytest.mark.parametrize(
    ("column", "changes"),
    [
        ("place", {}),
        ("user", {"split": {"by": "user"}}),
        ("part", {}),
        ("click", {"tasks": {"click": {"column": "click", "equals": "home"}}}),
    ],
)
def test_bytes_that_are_no_text_are_refused(
    column: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    frame = shop().with_columns(BYTES[np.arange(600) % 2].alias(column))
    (problem,) = problems_of(frame, tmp_path, **changes)
    assert problem == f"column '{column}' must hold text, but holds bytes that are no UTF-8"


def test_bytes_that_are_text_are_read_as_that_text(tmp_path: Path) -> None:
    expected = prepared(shop(), tmp_path).record
    record = prepared(shop().with_columns(pl.col("place", "part").cast(pl.Binary)), tmp_path).record
    assert (record.scenarios, record.rows) == (expected.scenarios, expected.rows)


def test_a_label_of_true_and_false_may_have_a_threshold(tmp_path: Path) -> None:
    expected = prepared(shop(), tmp_path).record.cells
    tasks = {"click": {"column": "click", "above": 0}, "buy": {"column": "buy", "at_least": 1}}
    frame = shop().with_columns(pl.col("click", "buy").cast(pl.Boolean))
    assert prepared(frame, tmp_path, tasks=tasks).record.cells == expected


@pytest.mark.parametrize(
    "cut", ["2026-03-29T02:30:00", "2026-10-25T02:30:00"], ids=["left out", "twice"]
)
def test_a_cut_that_is_no_one_moment_of_the_time_zone_is_refused(cut: str, tmp_path: Path) -> None:
    hours = pl.datetime(2026, 1, 1, time_zone="Europe/Berlin") + pl.duration(
        hours=pl.col("minute") * 12
    )
    split = {"by": "time", "valid_from": cut, "test_from": "2026-10-28"}
    (problem,) = problems_of(shop().with_columns(minute=hours), tmp_path, split=split)
    assert problem.startswith(
        f"data.split: {cut} must be one moment in the time zone of column 'minute'"
    )


def test_the_key_of_a_join_may_be_named_like_a_count() -> None:
    rows, other = pl.LazyFrame({"len": [1, 2]}), pl.LazyFrame({"len": [2], "x": [5]})
    assert joined(rows, other, Join(path="x.csv", on="len")).collect()["x"].to_list() == [None, 5]


def test_a_joined_column_that_polars_takes_for_a_pattern_is_refused() -> None:
    rows, other = pl.LazyFrame({"a": [1, 2]}), pl.LazyFrame({"a": [2], "*": [5]})
    with pytest.raises(DataError, match="columns must not be named"):
        joined(rows, other, Join(path="x.csv", on="a"))
