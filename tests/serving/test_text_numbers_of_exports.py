"""Text numbers of exports: a model trained on numbers as text scores numbers, and texts of them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal

import hinet_search as hs
from hinet_search.common.errors import DataError
from tests.serving.shop import ONE_ARM, one_export, rows, test_part

AS_TEXT = pl.col("price", "age").cast(pl.String)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose table had prices and ages as text; its export was checked on test rows."""
    return one_export(tmp_path_factory.mktemp("texts"), rows().with_columns(AS_TEXT), ONE_ARM)


def scores(model: Path, table: Path) -> np.ndarray:
    hs.predict(model, table, table.with_name("scores.parquet"))
    return pl.read_parquet(table.with_name("scores.parquet")).select("click", "buy").to_numpy()


def test_numbers_and_their_texts_score_the_same(model: Path, tmp_path: Path) -> None:
    frame = test_part(rows())
    frame.write_parquet(tmp_path / "numbers.parquet")
    expected = scores(model, tmp_path / "numbers.parquet")
    frame.with_columns(AS_TEXT).write_parquet(tmp_path / "texts.parquet")
    assert_array_equal(scores(model, tmp_path / "texts.parquet"), expected)
    frame.with_columns(pl.col("price").cast(pl.String) + " ").write_csv(tmp_path / "texts.csv")
    assert_array_equal(scores(model, tmp_path / "texts.csv"), expected)


@pytest.mark.parametrize("name", ["texts.parquet", "texts.csv"])
def test_a_text_that_is_no_number_is_refused_with_its_row(
    name: str, model: Path, tmp_path: Path
) -> None:
    is_second = pl.int_range(pl.len()) == 1
    ages = pl.when(is_second).then(pl.lit("old")).otherwise(pl.col("age").cast(pl.String))
    frame = test_part(rows()).with_columns(age=ages)
    (frame.write_csv if name.endswith("csv") else frame.write_parquet)(tmp_path / name)
    problem = "column 'age' must hold numbers, got 'old' in 1 row (first in row 1); write nothing "
    with pytest.raises(DataError) as caught:
        scores(model, tmp_path / name)
    assert caught.value.problems == (f"{tmp_path / name}: {problem}where a value is missing",)
