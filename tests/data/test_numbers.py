"""Numbers: values that a model cannot use are refused or clipped, and outliers are reported."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tables import prepared, shop

from hinet_search.data.encode import Encoding, Scale, encode_numbers
from hinet_search.data.encoded_folder import open_encoding

FEATURES: dict[str, Any] = {"categorical": ["user", "item"], "numeric": ["price", "age"]}
LAST = float(np.finfo(np.float64).max)
CLIPPED = FEATURES | {"clip": {"price": [0, 200]}}


def with_value(value: float, *rows: int, column: str = "price") -> pl.DataFrame:
    """The shop with a value in some rows; rows to 419 are of train, to 509 of valid."""
    return shop().with_columns(
        pl.when(pl.col("minute").is_in(rows)).then(pl.lit(value)).otherwise(column).alias(column)
    )


def test_a_value_outside_its_range_counts_as_the_nearest_end(tmp_path: Path) -> None:
    (tmp_path / "huge").mkdir()
    (tmp_path / "end").mkdir()
    huge = prepared(with_value(LAST, 5, 450), tmp_path / "huge", features=CLIPPED)
    end = prepared(with_value(200.0, 5, 450), tmp_path / "end", features=CLIPPED)
    for split in ("train", "valid"):
        assert (getattr(huge, split).numeric_RN == getattr(end, split).numeric_RN).all()
    assert huge.record.warnings == ()


def test_a_large_value_is_imputed_or_dropped_where_infinity_is(tmp_path: Path) -> None:
    frame = with_value(1e160, 5)
    assert prepared(frame, tmp_path, not_finite="drop").train.num_rows == 419
    train = prepared(frame, tmp_path, not_finite="impute").train
    mean_and_flag = train.numeric_RN[5].tolist()[::2]
    assert mean_and_flag == [0.0, 1.0]


def test_a_constant_column_has_no_limits_but_those_of_float32(tmp_path: Path) -> None:
    frame = shop().with_columns(price=pl.when(pl.col("minute") == 450).then(1e30).otherwise(7.0))
    assert (np.asarray(prepared(frame, tmp_path).valid.numeric_RN)[:, 0] == 0).all()


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63)])
def test_a_sentinel_that_makes_all_others_one_value_is_a_warning(
    value: int, tmp_path: Path
) -> None:
    (warning,) = prepared(with_value(value, 5, 9, column="age"), tmp_path).record.warnings
    assert warning.startswith(
        f"age: values of 2 rows of train lie so far out (up to {value:.6g}) that to a model all others"
    )
    assert warning.endswith("give the range of the others under clip: [18, 79]")


def test_an_outlier_lies_far_from_the_others_wherever_they_lie(tmp_path: Path) -> None:
    others = 1e6 + pl.col("minute") % 60
    frame = shop().with_columns(price=pl.when(pl.col("minute") == 5).then(3e6).otherwise(others))
    (warning,) = prepared(frame, tmp_path).record.warnings
    assert warning.startswith("price: values of 1 row of train lie so far out (up to 3e+06)")


@pytest.mark.parametrize(
    "price",
    [
        (pl.col("minute") == 5).cast(pl.Int8),
        pl.when(pl.col("minute") == 5).then(1e9).otherwise(0.0),
        ((pl.col("price") - 100) / 10).exp(),
        pl.lit(None, pl.Float64),
    ],
    ids=["seldom 1", "all others equal", "a long tail", "nothing"],
)
def test_values_that_a_model_can_distinguish_are_no_warning(price: pl.Expr, tmp_path: Path) -> None:
    assert prepared(shop().with_columns(price=price), tmp_path).record.warnings == ()


def test_large_numbers_keep_their_spread(tmp_path: Path) -> None:
    microseconds = shop().with_columns(price=1.7e15 + pl.col("minute") % 8 * 1e5)
    train = np.asarray(prepared(microseconds, tmp_path).train.numeric_RN, dtype=np.float64)[:, 0]
    assert train.std() == pytest.approx(1, abs=1e-6)
    assert np.unique(train).size == 8


def test_large_numbers_that_count_as_constant_are_a_warning(tmp_path: Path) -> None:
    (warning,) = prepared(
        shop().with_columns(price=1e15 + pl.col("minute") % 8), tmp_path
    ).record.warnings
    assert warning == (
        "price: values like 1e+15 differ by so little for their size that they count as constant; "
        "subtract what they have in common"
    )


def test_a_constant_that_differs_by_rounding_is_no_warning(tmp_path: Path) -> None:
    price = pl.when(pl.col("minute") % 2 == 0).then(0.1 + 0.2).otherwise(0.3)
    assert prepared(shop().with_columns(price=price), tmp_path).record.warnings == ()


def test_the_range_is_stored_with_the_scale(tmp_path: Path) -> None:
    scales = open_encoding(prepared(shop(), tmp_path, features=CLIPPED).folder).scales
    assert [scale.clip for scale in scales] == [(0.0, 200.0), None]


def test_new_rows_are_taken_into_the_range_too() -> None:
    encoding = Encoding((), (Scale("price", 50.0, 10.0, flagged=False, clip=(0.0, 100.0)),))
    numeric_RN = encode_numbers(pl.DataFrame({"price": [LAST, -LAST, 60.0]}), encoding)
    assert numeric_RN[:, 0].tolist() == [5.0, -5.0, 1.0]
