"""Matches: every number against a plain loop over rows and lists."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tables import definition, shop, with_lists, write

from hinet_search.data.matches import known_of, match_numbers
from hinet_search.data.rows import read_rows

LISTS: dict[str, Any] = {name: {"column": name, "item": "item", "length": 2} for name in ("watched", "kept")}
WATCHED = {"watched": LISTS["watched"]}


def numbers(frame: pl.DataFrame, folder: Path, lists: dict[str, Any] = LISTS, **matches: Any) -> pl.DataFrame:
    """The matches of a table; without other wishes one list compared by item."""
    features = {
        "categorical": ["item"],
        "lists": lists,
        "matches": {"lists": ["watched"], "by": ["item"], **matches},
    }
    write(frame, folder)
    wanted = definition(features=features)
    assert wanted.features.matches is not None
    rows = read_rows(wanted, folder, folder / "cache")
    known = known_of(wanted, wanted.features.matches, rows)
    return match_numbers(known, wanted.features.matches, wanted.features.lists, rows.listed)


def brand_of() -> pl.Expr:
    """a and b are of one brand, c and d of another."""
    return pl.when(pl.col("item").is_in(["a", "b"])).then(7).otherwise(9).alias("brand")


def same(found: pl.Series, expected: list[float]) -> None:
    np.testing.assert_allclose(found.to_numpy(), np.array(expected), rtol=1e-6, atol=1e-7)


def test_a_length_counts_all_entries_and_not_only_those_a_model_sees(tmp_path: Path) -> None:
    frame = with_lists(shop())
    expected = [np.log1p(len(items)) for items in frame["watched"]]
    assert max(len(items) for items in frame["watched"]) > 2
    same(numbers(frame, tmp_path)["watched length"], expected)


def test_entries_that_are_the_item_itself_are_counted(tmp_path: Path) -> None:
    frame = with_lists(shop())
    counts = [items.to_list().count(item) for items, item in _pairs(frame)]
    found = numbers(frame, tmp_path)
    same(found["watched same item"], [np.log1p(count) for count in counts])
    shares = [count / max(len(items), 1) for count, (items, _) in zip(counts, _pairs(frame), strict=True)]
    same(found["watched share item"], shares)


def _pairs(frame: pl.DataFrame) -> list[tuple[pl.Series, str]]:
    return list(zip(frame["watched"], frame["item"], strict=True))


def test_entries_are_compared_through_the_attribute_that_their_item_has(tmp_path: Path) -> None:
    frame = with_lists(shop()).with_columns(brand_of())
    brand = {"a": 7, "b": 7, "c": 9, "d": 9}
    rows = frame.select("watched", "brand").rows()
    expected = [sum(brand.get(item) == own for item in items) for items, own in rows]
    found = numbers(frame, tmp_path, by=["item", "brand"])
    same(found["watched same brand"], [np.log1p(count) for count in expected])


def test_an_item_has_the_attribute_of_most_of_its_training_rows(tmp_path: Path) -> None:
    seldom = (pl.col("minute") % 5 < 2) | (pl.col("part") != "train")  # less than half of train, more of all rows
    frame = shop().with_columns(pl.when(seldom).then(5).otherwise(6).alias("brand"), watched=pl.lit(["a"]))
    expected = (frame["brand"] == 6).cast(pl.Float64).to_list()
    same(numbers(frame, tmp_path, WATCHED, by=["brand"])["watched share brand"], expected)


def test_of_equally_frequent_attributes_the_smallest_counts(tmp_path: Path) -> None:
    frame = shop().with_columns(pl.lit("a").alias("item"), brand=pl.col("minute") % 2, watched=pl.lit(["a"]))
    same(numbers(frame, tmp_path, WATCHED, by=["brand"])["watched share brand"], (1.0 - frame["brand"]).to_list())


def test_without_a_value_or_a_list_a_row_agrees_with_nothing(tmp_path: Path) -> None:
    gone = [None, None] + ["a"] * 598
    frame = with_lists(shop()).with_columns(pl.Series("item", gone, dtype=pl.String))
    no_list = pl.when(pl.col("minute") == 2).then(None).otherwise("watched").alias("watched")
    found = numbers(frame.with_columns(no_list), tmp_path)
    assert found["watched same item"].head(3).to_list() == [0.0, 0.0, 0.0]
    assert found["watched length"][2] == 0.0
    assert found.null_count().sum_horizontal().item() == 0


def totals(frame: pl.DataFrame, column: str, key: dict[str, Any]) -> Counter[Any]:
    """Entries of one list of every training user by the value of their item."""
    train = frame.filter(pl.col("part") == "train")
    lists = dict(zip(train["user"], train[column], strict=True))
    return Counter(key[item] for items in lists.values() for item in items if item in key)


@pytest.mark.parametrize("by", ["item", "brand"])
def test_a_rate_is_of_the_lists_of_training_users_smoothed_and_less_the_mean(by: str, tmp_path: Path) -> None:
    frame = with_lists(shop()).with_columns(brand_of())
    frame = frame.with_columns(
        pl.when(pl.col("part") == "test").then(pl.col("user") + 100).otherwise("user").alias("user")
    )
    key: dict[str, Any] = {"item": {one: one for one in "abcd"}, "brand": {"a": 7, "b": 7, "c": 9, "d": 9}}[by]
    of, among = totals(frame, "kept", key), totals(frame, "watched", key)
    mean = of.total() / among.total()
    expected = [(of[value] + 5 * mean) / (among[value] + 5) - mean for value in frame[by]]
    found = numbers(frame, tmp_path, by=[by], rates={"kept": "watched"}, smoothing=5.0)
    same(found[f"kept/watched {by}"], expected)
    same(found[f"watched {by} count"], [np.log1p(among[value]) for value in frame[by]])


def test_a_value_that_no_list_holds_has_the_mean_rate(tmp_path: Path) -> None:
    frame = with_lists(shop()).with_columns(
        pl.when(pl.col("minute") == 5).then(pl.lit("new")).otherwise("item").alias("item")
    )
    found = numbers(frame, tmp_path, rates={"kept": "watched"})
    assert found["kept/watched item"][5] == 0.0
    assert found["watched item count"][5] == 0.0


def test_the_last_training_row_of_a_user_says_which_list_counts(tmp_path: Path) -> None:
    train = pl.col("part") == "train"
    last_of_part = pl.int_range(pl.len()).over("user", "part") == pl.len().over("user", "part") - 1
    lists = pl.when(train & last_of_part).then(pl.lit(["b"])).when(train).then(pl.lit(["a"])).otherwise(pl.lit(["c"]))
    frame = shop().with_columns(watched=lists, kept=lists)
    found = numbers(frame, tmp_path, rates={"kept": "watched"})
    users = frame.filter(train)["user"].n_unique()
    expected = np.where(frame["item"] == "b", np.log1p(users), 0.0)
    same(found["watched item count"], expected.tolist())


def all_factors(frame: pl.DataFrame) -> dict[str, np.ndarray[Any, Any]]:
    """Factors of every item from a full SVD of who of the training users has it."""
    train = frame.filter(pl.col("part") == "train")
    lists = list(dict(zip(train["user"], train["watched"], strict=True)).values())
    items = sorted({item for found in frame["watched"] for item in found})
    has_UI = np.array([[float(item in found.to_list()) for item in items] for found in lists])
    _, value_K, direction_KI = np.linalg.svd(has_UI, full_matrices=False)
    factors_IK = (direction_KI.T * value_K)[:, :3]
    return dict(zip(items, factors_IK / np.linalg.norm(factors_IK, axis=1, keepdims=True), strict=True))


def test_a_similarity_is_the_mean_product_with_the_other_entries(tmp_path: Path) -> None:
    frame = with_lists(shop())
    factors = all_factors(frame)
    expected = []
    for items, item in _pairs(frame):
        others = [factors[one] for one in items if one != item]
        expected.append(float(np.mean([factors[item] @ other for other in others])) if others else 0.0)
    found = numbers(frame, tmp_path, similarity=["watched"], factors=3)
    np.testing.assert_allclose(found["watched similarity"].to_numpy(), expected, atol=1e-5)
    assert np.abs(expected).max() > 0.5


def test_an_item_in_no_list_and_a_list_of_the_item_alone_have_no_similarity(tmp_path: Path) -> None:
    frame = with_lists(shop()).with_columns(
        pl.when(pl.col("minute") == 5).then(pl.lit("new")).otherwise("item").alias("item"),
        pl.when(pl.col("minute") == 6).then(pl.concat_list("item", "item")).otherwise("watched").alias("watched"),
    )
    found = numbers(frame, tmp_path, similarity=["watched"])["watched similarity"]
    assert found[5] == 0.0
    assert found[6] == pytest.approx(0.0, abs=1e-6)


def test_lists_without_any_entry_give_zeros(tmp_path: Path) -> None:
    frame = shop().with_columns(pl.Series("watched", [[]] * 600), pl.Series("kept", [[]] * 600))
    found = numbers(frame, tmp_path, rates={"kept": "watched"}, similarity=["watched"])
    assert not found.to_numpy().any()


def test_the_same_rows_give_the_same_numbers(tmp_path: Path) -> None:
    frame = with_lists(shop())
    first = numbers(frame, tmp_path, similarity=["watched"], rates={"kept": "watched"})
    assert numbers(frame, tmp_path, similarity=["watched"], rates={"kept": "watched"}).equals(first)


def test_numbers_are_in_the_order_of_the_definition(tmp_path: Path) -> None:
    found = numbers(
        with_lists(shop()), tmp_path, lists=LISTS, rates={"kept": "watched"}, similarity=["kept"], by=["user", "item"]
    )
    assert found.columns == [
        "watched length",
        "watched same user",
        "watched share user",
        "watched same item",
        "watched share item",
        "kept/watched user",
        "kept/watched item",
        "watched user count",
        "watched item count",
        "kept similarity",
    ]
