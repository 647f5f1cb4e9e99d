"""Hashed fields: ids of buckets, against a plain loop over the rows, and how many values collide."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import definition, prepared, problems_of, shop

from hinet_search.data import blocks
from hinet_search.data.encode import Encoding, TrainingRows, Vocabulary
from hinet_search.data.fingerprint import fingerprint
from hinet_search.data.hashing import buckets_of, keys_of, uniform
from hinet_search.data.inspect import collisions
from hinet_search.data.inspect.describe import describe
from hinet_search.data.inspect.text import render
from hinet_search.serving.compiled.score import bucket_of

FEATURES = {"categorical": ["user", "item"], "numeric": ["price"]}
HASHED = FEATURES | {
    "crosses": [["user", "item"]],
    "hashed": {"user": 25, "item": 3, "user x item": 60},
}


def buckets(values: list[Any], num_buckets: int, dtype: Any = None) -> list[int | None]:
    return buckets_of(pl.Series(values, dtype=dtype), num_buckets).to_list()


def test_buckets_are_those_of_the_first_release() -> None:
    assert buckets(["a", "user 7", "", None, "ä"], 1000) == [717, 361, 595, None, 303]
    assert buckets([0, 1, -1, None, 2**63 - 1], 1000) == [250, 65, 361, None, 818]


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=9),
    st.integers(2, 100_000_000),
)
def test_a_plain_loop_finds_the_buckets_of_numbers(values: list[int], num_buckets: int) -> None:
    expected = [bucket_of(value, num_buckets) for value in values]
    assert buckets(values, num_buckets, pl.Int64) == expected
    unsigned = [value % 2**64 for value in values]
    assert buckets(unsigned, num_buckets, pl.UInt64) == expected


@given(st.lists(st.text(max_size=9), min_size=1, max_size=9), st.integers(2, 100_000_000))
def test_a_plain_loop_finds_the_buckets_of_texts(values: list[str], num_buckets: int) -> None:
    expected = [bucket_of(value, num_buckets) for value in values]
    assert buckets(values, num_buckets, pl.String) == expected


def test_a_value_has_one_bucket_in_every_type_that_holds_it() -> None:
    of_64_bits = buckets([1, 2, 100, None], 999, pl.Int64)
    for dtype in (pl.Int8, pl.UInt8, pl.UInt64, pl.Int128):
        assert buckets([1, 2, 100, None], 999, dtype) == of_64_bits
    assert buckets(["a", None, "b"], 99, pl.Categorical) == buckets(["a", None, "b"], 99)


def test_buckets_are_equally_full() -> None:
    for values in (pl.int_range(100_000, eager=True), pl.int_range(100_000, eager=True) * 4096):
        counts = buckets_of(values, 20).value_counts()["count"].to_numpy()
        chi_square = ((counts - 5000) ** 2 / 5000).sum()
        assert chi_square < 45  # with 19 degrees of freedom, p = .0007


def test_a_split_by_users_says_nothing_of_their_buckets() -> None:
    users = pl.int_range(20_000, eager=True)
    for seed in range(4):
        of_test = pl.Series(uniform(keys_of(users), seed) < 0.1)
        numbers = buckets_of(users.filter(of_test), 10).value_counts()["count"]
        assert len(numbers) == 10
        assert numbers.min() > 130


def gaps() -> pl.DataFrame:
    """The shop with missing items, and users of test that train does not have."""
    minute = pl.col("minute")
    return shop().with_columns(
        item=pl.when(minute % 7 > 0).then("item"),
        user=pl.when(minute > 540).then(pl.col("user") + 100).otherwise("user"),
    )


def expected_ids(frame: pl.DataFrame, name: str, num_buckets: int, least: int) -> list[int]:
    """The id of every row by a plain loop: 0 if the value is missing or its bucket is rare."""
    bucket = [None if value is None else bucket_of(value, num_buckets) for value in frame[name]]
    train = [each for each, part in zip(bucket, frame["part"], strict=True) if part == "train"]
    counts = Counter(each for each in train if each is not None)
    frequent = [each for each, count in counts.items() if count >= least]
    ordered = sorted(frequent, key=lambda each: (-counts[each], each))
    return [1 + ordered.index(each) if each in ordered else 0 for each in bucket]


@pytest.mark.parametrize("rows_a_block", [7, 1000])
@pytest.mark.parametrize("least", [1, 18])
def test_ids_are_of_buckets_in_order_of_their_training_frequency(
    least: int, rows_a_block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", rows_a_block)
    frame = gaps()
    data = prepared(frame, tmp_path, features=HASHED, minimum_frequency=least)
    ids_RF = np.concatenate([split.ids_RF for split in (data.train, data.valid, data.test)])
    assert ids_RF[:, 0].tolist() == expected_ids(frame, "user", 25, least)
    assert ids_RF[:, 1].tolist() == expected_ids(frame, "item", 3, least)
    length = pl.col("user").cast(pl.String).str.len_chars().cast(pl.String)
    pair = pl.concat_str([length, "user", "item"], separator="/").alias("pair")
    assert ids_RF[:, 2].tolist() == expected_ids(frame.with_columns(pair), "pair", 60, least)


def test_a_value_that_train_lacks_has_the_id_of_its_bucket_if_train_has_that(
    tmp_path: Path,
) -> None:
    data = prepared(gaps(), tmp_path, features=HASHED)
    new_R = gaps().filter(pl.col("part") == "test")["user"].to_numpy() >= 100
    ids_R = data.test.ids_RF[new_R, 0]
    assert (ids_R > 0).any()
    assert (ids_R == 0).any(), "some buckets have no row of train"
    plain = prepared(gaps(), tmp_path, features=FEATURES)
    assert not plain.test.ids_RF[new_R, 0].any()


def test_a_table_has_no_more_ids_than_buckets(tmp_path: Path) -> None:
    sizes = prepared(gaps(), tmp_path, features=HASHED).full_schema.vocabulary_sizes
    assert (sizes[0] <= 26, sizes[1] <= 4, sizes[2] <= 61) == (True, True, True)


def test_only_definitions_with_hashed_fields_have_another_fingerprint() -> None:
    before = fingerprint(definition(features=FEATURES), "rows")
    assert fingerprint(definition(features=FEATURES | {"hashed": {}}), "rows") == before
    assert fingerprint(definition(features=FEATURES | {"hashed": {"user": 9}}), "rows") != before


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Boolean, pl.Date])
def test_columns_of_other_types_are_refused(dtype: Any, tmp_path: Path) -> None:
    frame = shop().with_columns(pl.col("user").cast(dtype))
    features = FEATURES | {"hashed": {"user": 9}}
    (told,) = problems_of(frame, tmp_path, features=features, user=None)
    assert told == (
        f"data.features.hashed: column 'user' must hold whole numbers or texts, got {dtype}; "
        "cast it as one of these"
    )


def found(values: pl.Series, num_buckets: int) -> collisions.Collisions:
    """The collisions of a hashed field of these values."""
    table = pl.DataFrame({"value": [], "count": []})
    encoding = Encoding((Vocabulary(values.name, table, num_buckets),), ())
    (told,) = collisions.collisions(TrainingRows(values.to_frame()), encoding)
    return told


def test_collisions_are_counted_as_by_a_plain_loop() -> None:
    values = np.random.default_rng(0).zipf(1.3, 3000).clip(1, 500)
    told = found(pl.Series("item", values), 300)
    counts = Counter(values.tolist())
    of_buckets: dict[int, list[int]] = {}
    for value, count in counts.items():
        of_buckets.setdefault(bucket_of(value, 300), []).append(count)
    shared = sum(len(each) for each in of_buckets.values() if len(each) > 1) / len(counts)
    outnumbered = sum(sum(each) - max(each) for each in of_buckets.values()) / 3000
    assert (told.num_values, told.is_estimate) == (len(counts), False)
    assert told.shared == pytest.approx(shared)
    assert told.outnumbered == pytest.approx(outnumbered)


@pytest.mark.parametrize("buckets_a_value", [0.5, 1, 4, 10])
def test_as_many_values_collide_as_the_birthday_formula_says(buckets_a_value: float) -> None:
    num_values = 20_000
    num_buckets = int(num_values * buckets_a_value)
    for values in (
        pl.int_range(num_values, eager=True).alias("item"),
        pl.Series("item", [f"item {number}" for number in range(num_values)]),
    ):
        expected = 1 - (1 - 1 / num_buckets) ** (num_values - 1)
        assert found(values, num_buckets).shared == pytest.approx(expected, abs=0.012)


def test_of_many_rows_collisions_are_estimated_from_a_part_of_the_buckets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = np.random.default_rng(1)
    values = pl.Series("item", draw.integers(0, 40_000, 120_000))
    exact = found(values, 50_000)
    monkeypatch.setattr(collisions, "MOST_ROWS", 12_000)
    about = found(values, 50_000)
    assert (exact.is_estimate, about.is_estimate) == (False, True)
    assert about.num_values == pytest.approx(exact.num_values, rel=0.05)
    assert about.shared == pytest.approx(exact.shared, abs=0.03)
    assert about.outnumbered == pytest.approx(exact.outnumbered, abs=0.03)
    assert about.in_words.startswith("item: about 5")


def test_a_field_without_a_value_collides_nowhere() -> None:
    told = found(pl.Series("item", [None, None], dtype=pl.String), 9)
    assert (told.num_values, told.shared, told.outnumbered) == (0, 0, 0)


def test_many_collisions_are_warned_of_and_all_are_described(tmp_path: Path) -> None:
    data = prepared(shop(), tmp_path, features=HASHED)
    (warned,) = [each for each in data.record.warnings if each.startswith("user: ")]
    assert "40 values of train share one of 25 buckets; " in warned
    assert warned.endswith(
        "; 400 buckets would be shared less, and those without a row of train cost nothing"
    )
    text = render(describe(definition(features=HASHED), data, tmp_path))
    told = " ".join(text.split())
    assert "of 40 values of train share one of 25 buckets" in told
    roomy = FEATURES | {"hashed": {"user": 4000}}
    data = prepared(shop(), tmp_path, features=roomy)
    assert not [each for each in data.record.warnings if each.startswith("user: ")]
    text = render(describe(definition(features=roomy), data, tmp_path))
    assert "of 40 values of train share one of 4,000 buckets" in " ".join(text.split())
