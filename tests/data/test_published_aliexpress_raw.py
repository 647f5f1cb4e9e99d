"""AliExpress as published: searches and their items lie apart, in files without a header."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from hinet_search.common.errors import DataError
from hinet_search.common.spaced import say_nothing
from hinet_search.data.get import get
from hinet_search.data.published.aliexpress import CATEGORIES, COUNTRIES, NUMBERS, ROW

FOLDERS = ("aliexpress_{}_datasets", "AliExpress_{}", ".")


def search(number: int) -> list[object]:
    """A search, whose other values are those of their columns."""
    return [number, *range(2, 34)]


def item(number: int, feedback: object = 0) -> list[object]:
    """An item of a search, whose values are 100 above their columns."""
    return [number, *range(102, 149), feedback]


def write(
    folder: Path,
    searches: Sequence[Sequence[object]],
    items: Sequence[Sequence[object]],
    inner: str = FOLDERS[0],
) -> Path:
    """Files that are the same in every country and part."""
    for country in COUNTRIES:
        place = folder / inner.format(country)
        place.mkdir(parents=True, exist_ok=True)
        for part in ("train", "test"):
            for kind, rows in (("user", searches), ("item", items)):
                text = "".join(",".join(map(str, row)) + "\n" for row in rows)
                (place / f"{country.lower()}_{kind}_{part}.csv").write_text(text)
    return folder


def table(raw: Path) -> pl.DataFrame:
    get("aliexpress", raw, raw.parent / "out", say_nothing)
    return pl.read_parquet(raw.parent / "out" / "aliexpress" / "searches.parquet")


def test_columns_are_those_of_the_converted_form(tmp_path: Path) -> None:
    row = table(write(tmp_path / "raw", [search(7)], [item(7)])).row(0, named=True)
    assert list(row) == [*ROW.columns, "country", "split"]
    assert row["search_id"] == 7
    assert [row[name] for name in CATEGORIES] == [
        *range(2, 9),
        *(32, 33),
        *(119, 134, 135, 136, 140, 141, 142),
    ]
    assert [row[name] for name in NUMBERS] == [
        *range(9, 32),
        *range(102, 119),
        *range(120, 134),
        *range(137, 140),
        *range(143, 149),
    ]


def convert(published: pl.DataFrame, folder: Path) -> Path:
    """Files as the library converts those of the Netherlands, the same in every country."""
    rows = published.filter(pl.col("country") == "NL")
    for country in COUNTRIES:
        (folder / f"AliExpress_{country}").mkdir(parents=True, exist_ok=True)
        for part in ("train", "test"):
            is_test = pl.col("split") == "test"
            of_part = rows.filter(is_test if part == "test" else ~is_test).select(ROW.columns)
            of_part.write_csv(folder / f"AliExpress_{country}" / f"{part}.csv")
    return folder


def test_both_forms_of_the_same_rows_give_the_same_table(tmp_path: Path) -> None:
    items = [item(number % 3, number % 2) for number in range(6)]
    published = table(write(tmp_path / "a" / "raw", [search(n) for n in range(3)], items))
    assert table(convert(published, tmp_path / "b" / "raw")).equals(published)
    assert len(published) == 48


def test_of_two_forms_the_one_that_is_whole_is_taken(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", [search(1)], [item(1)])
    published = table(raw)
    (raw / "aliexpress_US_datasets" / "us_item_test.csv").unlink()
    both = tmp_path / "again" / "raw"
    both.parent.mkdir()
    raw.rename(both)
    assert table(convert(published, both)).equals(published)


def test_feedback_is_nothing_a_click_or_a_click_and_a_conversion(tmp_path: Path) -> None:
    rows = table(write(tmp_path / "raw", [search(1)], [item(1, 0), item(1, "1.0"), item(1, 2)]))
    assert rows.select("click", "conversion").rows()[:3] == [(0, 0), (1, 0), (1, 1)]


def test_items_without_a_search_are_left_out_and_counted(tmp_path: Path) -> None:
    said: list[str] = []
    raw = write(tmp_path / "raw", [search(3), search(1)], [item(1), item(2), item(3), item(9)])
    get("aliexpress", raw, tmp_path / "out", said.append)
    rows = pl.read_parquet(tmp_path / "out" / "aliexpress" / "searches.parquet")
    assert rows["search_id"].to_list() == [1, 3] * 8
    assert "fr_item_test.csv: 2 rows left out, fr_user_test.csv lacks their searches" in said


@pytest.mark.parametrize("inner", FOLDERS)
def test_files_lie_in_folders_of_countries_or_together(tmp_path: Path, inner: str) -> None:
    rows = table(write(tmp_path / "raw", [search(1)], [item(1)], inner))
    assert rows["country"].to_list() == ["NL", "NL", "ES", "ES", "FR", "FR", "US", "US"]
    assert (rows["split"] == "test").to_list() == [False, True] * 4


@pytest.mark.parametrize(
    ("searches", "items", "message"),
    [
        ([], [item(1, 3)], "item_train.csv:2: item_49 must be one of 0, 1, 2, got '3'"),
        ([], [item(1)[:-1]], "item_train.csv:2: must have 49 values separated by ',', got 48: "),
        ([search(1)], [], "user_train.csv:2: search_id must be there once, got 1 again"),
        ([[2, "x", *search(1)[2:]]], [], "user_train.csv:2: user_2 must be a whole number that"),
    ],
)
def test_a_broken_row_is_refused_with_its_line(
    tmp_path: Path, searches: list[list[object]], items: list[list[object]], message: str
) -> None:
    raw = write(tmp_path / "raw", [search(1), *searches], [item(1), *items])
    with pytest.raises(DataError) as caught:
        table(raw)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{raw}/aliexpress_NL_datasets/nl_{message}")


def test_a_missing_file_is_named_in_the_form_of_the_others(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", [search(1)], [item(1)], "AliExpress_{}")
    (raw / "AliExpress_US" / "us_item_test.csv").unlink()
    with pytest.raises(DataError) as caught:
        table(raw)
    missing = raw / "AliExpress_US" / "us_item_test.csv"
    assert caught.value.problems == (f"--from: {missing} must be a file of aliexpress",)


def test_without_any_file_those_of_the_published_form_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        table(tmp_path / "raw")
    missing = tmp_path / "raw" / "aliexpress_NL_datasets" / "nl_user_train.csv"
    assert caught.value.problems[0] == f"--from: {missing} must be a file of aliexpress"
    assert len(caught.value.problems) == 16
