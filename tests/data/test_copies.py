"""Copies of a row in two splits cause a warning, whatever put them there."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tables import definition, prepared, shop

from hinet_search.data.columns import SPLITS
from hinet_search.data.splits import assign

FEATURES: dict[str, Any] = {"categorical": ["user", "item"], "numeric": ["price"]}
ALIKE = "6 rows are in two splits (equal in all columns)"


def in_test(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.lit("test").alias("part"))


SAME = in_test(shop().head(3))
OTHER = in_test(shop()[3:5]).with_columns(pl.lit(50.0).alias("price"))
STATISTICS = {"statistics": {"by": ["user", "item"]}}
IN_ALL = [shop().head(2).with_columns(pl.lit(part).alias("part")) for part in SPLITS]
COPIES: dict[str, tuple[list[pl.DataFrame], dict[str, Any], str]] = {
    "of another price": ([OTHER], {}, "4 rows are in two splits (same user, item and time)"),
    "in three splits": (IN_ALL, {}, "8 rows are in two splits (same user, item and time)"),
    "without a time": ([SAME, OTHER], {"time": None}, ALIKE),
    "with statistics of their own": (
        [SAME],
        {"time": None, "features": FEATURES | STATISTICS},
        ALIKE,
    ),
    "one column is user and time": ([SAME], {"time": "user"}, ALIKE),
}


@pytest.mark.parametrize(("copies", "changes", "warning"), COPIES.values(), ids=COPIES)
def test_copies_of_rows_in_two_splits_are_a_warning(
    copies: list[pl.DataFrame], changes: dict[str, Any], warning: str, tmp_path: Path
) -> None:
    frame = pl.concat([shop(), *copies])
    assert prepared(frame, tmp_path, **changes).record.warnings == (warning,)


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
