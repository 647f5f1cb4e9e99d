"""Types of columns: a type that its use does not allow is refused with the key that names it."""

from pathlib import Path

import polars as pl
import pytest
from tables import prepared, shop

from hinet_search.common.errors import DataError
from hinet_search.data.sources.table import Join, joined


def test_bytes_that_are_text_are_read_as_that_text(tmp_path: Path) -> None:
    expected = prepared(shop(), tmp_path).record
    record = prepared(shop().with_columns(pl.col("place", "part").cast(pl.Binary)), tmp_path).record
    assert (record.scenarios, record.rows) == (expected.scenarios, expected.rows)


def test_a_label_of_true_and_false_may_have_a_threshold(tmp_path: Path) -> None:
    expected = prepared(shop(), tmp_path).record.cells
    tasks = {"click": {"column": "click", "above": 0}, "buy": {"column": "buy", "at_least": 1}}
    frame = shop().with_columns(pl.col("click", "buy").cast(pl.Boolean))
    assert prepared(frame, tmp_path, tasks=tasks).record.cells == expected


def test_the_key_of_a_join_may_be_named_like_a_count() -> None:
    rows, other = pl.LazyFrame({"len": [1, 2]}), pl.LazyFrame({"len": [2], "x": [5]})
    assert joined(rows, other, Join(path="x.csv", on="len")).collect()["x"].to_list() == [None, 5]


def test_a_joined_column_that_polars_takes_for_a_pattern_is_refused() -> None:
    rows, other = pl.LazyFrame({"a": [1, 2]}), pl.LazyFrame({"a": [2], "*": [5]})
    with pytest.raises(DataError, match="columns must not be named"):
        joined(rows, other, Join(path="x.csv", on="a"))
