"""Splits and hashes: each row is in exactly one split, the same one in every version."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import definition

from hinet_search.data.hashing import keys_of, mix_bits, uniform
from hinet_search.data.splits import LEFT_OUT, assign

ROWS = np.arange(20_000, dtype=np.uint64)


def codes(frame: pl.DataFrame, **changes: object) -> list[int]:
    row_R = np.arange(len(frame), dtype=np.uint64)
    return assign(definition(**changes), frame, row_R).tolist()


def test_hashes_and_keys_of_texts_are_those_of_the_first_release() -> None:
    hashes = mix_bits(np.array([0, 1, 2**64 - 1], dtype=np.uint64), seed=5)
    assert hashes.tolist() == [4418785953082032305, 12432666627246031414, 8801630099941206235]
    keys = keys_of(pl.Series(["a", "user 7", "a"]))
    assert keys.tolist() == [3405396810240292928, 17973960595096879379, 3405396810240292928]


def test_a_number_has_the_same_key_in_every_integer_type() -> None:
    wide, narrow = (keys_of(pl.Series([1, 2, 100], dtype=dtype)) for dtype in (pl.Int64, pl.Int8))
    assert wide.tolist() == narrow.tolist()


@pytest.mark.parametrize("dtype", [pl.UInt64, pl.Int128])
def test_numbers_above_half_of_64_bits_have_keys_of_their_own(dtype: pl.DataType) -> None:
    assert keys_of(pl.Series([2**64 - 1, 2**63, 7], dtype=dtype)).tolist() == [2**64 - 1, 2**63, 7]


def test_a_negative_number_keeps_the_key_of_the_first_release() -> None:
    for dtype in (pl.Int8, pl.Int64, pl.Int128):
        assert keys_of(pl.Series([-1, -128], dtype=dtype)).tolist() == [2**64 - 1, 2**64 - 128]


def test_uniform_numbers_of_consecutive_rows_are_uniform() -> None:
    counts = np.histogram(uniform(ROWS, seed=0), bins=20, range=(0, 1))[0]
    assert (
        (counts - 1000) ** 2 / 1000
    ).sum() < 45  # chi-square with 19 degrees of freedom, p = 0.0007


def test_two_seeds_give_unrelated_numbers() -> None:
    assert abs(np.corrcoef(uniform(ROWS, 0), uniform(ROWS, 1))[0, 1]) < 0.03


@given(st.integers(0, 2**40), st.floats(0.01, 0.45), st.floats(0.01, 0.45))
def test_a_random_split_has_its_shares(seed: int, valid: float, test: float) -> None:
    chosen = definition(split={"by": "random", "seed": seed, "valid": valid, "test": test})
    shares = np.bincount(assign(chosen, pl.DataFrame({"x": ROWS}), ROWS), minlength=3) / ROWS.size
    assert shares == pytest.approx([1 - valid - test, valid, test], abs=0.02)


def test_a_row_keeps_its_random_split_when_other_rows_are_left_out() -> None:
    chosen = definition(split={"by": "random"})
    all_R = assign(chosen, pl.DataFrame({"x": ROWS}), ROWS)
    some_R = assign(chosen, pl.DataFrame({"x": ROWS[::3]}), ROWS[::3])
    assert (all_R[::3] == some_R).all()


@pytest.mark.parametrize("dtype", [pl.Int32, pl.String])
def test_a_user_split_keeps_every_user_in_one_split(dtype: pl.DataType) -> None:
    users = pl.DataFrame({"user": np.random.default_rng(0).integers(0, 300, 5000)}).cast(dtype)
    rows_found = users.with_columns(split=pl.Series(codes(users, split={"by": "user"})))
    assert rows_found.group_by("user").agg(pl.col("split").n_unique())["split"].max() == 1
    assert rows_found["split"].n_unique() == 3


@pytest.mark.parametrize("folds", [[0, 1, 2, 3, None], [0.0, 1.0, 2.0, 3.0, None]])
def test_a_column_split_follows_its_own_names_and_leaves_other_values_out(folds: list[Any]) -> None:
    split = {"by": "column", "column": "fold", "train": 2, "valid": 0, "test": 1}
    assert codes(pl.DataFrame({"fold": folds}), split=split) == [1, 2, 0, LEFT_OUT, LEFT_OUT]


@pytest.mark.parametrize(
    ("times", "valid_from", "test_from"),
    [
        ([9, 10, 19, 20], 10, 20),
        (
            [date(2022, 5, 2), date(2022, 5, 3), date(2022, 5, 3), date(2022, 5, 4)],
            "2022-05-03",
            "2022-05-04",
        ),
        (
            [datetime(2022, 5, d, h, tzinfo=None) for d, h in ((2, 23), (3, 0), (3, 23), (4, 0))],  # noqa: DTZ001 - a column without a zone
            "2022-05-03",
            "2022-05-04T00:00:00",
        ),
    ],
)
def test_a_cut_point_is_the_first_moment_of_its_split(
    times: list[int | date], valid_from: int | str, test_from: int | str
) -> None:
    split = {"by": "time", "valid_from": valid_from, "test_from": test_from}
    assert codes(pl.DataFrame({"minute": times}), split=split) == [0, 1, 1, 2]


@pytest.mark.parametrize(
    "cuts", [("2022-05-03", "2022-05-03T01:00:00"), ("2022-05-02T22:00Z", "2022-05-02T23:00Z")]
)
def test_a_date_without_an_offset_is_in_the_time_zone_of_the_column(cuts: tuple[str, str]) -> None:
    moments = [
        datetime(2022, 5, 2, hour, tzinfo=UTC) for hour in (21, 22, 23)
    ]  # midnight in Berlin is 22 UTC
    frame = pl.DataFrame({"minute": pl.Series(moments).dt.convert_time_zone("Europe/Berlin")})
    split = {"by": "time", "valid_from": cuts[0], "test_from": cuts[1]}
    assert codes(frame, split=split) == [0, 1, 2]
