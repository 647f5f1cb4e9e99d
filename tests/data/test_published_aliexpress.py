"""AliExpress: files of four countries become one table, with valid searches taken from train."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hinet_search.common.errors import DataError
from hinet_search.common.spaced import say_nothing
from hinet_search.data.get import get
from hinet_search.data.published.aliexpress import CATEGORIES, COUNTRIES, NUMBERS, ROW


def impression(**values: Any) -> str:
    row = dict.fromkeys(CATEGORIES, 3) | dict.fromkeys(NUMBERS, "0.25") | {"numerical_2": 0}
    row |= {"search_id": 1, "click": 0, "conversion": 0, **values}
    return ",".join(str(row[name]) for name in ROW.columns)


def table(folder: Path, train: list[str], test: list[str]) -> pl.DataFrame:
    """The table of files that are the same in every country."""
    for country in COUNTRIES:
        inner = folder / "raw" / f"AliExpress_{country}"
        inner.mkdir(parents=True)
        for part, rows in (("train", train), ("test", test)):
            (inner / f"{part}.csv").write_text("\n".join([",".join(ROW.columns), *rows]) + "\n")
    get("aliexpress", folder / "raw", folder / "out", say_nothing)
    return pl.read_parquet(folder / "out" / "aliexpress" / "searches.parquet")


def test_a_row_has_the_country_of_its_folder_and_all_columns(tmp_path: Path) -> None:
    rows = table(tmp_path, [impression(search_id=5, click=1)], [impression(conversion=1, click=1)])
    assert rows["country"].to_list() == ["NL", "NL", "ES", "ES", "FR", "FR", "US", "US"]
    assert rows.columns == [*ROW.columns, "country", "split"]
    assert rows["search_id"].to_list()[:2] == [5, 1]
    assert rows["click"].to_list()[:2] == [1, 1]
    assert rows["conversion"].to_list()[:2] == [0, 1]
    assert rows["numerical_1"].to_list()[0] == 0.25
    assert rows["categorical_16"].to_list()[0] == 3


def test_a_tenth_of_the_searches_of_train_is_valid_and_a_search_is_never_divided(
    tmp_path: Path,
) -> None:
    train = [impression(search_id=number // 2) for number in range(2000)]
    rows = table(tmp_path, train, [impression(search_id=0)]).filter(pl.col("country") == "FR")
    parts = (
        rows.filter(pl.col("split") != "test").group_by("search_id").agg(pl.col("split").unique())
    )
    assert parts["split"].list.len().max() == 1
    num_valid = (parts["split"].list.first() == "valid").sum()
    assert 70 < num_valid < 130  # of 1,000
    assert rows["split"].to_list()[-1] == "test"
    assert (rows["split"] == "test").sum() == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"conversion": 1}, "conversion must be 0 where click is 0, got 1"),
        ({"click": 2}, "click must be one of 0, 1, got '2'"),
        ({"numerical_1": "1e39"}, "numerical_1 must be a finite number, got '1e39'"),
        ({"numerical_63": "much"}, "numerical_63 must be a finite number, got 'much'"),
        (
            {"categorical_1": ""},
            "categorical_1 must be a whole number that Int64 holds, got nothing",
        ),
    ],
)
def test_a_broken_row_is_refused_with_its_line(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        table(tmp_path, [impression(), impression(**row)], [impression()])
    assert caught.value.problems == (f"{tmp_path}/raw/AliExpress_NL/train.csv:3: {message}",)
