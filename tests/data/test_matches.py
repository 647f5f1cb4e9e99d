"""Matches: every number equals that of a plain loop over rows and lists."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array
from tables import definition, shop, with_lists, write

from hinet_search.data.derived.matches import item_factors, known_of, match_numbers
from hinet_search.data.rows import read_rows

LISTS: dict[str, Any] = {
    name: {"column": name, "item": "item", "length": 2} for name in ("watched", "kept")
}
WATCHED = {"watched": LISTS["watched"]}


def numbers(
    frame: pl.DataFrame, folder: Path, lists: dict[str, Any] = LISTS, **matches: Any
) -> pl.DataFrame:
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


def same(actual: pl.Series, expected: list[float]) -> None:
    np.testing.assert_allclose(actual.to_numpy(), np.array(expected), rtol=1e-6, atol=1e-7)


def test_a_length_counts_all_entries_and_not_only_those_a_model_sees(tmp_path: Path) -> None:
    frame = with_lists(shop())
    expected = [np.log1p(len(items)) for items in frame["watched"]]
    assert max(len(items) for items in frame["watched"]) > 2
    same(numbers(frame, tmp_path)["watched length"], expected)


def test_entries_that_are_the_item_itself_are_counted(tmp_path: Path) -> None:
    frame = with_lists(shop())
    counts = np.array([items.to_list().count(item) for items, item in _pairs(frame)])
    lengths = np.array([len(items) for items in frame["watched"]])
    actual = numbers(frame, tmp_path)
    same(actual["watched same item"], np.log1p(counts).tolist())
    same(actual["watched share item"], (counts / np.maximum(lengths, 1)).tolist())


def _pairs(frame: pl.DataFrame) -> list[tuple[pl.Series, str]]:
    return list(zip(frame["watched"], frame["item"], strict=True))


def test_entries_are_compared_through_the_attribute_that_their_item_has(tmp_path: Path) -> None:
    frame = with_lists(shop()).with_columns(brand_of())
    brand = {"a": 7, "b": 7, "c": 9, "d": 9}
    rows = frame.select("watched", "brand").rows()
    expected = [sum(brand.get(item) == own for item in items) for items, own in rows]
    actual = numbers(frame, tmp_path, by=["item", "brand"])
    same(actual["watched same brand"], [np.log1p(count) for count in expected])


def test_an_item_has_the_attribute_of_most_of_its_training_rows(tmp_path: Path) -> None:
    seldom = (pl.col("minute") % 5 < 2) | (
        pl.col("part") != "train"
    )  # less than half of train, more of all rows
    frame = shop().with_columns(
        pl.when(seldom).then(5).otherwise(6).alias("brand"), watched=pl.lit(["a"])
    )
    expected = (frame["brand"] == 6).cast(pl.Float64).to_list()
    same(numbers(frame, tmp_path, WATCHED, by=["brand"])["watched share brand"], expected)


def test_of_equally_frequent_attributes_the_smallest_counts(tmp_path: Path) -> None:
    frame = shop().with_columns(
        pl.lit("a").alias("item"), brand=pl.col("minute") % 2, watched=pl.lit(["a"])
    )
    same(
        numbers(frame, tmp_path, WATCHED, by=["brand"])["watched share brand"],
        (1.0 - frame["brand"]).to_list(),
    )


def test_without_a_value_or_a_list_a_row_agrees_with_nothing(tmp_path: Path) -> None:
    gone = [None, None] + ["a"] * 598
    frame = with_lists(shop()).with_columns(pl.Series("item", gone, dtype=pl.String))
    no_list = pl.when(pl.col("minute") == 2).then(None).otherwise("watched").alias("watched")
    actual = numbers(frame.with_columns(no_list), tmp_path)
    assert actual["watched same item"].head(3).to_list() == [0.0, 0.0, 0.0]
    assert actual["watched length"][2] == 0.0
    assert actual.null_count().sum_horizontal().item() == 0


def totals(frame: pl.DataFrame, column: str, key: dict[str, Any]) -> Counter[Any]:
    """Entries of one list of every training user by the value of their item."""
    train = frame.filter(pl.col("part") == "train")
    lists = dict(zip(train["user"], train[column], strict=True))
    return Counter(key[item] for items in lists.values() for item in items if item in key)


@pytest.mark.parametrize("by", ["item", "brand"])
def test_a_rate_is_of_the_lists_of_training_users_smoothed_and_less_the_mean(
    by: str, tmp_path: Path
) -> None:
    frame = with_lists(shop()).with_columns(brand_of())
    frame = frame.with_columns(
        pl.when(pl.col("part") == "test").then(pl.col("user") + 100).otherwise("user").alias("user")
    )
    key: dict[str, Any] = {
        "item": {value: value for value in "abcd"},
        "brand": {"a": 7, "b": 7, "c": 9, "d": 9},
    }[by]
    of, among = totals(frame, "kept", key), totals(frame, "watched", key)
    mean = of.total() / among.total()
    expected = [(of[value] + 5 * mean) / (among[value] + 5) - mean for value in frame[by]]
    actual = numbers(frame, tmp_path, by=[by], rates={"kept": "watched"}, smoothing=5.0)
    same(actual[f"kept/watched {by}"], expected)
    same(actual[f"watched {by} count"], [np.log1p(among[value]) for value in frame[by]])


def test_a_value_that_no_list_holds_has_the_mean_rate(tmp_path: Path) -> None:
    frame = with_lists(shop()).with_columns(
        pl.when(pl.col("minute") == 5).then(pl.lit("new")).otherwise("item").alias("item")
    )
    actual = numbers(frame, tmp_path, rates={"kept": "watched"})
    assert actual["kept/watched item"][5] == 0.0
    assert actual["watched item count"][5] == 0.0


def test_the_last_training_row_of_a_user_says_which_list_counts(tmp_path: Path) -> None:
    train = pl.col("part") == "train"
    last_of_part = pl.int_range(pl.len()).over("user", "part") == pl.len().over("user", "part") - 1
    lists = (
        pl.when(train & last_of_part)
        .then(pl.lit(["b"]))
        .when(train)
        .then(pl.lit(["a"]))
        .otherwise(pl.lit(["c"]))
    )
    frame = shop().with_columns(watched=lists, kept=lists)
    actual = numbers(frame, tmp_path, rates={"kept": "watched"})
    users = frame.filter(train)["user"].n_unique()
    expected = np.where(frame["item"] == "b", np.log1p(users), 0.0)
    same(actual["watched item count"], expected.tolist())


def all_factors(frame: pl.DataFrame) -> dict[str, np.ndarray[Any, Any]]:
    """Factors of every item from a full SVD of who of the training users has it."""
    train = frame.filter(pl.col("part") == "train")
    lists = list(dict(zip(train["user"], train["watched"], strict=True)).values())
    items = sorted({item for list_ in frame["watched"] for item in list_})
    has_UI = np.array([[float(item in list_.to_list()) for item in items] for list_ in lists])
    _, value_K, direction_KI = np.linalg.svd(has_UI, full_matrices=False)
    factors_IK = (direction_KI.T * value_K)[:, :3]
    return dict(
        zip(items, factors_IK / np.linalg.norm(factors_IK, axis=1, keepdims=True), strict=True)
    )


def test_a_similarity_is_the_mean_product_with_the_other_entries(tmp_path: Path) -> None:
    frame = with_lists(shop())
    factors = all_factors(frame)
    expected = []
    for items, item in _pairs(frame):
        others = [factors[other] for other in items if other != item]
        expected.append(
            float(np.mean([factors[item] @ other for other in others])) if others else 0.0
        )
    actual = numbers(frame, tmp_path, similarity=["watched"], factors=3)
    np.testing.assert_allclose(actual["watched similarity"].to_numpy(), expected, atol=1e-5)
    assert np.abs(expected).max() > 0.5


def test_an_item_in_no_list_and_a_list_of_the_item_alone_have_no_similarity(tmp_path: Path) -> None:
    frame = with_lists(shop()).with_columns(
        pl.when(pl.col("minute") == 5).then(pl.lit("new")).otherwise("item").alias("item"),
        pl.when(pl.col("minute") == 6)
        .then(pl.concat_list("item", "item"))
        .otherwise("watched")
        .alias("watched"),
    )
    actual = numbers(frame, tmp_path, similarity=["watched"])["watched similarity"]
    assert actual[5] == 0.0
    assert actual[6] == pytest.approx(0.0, abs=1e-6)


def test_lists_without_any_entry_give_zeros_and_the_same_rows_the_same_numbers(
    tmp_path: Path,
) -> None:
    of_both: dict[str, Any] = {"rates": {"kept": "watched"}, "similarity": ["watched"]}
    empty = shop().with_columns(pl.Series("watched", [[]] * 600), pl.Series("kept", [[]] * 600))
    assert not numbers(empty, tmp_path, **of_both).to_numpy().any()
    frame = with_lists(shop())
    assert numbers(frame, tmp_path, **of_both).equals(numbers(frame, tmp_path, **of_both))


CLUSTERS = np.kron(
    np.eye(3), np.ones((30, 8))
)  # three kinds of users, each with items of its own: rank 3
FACTORS = """
import sys, numpy as np
from scipy.sparse import csr_array
from hinet_search.data.derived.matches import item_factors
clusters = np.kron(np.eye(3), np.ones((30, 8)))
some = np.random.default_rng(0).random((500, 300)) < 0.05
print([item_factors(csr_array(has.astype(float)), 16).tobytes().hex() for has in (clusters, some)])
"""


@pytest.mark.parametrize("has_UI", [CLUSTERS, CLUSTERS.T], ids=["more users", "more items"])
def test_factors_beyond_the_rank_of_the_lists_are_the_same_to_the_bit(
    has_UI: np.ndarray[Any, Any],
) -> None:
    first = item_factors(csr_array(has_UI), 5)
    assert all(np.array_equal(item_factors(csr_array(has_UI), 5), first) for _ in range(5))
    product_II = has_UI.T @ has_UI
    np.testing.assert_allclose(first @ first.T, product_II / product_II.max(), atol=1e-12)


def test_factors_do_not_depend_on_the_number_of_threads() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", FACTORS],
            env=os.environ | {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
            check=True,
            capture_output=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(printed) == 1


def test_numbers_are_in_the_order_of_the_definition(tmp_path: Path) -> None:
    actual = numbers(
        with_lists(shop()),
        tmp_path,
        lists=LISTS,
        rates={"kept": "watched"},
        similarity=["kept"],
        by=["user", "item"],
    )
    assert actual.columns == [
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
