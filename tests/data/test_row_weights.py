"""A column of weights of rows is checked, encoded in units of its mean in training, and no input."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hinet_search.data.columns import SPLITS, Dataset
from hinet_search.data.labels import read_weights
from hinet_search.data.prepare import prepare
from tests.data.tables import definition, prepared, shop, write

IN_TRAIN = pl.col("part") == "train"


def weighted(values: pl.Expr | None = None, num_rows: int = 600) -> pl.DataFrame:
    """The shop with a column of weights, by default of 0 to 5 in steps of 0.5."""
    drawn_R = np.random.default_rng(3).integers(0, 11, num_rows) / 2
    frame = shop(num_rows).with_columns(worth=pl.Series(drawn_R))
    return frame if values is None else frame.with_columns(worth=values)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return prepared(weighted(), tmp_path_factory.mktemp("weighted"), weight="worth")


def test_weights_are_encoded_in_units_of_their_mean_over_training_rows(data: Dataset) -> None:
    frame = weighted()
    mean = frame.filter(IN_TRAIN)["worth"].mean()
    for split in SPLITS:
        expected = frame.filter(pl.col("part") == split)["worth"] / mean
        weight_R = getattr(data, split).weight_R
        assert weight_R.dtype == np.float32
        np.testing.assert_allclose(weight_R, expected, rtol=1e-6)


def test_a_column_of_weights_is_no_input(data: Dataset, tmp_path: Path) -> None:
    without = prepared(weighted(), tmp_path)
    assert data.full_schema == without.full_schema
    for name, array in without.train.arrays.items():
        assert np.array_equal(array, data.train.arrays[name]), name


def test_what_is_counted_counts_rows_alike(data: Dataset, tmp_path: Path) -> None:
    without = prepared(weighted(), tmp_path)
    assert data.record.cells == without.record.cells
    assert data.record.test_rows == without.record.test_rows
    for left, right in zip(data.frequencies, without.frequencies, strict=True):
        assert np.array_equal(left, right)


def test_data_without_weights_have_no_array_of_them(tmp_path: Path) -> None:
    without = prepared(shop(), tmp_path)
    assert without.train.weight_R is None
    assert without.record.weights is None
    assert not list(without.folder.glob("*weight*"))
    assert "weight" not in (without.folder / "dataset.json").read_text()


def test_tiny_weights_and_huge_ones_keep_their_ratios(tmp_path: Path) -> None:
    for place, unit in enumerate((1e-300, 5e14)):
        folder = tmp_path / str(place)
        folder.mkdir()
        data = prepared(weighted(pl.int_range(pl.len()) % 3 * unit), folder, weight="worth")
        np.testing.assert_allclose(np.unique(data.train.weight_R), [0, 1, 2], atol=0.02)


def test_rows_of_validation_and_test_may_all_have_weight_0(tmp_path: Path) -> None:
    data = prepared(weighted(pl.when(IN_TRAIN).then(2).otherwise(0)), tmp_path, weight="worth")
    assert set(data.train.weight_R.tolist()) == {1}
    assert not data.test.weight_R.any()


def test_it_may_be_among_the_columns_that_are_never_features(tmp_path: Path) -> None:
    data = prepared(weighted(), tmp_path, weight="worth", never_features=["worth"])
    assert data.train.weight_R is not None


def test_equal_weights_are_worth_all_rows_and_k_heavy_ones_about_k() -> None:
    is_train_R = np.arange(1000) < 900
    for heavy, expected in ((0, 900), (30, 30)):
        values = pl.Series("w", np.where(np.arange(1000) < heavy, 1e6, 1.0))
        weights = read_weights(values, is_train_R, None)
        weight_R = values.to_numpy()[is_train_R]
        assert weights.record.effective_rows == expected
        assert expected == round(weight_R.sum() ** 2 / (weight_R**2).sum())


def test_a_warning_tells_of_few_rows_that_carry_most_of_the_weight(tmp_path: Path) -> None:
    heavy = pl.when(pl.col("minute") % 20 == 3).then(1e4).otherwise(1.0)
    write(weighted(heavy), tmp_path)
    data = prepare(definition(weight="worth"), tmp_path, tmp_path / "cache", lambda _: None)
    warnings = [each for each in data.record.warnings if "weight" in each]
    expected = (
        "few rows carry most of the weight 'worth': 420 training rows count as 21 of equal "
        "weights; cap weights that are very large"
    )
    assert warnings == [expected]


def test_no_warning_is_given_of_weights_that_differ_little(data: Dataset) -> None:
    assert not [each for each in data.record.warnings if "weight" in each]


def test_copies_of_a_row_in_two_splits_are_told_though_their_weights_differ(tmp_path: Path) -> None:
    frame = weighted().with_columns(pl.col("price", "age").first())
    same = frame.with_columns(pl.col("user") % 2, worth=1 + pl.int_range(pl.len()))
    data = prepared(same, tmp_path, weight="worth", user=None, item=None, time=None)
    told = [each for each in data.record.warnings if "equal in all columns" in each]
    without = prepared(same, tmp_path, user=None, item=None, time=None)
    assert told
    assert told == [each for each in without.record.warnings if "equal in all columns" in each]
