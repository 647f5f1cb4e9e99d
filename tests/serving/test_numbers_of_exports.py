"""Numbers of exports: new rows meet the ranges and limits of the study's numeric columns."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from hinet_search.common.errors import DataError
from tests.serving.shop import ONE_ARM, one_export, rows, scores_of, test_part

LARGEST = float(np.finfo(np.float64).max)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model whose price has a range, and whose age has none."""
    minute, price = pl.col("minute"), pl.col("price")
    frame = rows().with_columns(price=pl.when(minute % 50 == 7).then(LARGEST).otherwise(price))
    text = ONE_ARM.replace("[price, age]", "[price, age]\n    clip: {price: [0, 150]}")
    return one_export(tmp_path_factory.mktemp("clipped"), frame, text)


def scores(folder: Path, at: Path, **columns: pl.Expr) -> np.ndarray:
    """Of the test rows with other values in some columns."""
    return scores_of(folder, test_part(rows()).with_columns(**columns), at)


def test_a_value_outside_the_range_scores_as_its_nearest_end(
    exported: Path, tmp_path: Path
) -> None:
    assert_array_equal(
        scores(exported, tmp_path, price=pl.lit(LARGEST)),
        scores(exported, tmp_path, price=pl.lit(150.0)),
    )


def test_infinity_is_refused_with_a_range_too(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'price' must be finite, got NaN or infinity in"):
        scores(exported, tmp_path, price=pl.lit(float("-inf")))


@pytest.mark.parametrize("value", [1e30, LARGEST, -LARGEST])
def test_a_value_that_is_too_far_is_refused_with_column_rows_and_value(
    value: float, exported: Path, tmp_path: Path
) -> None:
    minute = pl.col("minute")
    with pytest.raises(DataError) as caught:
        scores(
            exported, tmp_path, age=pl.when(minute % 100 == 0).then(value).otherwise(minute % 60)
        )
    (problem,) = caught.value.problems
    assert "column 'age' must lie between -1.8e+19 and 1.8e+19" in problem
    assert f"got {value:.6g} in " in problem
    assert problem.endswith("write null for what is missing")
