"""A split without a row is refused, and the message shows what the split's column holds."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tables import prepared, shop

from hinet_search.common.errors import DataError


def problems(frame: pl.DataFrame, folder: Path, **changes: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        prepared(frame, folder, **changes)
    assert not (folder / "cache").exists()
    return list(caught.value.problems)


def test_an_empty_split_by_column_shows_the_values_of_the_column(tmp_path: Path) -> None:
    frame = shop().with_columns(pl.col("part").str.replace("valid", "val"))
    assert problems(frame, tmp_path) == [
        "data.split: valid must have rows, got none; column 'part' holds test, train, val"
    ]


def test_an_empty_split_by_a_column_of_nulls_says_so(tmp_path: Path) -> None:
    frame = shop().with_columns(pl.lit(None, dtype=pl.String).alias("part"))
    assert problems(frame, tmp_path) == [
        f"data.split: {split} must have rows, got none; column 'part' holds no value"
        for split in ("train", "valid", "test")
    ]


def test_an_empty_split_by_time_shows_the_range_of_the_column(tmp_path: Path) -> None:
    split = {"by": "time", "valid_from": 500, "test_from": 600}
    assert problems(shop(), tmp_path, split=split) == [
        "data.split: test must have rows, got none; column 'minute' runs from 0 to 599"
    ]


def test_an_empty_split_by_date_shows_the_first_and_last_moment(tmp_path: Path) -> None:
    day = pl.datetime(2026, 5, 1) + pl.duration(minutes=pl.col("minute"))
    split = {"by": "time", "valid_from": "2026-05-02", "test_from": "2026-05-03"}
    assert problems(
        shop().with_columns(day.alias("shown")), tmp_path, time="shown", split=split
    ) == [
        f"data.split: {name} must have rows, got none; "
        "column 'shown' runs from 2026-05-01 00:00:00 to 2026-05-01 09:59:00"
        for name in ("valid", "test")
    ]


def test_an_empty_random_split_is_reported_alone(tmp_path: Path) -> None:
    split = {"by": "random", "valid": 1e-9}
    assert problems(shop(), tmp_path, split=split) == ["data.split: valid must have rows, got none"]
