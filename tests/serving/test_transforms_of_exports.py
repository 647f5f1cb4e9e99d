"""Transforms of exports: new rows become what training rows became."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.data.transforms import fit_knots
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.sealed import seal
from tests.serving.shop import ONE_ARM, edited, one_export, rows, scores_of, test_part

CPU = torch.device("cpu")
KEYS = "[price, age]\n    transforms: {price: quantile, age: {cycle: 24}}"


def scores(model: Path, frame: pl.DataFrame, at: Path) -> np.ndarray:
    """The scores of the test rows of a table."""
    return scores_of(model, test_part(frame), at)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose price is ranked and whose age is a cycle; its export was checked on test."""
    study = ONE_ARM.replace("[price, age]", KEYS)
    return one_export(tmp_path_factory.mktemp("shop"), rows(), study)


def test_an_export_scores_as_that_of_a_study_on_transformed_columns(tmp_path: Path) -> None:
    keys = "[price, age]\n    transforms: {price: log, age: quantile}"
    of_keys = one_export(tmp_path / "keys", rows(), ONE_ARM.replace("[price, age]", keys))
    train = rows().filter((pl.col("minute") < 1000) & (pl.col("place") != 4))
    knots = fit_knots(train["age"].drop_nulls().cast(pl.Float64).to_numpy())
    ages = knots.scores_of(rows()["age"].cast(pl.Float64).to_numpy())
    before = rows().with_columns(pl.col("price").log1p(), age=pl.Series(ages, nan_to_null=True))
    of_columns = one_export(tmp_path / "columns", before, ONE_ARM)
    assert_allclose(
        scores(of_keys, rows(), tmp_path), scores(of_columns, before, tmp_path), atol=1e-6
    )


def test_the_knots_of_an_export_are_those_of_training_rows(model: Path) -> None:
    train = rows().filter((pl.col("minute") < 1000) & (pl.col("place") != 4))
    encoding = open_folder(model, CPU).encoder.encoding
    assert encoding.knots == {"price": fit_knots(train["price"].to_numpy())}
    assert encoding.numeric_inputs == ("price", "age sin", "age cos", "age_missing")


def test_ages_a_cycle_apart_score_the_same(model: Path, tmp_path: Path) -> None:
    later = rows().with_columns(pl.col("age") + 24 * 5)
    assert_array_equal(scores(model, later, tmp_path), scores(model, rows(), tmp_path))


def test_prices_beyond_those_of_training_score_as_the_last(model: Path, tmp_path: Path) -> None:
    far, farther = (rows().with_columns(price=pl.lit(price)) for price in (1e4, 1e30))
    assert_array_equal(scores(model, far, tmp_path), scores(model, farther, tmp_path))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("value", lambda numbers: numbers.reverse()),
        ("score", lambda numbers: numbers.fill_null(0) * float("nan")),
    ],
)
def test_knots_that_do_not_ascend_are_refused(
    column: str, values: object, model: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(model, tmp_path / "model")
    file = folder / "encoding" / "knots.0.parquet"
    knots = pl.read_parquet(file)
    knots.with_columns(values(knots[column])).write_parquet(file)  # type: ignore[operator]
    seal(folder)
    with pytest.raises(DataError, match=f"finite numbers in ascending order in '{column}'"):
        open_folder(folder, CPU)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("name: age cos", "name: age tan", "scales of the cycle of 'age' must be age sin and age"),
        ("part: cos", "part: sin", "scales of the cycle of 'age' must be age sin and age cos"),
        ("cycle: 24.0", "cycle: 0.0", "the cycle of 'age' must be > 0, got 0.0"),
        ("transform: quantile", "transform: root", "must be 'log' or 'quantile'"),
    ],
)
def test_a_transform_that_means_nothing_is_refused(
    old: str, new: str, problem: str, model: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(model, tmp_path / "model")
    edited(folder, {old: new})
    with pytest.raises(ConfigurationError) as caught:
        open_folder(folder, CPU)
    assert any(problem in line for line in caught.value.problems)


def test_a_folder_without_transforms_does_not_name_them(tmp_path: Path) -> None:
    folder = one_export(tmp_path / "plain", rows(), ONE_ARM)
    assert "transform" not in (folder / "config.yaml").read_text()
    assert not list((folder / "encoding").glob("knots*"))
