"""Copies of a row in two splits cause a warning, whatever put them there."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tables import definition, prepared, shop

from hinet_search.data.splits import assign


def test_the_same_user_item_and_time_in_two_splits_is_a_warning(tmp_path: Path) -> None:
    frame = shop()
    twice = frame.head(3).with_columns(pl.lit("test").alias("part"), pl.lit(50.0).alias("price"))
    assert prepared(pl.concat([frame, twice]), tmp_path).record.warnings == (
        "6 rows are in two splits (same user, item and time)",
    )


@pytest.mark.parametrize(
    ("time", "what"), [("minute", "same user, item and time"), (None, "equal in all columns")]
)
def test_copies_of_a_row_in_two_splits_of_random_rows_are_a_warning(
    time: str | None, what: str, tmp_path: Path
) -> None:
    copied, changes = pl.concat([shop(), shop()]), {"time": time, "split": {"by": "random"}}
    split_R = assign(definition(**changes), copied, np.arange(1200, dtype=np.uint64))
    count = 2 * int((split_R[:600] != split_R[600:]).sum())
    assert prepared(copied, tmp_path, **changes).record.warnings == (
        f"{count} rows are in two splits ({what})",
    )


@pytest.mark.parametrize(
    "split", [{"by": "time", "valid_from": 420, "test_from": 510}, {"by": "user"}]
)
@pytest.mark.parametrize("item", ["item", None])
def test_copies_of_a_row_stay_together_in_splits_by_time_or_user(
    item: str | None, split: dict[str, object], tmp_path: Path
) -> None:
    warnings = prepared(
        pl.concat([shop(), shop()]), tmp_path, item=item, split=split
    ).record.warnings
    assert not [line for line in warnings if "two splits" in line]


def test_a_row_in_three_splits_counts_with_all_of_its_copies(tmp_path: Path) -> None:
    frame = shop()
    copies = [
        frame.head(2).with_columns(pl.lit(part).alias("part"))
        for part in ("train", "valid", "test")
    ]
    warnings = prepared(pl.concat([frame, *copies]), tmp_path).record.warnings
    assert warnings == ("8 rows are in two splits (same user, item and time)",)


def test_without_a_time_only_rows_equal_in_all_columns_stand_in_two_splits(tmp_path: Path) -> None:
    frame = shop()
    twice = frame.head(3).with_columns(pl.lit("test").alias("part"))
    other = (
        frame.head(5)
        .tail(2)
        .with_columns(pl.lit("test").alias("part"), pl.lit(50.0).alias("price"))
    )
    assert prepared(pl.concat([frame, twice, other]), tmp_path, time=None).record.warnings == (
        "6 rows are in two splits (equal in all columns)",
    )


def test_rows_are_equal_in_two_splits_whatever_their_statistics(tmp_path: Path) -> None:
    frame = shop()
    twice = frame.head(3).with_columns(pl.lit("test").alias("part"))
    features = {
        "categorical": ["user", "item"],
        "numeric": ["price"],
        "statistics": {"by": ["user", "item"]},
    }
    assert prepared(
        pl.concat([frame, twice]), tmp_path, time=None, features=features
    ).record.warnings == ("6 rows are in two splits (equal in all columns)",)


def test_a_column_that_is_user_and_time_is_asked_for_once(tmp_path: Path) -> None:
    frame = shop()
    twice = frame.head(3).with_columns(pl.lit("test").alias("part"))
    assert prepared(pl.concat([frame, twice]), tmp_path, time="user").record.warnings == (
        "6 rows are in two splits (equal in all columns)",
    )
