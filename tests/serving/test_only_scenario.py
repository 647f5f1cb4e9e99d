"""A study of one scenario for all rows needs no column of it: neither its table, nor rows that are scored."""

from pathlib import Path

import polars as pl
import pytest

from tests.serving.shop import ONE_ARM, Shop, launch_shop, prediction_of, rows

OF_COLUMN = "scenario: {column: place, values: {1: Home, 2: Push, 3: Cart}}"
OF_EVERY_ROW = "scenario: {every_row: Shop}"
OF_ONE_VALUE = "scenario: {column: place, values: {1: Shop}}"


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return rows().drop("place")


@pytest.fixture(scope="module")
def shop(table: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    text = ONE_ARM.replace(OF_COLUMN, OF_EVERY_ROW)
    return launch_shop(tmp_path_factory.mktemp("shop"), table, text)


@pytest.fixture(scope="module")
def model(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop.export("mmoe", tmp_path_factory.mktemp("model") / "model").folder


def test_it_trains_as_on_a_column_of_one_value(
    shop: Shop, table: pl.DataFrame, tmp_path: Path
) -> None:
    text = ONE_ARM.replace(OF_COLUMN, OF_ONE_VALUE)
    of_column = launch_shop(tmp_path, table.with_columns(place=pl.lit(1)), text)
    assert shop.record.data.scenarios == of_column.record.data.scenarios == ("Shop",)
    runs = [done.record.arms[0].finalists[0].runs[0] for done in (shop, of_column)]
    assert runs[0].valid_cells == runs[1].valid_cells
    assert len(runs[0].test_cells) == len(table.columns[-3:-1]) == 2


def test_new_rows_are_scored_without_a_column_of_it(
    model: Path, table: pl.DataFrame, tmp_path: Path
) -> None:
    prediction = prediction_of(model, table.head(50), tmp_path)
    assert prediction.rows == 50
    assert prediction.keys == ("user", "item", "minute")
    scores = pl.read_parquet(tmp_path / "scores.parquet")
    assert scores.select("click", "buy").null_count().row(0) == (0, 0)
