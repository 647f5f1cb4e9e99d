"""Row hashes: a test split is identified by labels, scenarios and ids, not by features."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tables import definition, prepared, shop

from hinet_search.data.row_hashes import row_hashes
from hinet_search.data.rows import read_rows
from hinet_search.results.data_record import RowHashes

SHOP = shop()
FEATURES = {"categorical": ["user", "item"], "numeric": ["price", "age"]}
BY_USER = {"by": "user", "seed": 1}
NAMELESS = {"user": None, "item": None, "time": None}


def hashes(
    folder: Path, frame: pl.DataFrame = SHOP, path: str = "shop.parquet", **changes: Any
) -> RowHashes:
    """The hashes of a table's test rows."""
    folder.mkdir(exist_ok=True)
    frame.write_parquet(folder / path)
    of = definition(source={"kind": "table", "path": path}, **changes)
    return row_hashes(of, read_rows(of, folder, folder))


def are_same(first: RowHashes, second: RowHashes) -> bool:
    by_identity = first.by_identity is not None and first.by_identity == second.by_identity
    return first.in_order == second.in_order or by_identity


@pytest.mark.parametrize(
    "changes",
    [
        {"features": FEATURES | {"numeric": ["price"]}},
        {"features": FEATURES | {"numeric": ["age", "price"]}},
        {"features": FEATURES | {"clip": {"price": [0, 200]}}},
        {"features": FEATURES | {"groups": {"prices": ["price"]}}},
        {"features": FEATURES | {"statistics": {"by": ["user"]}}},
        {"minimum_frequency": 3},
        {"never_features": ["minute"]},
        {"path": "copy.parquet"},
        {"tasks": {"buy": {"column": "buy"}, "click": {"column": "click"}}},
        {"tasks": {"clicked": {"column": "click", "at_least": 1}, "bought": {"column": "buy"}}},
        {"scenario": {"column": "place", "values": {"push": "Push", "home": "Home page"}}},
        {"item": None},
        NAMELESS,
    ],
    ids=str,
)
def test_what_a_model_sees_and_how_things_are_named_leaves_the_rows_the_same(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    assert are_same(hashes(tmp_path), hashes(tmp_path, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"split": BY_USER},
        {"tasks": {"click": {"column": "click"}}},
        {"tasks": {"click": {"column": "click"}, "buy": {"column": "minute", "above": 550}}},
        {"scenario": {"column": "item"}},
        {"scenario": {"column": "place", "values": {"home": "home"}}},
        {"scenario": {"column": "place", "values": {"home": "all", "push": "all"}}},
    ],
    ids=str,
)
@pytest.mark.parametrize("named", [{}, NAMELESS], ids=["named", "nameless"])
def test_another_split_task_or_scenario_is_of_other_rows(
    changes: dict[str, Any], named: dict[str, None], tmp_path: Path
) -> None:
    if changes.get("split") == BY_USER:
        named = named | {"user": "user"} if named else named
    assert not are_same(hashes(tmp_path, **named), hashes(tmp_path, **(named | changes)))


def test_two_seeds_of_a_random_split_are_of_other_rows(tmp_path: Path) -> None:
    first, second = (hashes(tmp_path, split={"by": "random", "seed": seed}) for seed in (1, 2))
    assert not are_same(first, second)


def test_rows_in_another_order_are_the_same_where_user_item_and_time_name_them(
    tmp_path: Path,
) -> None:
    shuffled = SHOP.sample(fraction=1, shuffle=True, seed=1)
    assert hashes(tmp_path, shuffled).by_identity == hashes(tmp_path).by_identity
    assert hashes(tmp_path, shuffled, **NAMELESS) != hashes(tmp_path, **NAMELESS)


def test_rows_of_other_users_are_others_and_further_rows_to_train_on_are_not(
    tmp_path: Path,
) -> None:
    of_shop = hashes(tmp_path)
    other_users = SHOP.with_columns(pl.col("user") + 1)
    assert hashes(tmp_path, other_users).by_identity != of_shop.by_identity
    more = pl.concat([SHOP.filter(pl.col("part") == "train").head(50), SHOP])
    assert hashes(tmp_path, more) == of_shop


def test_types_that_hold_the_same_values_are_the_same_rows(tmp_path: Path) -> None:
    timed = SHOP.with_columns(
        pl.from_epoch("minute").alias("minute"), pl.col("item").cast(pl.Categorical)
    )
    in_ms = timed.with_columns(
        pl.col("user").cast(pl.Int16),
        pl.col("minute").dt.cast_time_unit("ms"),
        pl.col("item").cast(pl.String),
    )
    assert hashes(tmp_path, timed) == hashes(tmp_path, in_ms)


@pytest.mark.parametrize("column", ["user", "item", "minute"])
def test_a_missing_value_is_a_value_of_its_own(column: str, tmp_path: Path) -> None:
    last = pl.int_range(pl.len()) == len(SHOP) - 1
    missing = SHOP.with_columns(pl.when(last).then(None).otherwise(pl.col(column)).alias(column))
    zero = SHOP.with_columns(
        pl.when(last)
        .then(pl.lit("" if column == "item" else 0))
        .otherwise(pl.col(column))
        .alias(column)
    )
    assert hashes(tmp_path, missing).by_identity != hashes(tmp_path, zero).by_identity


def test_encoded_data_say_which_rows_are_hashes(tmp_path: Path) -> None:
    assert prepared(SHOP, tmp_path).record.test_rows == hashes(tmp_path)
