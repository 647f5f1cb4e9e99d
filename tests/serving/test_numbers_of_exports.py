"""Numbers of exports: new rows meet the ranges, limits and transforms of the study's numeric columns."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_array_equal

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.data.transforms import fit_knots
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.sealed import seal
from tests.serving.shop import ONE_ARM, edited, one_export, rows, scores_of, test_part

CPU = torch.device("cpu")
LARGEST = float(np.finfo(np.float64).max)
KEYS = """\
[price, age, hour, spent]
    clip: {price: [0, 150]}
    transforms: {price: quantile, spent: log, hour: {cycle: 24}}
"""
AS_TEXT = pl.col("price", "age").cast(pl.String)


def table() -> pl.DataFrame:
    """The shop with hours, some of them missing, and some prices far outside their range."""
    minute, price = pl.col("minute"), pl.col("price")
    return rows().with_columns(
        hour="age", spent="age", price=pl.when(minute % 50 == 7).then(LARGEST).otherwise(price)
    )


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose table had prices and ages as text; its export was checked on test rows."""
    study = ONE_ARM.replace("[price, age]\n", KEYS)
    return one_export(tmp_path_factory.mktemp("numbers"), table().with_columns(AS_TEXT), study)


def scores(folder: Path, at: Path, **columns: pl.Expr) -> np.ndarray:
    """Of the test rows with other values in some columns."""
    return scores_of(folder, test_part(table()).with_columns(**columns), at)


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


def test_numbers_and_their_texts_score_the_same(exported: Path, tmp_path: Path) -> None:
    expected = scores(exported, tmp_path)
    assert_array_equal(
        scores_of(exported, test_part(table()).with_columns(AS_TEXT), tmp_path), expected
    )
    spaced = test_part(table()).with_columns(pl.col("price").cast(pl.String) + " ")
    spaced.write_csv(tmp_path / "texts.csv")
    hs.predict(exported, tmp_path / "texts.csv", tmp_path / "of_csv.parquet")
    of_csv = pl.read_parquet(tmp_path / "of_csv.parquet").select("click", "buy").to_numpy()
    assert_array_equal(of_csv, expected)


@pytest.mark.parametrize("name", ["texts.parquet", "texts.csv"])
def test_a_text_that_is_no_number_is_refused_with_its_row(
    name: str, exported: Path, tmp_path: Path
) -> None:
    is_second = pl.int_range(pl.len()) == 1
    ages = pl.when(is_second).then(pl.lit("old")).otherwise(pl.col("age").cast(pl.String))
    frame = test_part(table()).with_columns(age=ages)
    (frame.write_csv if name.endswith("csv") else frame.write_parquet)(tmp_path / name)
    problem = "column 'age' must hold numbers, got 'old' in 1 row (first in row 1); write nothing "
    with pytest.raises(DataError) as caught:
        hs.predict(exported, tmp_path / name, tmp_path / "scores.parquet")
    assert caught.value.problems == (f"{tmp_path / name}: {problem}where a value is missing",)


def test_the_knots_of_an_export_are_those_of_training_rows(exported: Path) -> None:
    train = table().filter((pl.col("minute") < 1000) & (pl.col("place") != 4))
    encoding = open_folder(exported, CPU).encoder.encoding
    assert encoding.knots == {"price": fit_knots(train["price"].clip(0, 150).to_numpy())}
    numbers = ("price", "age", "hour sin", "hour cos", "spent")
    inputs = (*numbers, "age_missing", "hour_missing", "spent_missing")
    assert encoding.numeric_inputs == inputs


def test_hours_a_cycle_apart_score_the_same(exported: Path, tmp_path: Path) -> None:
    later = scores(exported, tmp_path, hour=pl.col("hour") + 24 * 5)
    assert_array_equal(later, scores(exported, tmp_path))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("value", lambda numbers: numbers.reverse()),
        ("score", lambda numbers: numbers.fill_null(0) * float("nan")),
    ],
)
def test_knots_that_do_not_ascend_are_refused(
    column: str, values: object, exported: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(exported, tmp_path / "model")
    file = folder / "encoding" / "knots.0.parquet"
    knots = pl.read_parquet(file)
    knots.with_columns(values(knots[column])).write_parquet(file)  # type: ignore[operator]
    seal(folder)
    with pytest.raises(DataError, match=f"finite numbers in ascending order in '{column}'"):
        open_folder(folder, CPU)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("name: hour cos", "name: hour tan", "scales of the cycle of 'hour' must be hour sin and"),
        ("part: cos", "part: sin", "scales of the cycle of 'hour' must be hour sin and hour cos"),
        ("cycle: 24.0", "cycle: 0.0", "the cycle of 'hour' must be > 0, got 0.0"),
        ("transform: quantile", "transform: root", "must be 'log' or 'quantile'"),
    ],
)
def test_a_transform_that_means_nothing_is_refused(
    old: str, new: str, problem: str, exported: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(exported, tmp_path / "model")
    edited(folder, {old: new})
    with pytest.raises(ConfigurationError) as caught:
        open_folder(folder, CPU)
    assert any(problem in line for line in caught.value.problems)
