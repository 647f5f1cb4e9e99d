"""Text numbers: numbers that a table stores as text are read as numbers, and nothing else is."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from tables import prepared, problems_of, shop

from hinet_search.data.numbers import WrongTexts, parsed, wrong_texts
from hinet_search.data.reading import ROW_NUMBER

NUMERIC: dict[str, Any] = {"numeric": ["price", "age"]}
AS_TEXT = pl.col("price", "age").cast(pl.String)


def numbers(texts: list[str | None]) -> list[float | None]:
    return pl.DataFrame({"x": texts}, {"x": pl.String}).select(parsed("x"))["x"].to_list()


def wrong(texts: list[str | None]) -> list[WrongTexts]:
    rows = pl.LazyFrame({"x": texts}, {"x": pl.String}).with_row_index(ROW_NUMBER)
    return wrong_texts(rows, ["x"])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=9))
def test_the_text_of_a_number_is_that_number(values: list[float]) -> None:
    texts = [repr(value) for value in values]
    assert numbers(list(texts)) == values
    assert wrong(list(texts)) == []


def test_blank_texts_are_missing_values_and_spaces_around_a_number_do_not_count() -> None:
    texts = ["", "  ", None, " 12 ", "+3", ".5", "1e2"]
    assert numbers(list(texts)) == [None, None, None, 12.0, 3.0, 0.5, 100.0]
    assert wrong(list(texts)) == []


@pytest.mark.parametrize("text", ["abc", "3,5", "1 000", "12 km", "0x10", "2026-05-01", "-"])
def test_a_text_that_is_no_number_is_reported_with_its_first_row(text: str) -> None:
    (problem,) = wrong(["1", None, text, "2", text, "also"])
    assert problem == WrongTexts("x", 3, text, 2)
    assert problem.in_words == f"got '{text}' in 3 rows (first in row 2)"


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(map(str, range(100)))])
def test_numbers_as_text_are_encoded_as_the_numbers(dtype: Any, tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    frame = shop().with_columns(age=pl.when(pl.col("minute") % 9 > 0).then("age"))
    as_text = frame.with_columns(pl.col("age").cast(pl.String).cast(dtype))
    expected = prepared(frame, tmp_path, features=NUMERIC)
    got = prepared(as_text, tmp_path / "text", features=NUMERIC)
    assert got.full_schema.numeric == ("price", "age", "age_missing")
    for split in ("train", "valid", "test"):
        assert_array_equal(getattr(got, split).numeric_RN, getattr(expected, split).numeric_RN)


def test_an_empty_text_is_encoded_as_a_missing_value(tmp_path: Path) -> None:
    age = pl.when(pl.col("minute") > 4).then("age").otherwise(pl.lit(""))
    frame = shop().with_columns(AS_TEXT).with_columns(age=age)
    train = prepared(frame, tmp_path, features=NUMERIC).train
    assert train.numeric_RN[:6, 2].tolist() == [1, 1, 1, 1, 1, 0]


def test_texts_of_other_scenarios_are_not_looked_at(tmp_path: Path) -> None:
    age = pl.when(pl.col("place") == "push").then(pl.lit("old")).otherwise("age")
    frame = shop().with_columns(AS_TEXT).with_columns(age=age)
    scenario = {"column": "place", "values": {"home": "Home"}}
    prepared(frame, tmp_path, features=NUMERIC, scenario=scenario)


def test_a_text_that_says_nan_is_handled_as_nan(tmp_path: Path) -> None:
    age = pl.when(pl.col("minute") == 3).then(pl.lit("NaN")).otherwise("age")
    frame = shop().with_columns(AS_TEXT).with_columns(age=age)
    (problem,) = problems_of(frame, tmp_path, features=NUMERIC)
    assert "column 'age' must be finite, got NaN or infinity in 1 row" in problem
    (tmp_path / "dropped").mkdir()
    dropped = prepared(frame, tmp_path / "dropped", features=NUMERIC, not_finite="drop")
    assert dropped.train.num_rows == 419
