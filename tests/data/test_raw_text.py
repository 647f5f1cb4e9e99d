"""Published text files: values are checked, rows get what a file has of their key, errors name the line."""

import random
from pathlib import Path

import polars as pl
import pytest

from hinet_search.common.errors import DataError
from hinet_search.data import raw_text
from hinet_search.data.raw_text import (
    Field,
    Layout,
    all_rows,
    counted,
    joined,
    lookup_of,
    read_csv,
    read_lines,
)

CSV = Layout(("user", "age", "price", "name"))
LINES = Layout(CSV.columns, has_header=False, separator="::")
FIELDS = {
    "user": Field(pl.Int32),
    "age": Field(pl.Int8, values=(1, 18)),
    "price": Field(pl.Float32, optional=True),
    "name": Field(pl.String),
}
ROWS = ("7,1,2.5,ann", "8,18,,bob")
HEADER = ",".join(CSV.columns)
USERS = pl.DataFrame({"user": [5, 2, 9], "age": [50, 20, 90]})


def rows_of(folder: Path, *lines: str, header: str = HEADER) -> pl.DataFrame:
    """The rows of a CSV file, or of its lines with `::`."""
    file = folder / "t.csv"
    file.write_text("\n".join([header, *lines, ""]))
    return all_rows(read_csv(file, CSV, FIELDS), file)


def problem(folder: Path, *lines: str, header: str = HEADER) -> str:
    with pytest.raises(DataError) as caught:
        rows_of(folder, *lines, header=header)
    (line,) = caught.value.problems
    return line.removeprefix(f"{folder}/")


def test_values_have_their_types_and_a_number_may_be_written_as_a_float(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, *ROWS, "9.0,1,3,eve")
    assert rows.rows() == [(7, 1, 2.5, "ann"), (8, 18, None, "bob"), (9, 1, 3.0, "eve")]
    assert rows.schema == {"user": pl.Int32, "age": pl.Int8, "price": pl.Float32, "name": pl.String}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("noon,1,2,x", "user must be a whole number that Int32 holds, got 'noon'"),
        ("1.5,1,2,x", "user must be a whole number that Int32 holds, got '1.5'"),
        (f"{2**31},1,2,x", "user must be a whole number that Int32 holds, got '2147483648'"),
        (",1,2,x", "user must be a whole number that Int32 holds, got nothing"),
        ("1,2,2,x", "age must be one of 1, 18, got '2'"),
        ("1,1,inf,x", "price must be a finite number, got 'inf'"),
        ("1,1", "name must be a text, got nothing"),
    ],
)
def test_a_broken_value_is_refused_with_its_line(row: str, said: str, tmp_path: Path) -> None:
    assert problem(tmp_path, *ROWS, row, row) == f"t.csv:4: {said}"
    file = tmp_path / "t.dat"
    file.write_text("\n".join([*ROWS, row]).replace(",", "::"))
    with pytest.raises(DataError, match=r"t\.dat:3: (must have 4 values separated by '::'|.* got)"):
        read_lines(file, LINES, FIELDS)


def test_a_row_of_too_many_values_and_other_bytes_are_refused(tmp_path: Path) -> None:
    assert problem(tmp_path, "1,1,2,x,5").startswith("t.csv: cannot be read: found more fields")
    (tmp_path / "t.csv").write_bytes(HEADER.encode() + b"\n1,1,2,\xff\n")
    with pytest.raises(DataError, match=r"t\.csv: cannot be read: invalid utf-8"):
        list(read_csv(tmp_path / "t.csv", CSV, FIELDS))
    with pytest.raises(DataError, match=r"t\.csv: must be utf-8, invalid start byte"):
        read_lines(tmp_path / "t.csv", LINES, FIELDS)


def test_a_file_of_another_version_is_refused_with_the_columns_that_differ(tmp_path: Path) -> None:
    assert problem(tmp_path, *ROWS, header="user,years,price,name") == (
        "t.csv:1: must have the columns user, age, price, name; it has no 'age', has 'years' too"
    )


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    assert problem(tmp_path) == "t.csv: must have rows, got none"


def test_progress_says_how_many_rows_were_read_and_how_fast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_text, "SECONDS_BETWEEN", 0)
    said: list[str] = []
    batches = [pl.DataFrame({"x": range(count)}) for count in (3, 4)]
    assert list(counted(batches, Path("t.csv"), said.append)) == batches
    assert [line.split(" rows, ")[0] for line in said] == ["t.csv: 3", "t.csv: 7"]
    assert all(line.endswith(" rows/s") for line in said)


def lines_of(rows: pl.DataFrame) -> pl.Series:
    return rows["row"] + 2


def test_every_row_gets_the_columns_of_its_key() -> None:
    rows = pl.DataFrame({"user": [9, 5, 9], "row": [0, 1, 2]})
    lookup = lookup_of(USERS, "user", Path("users.csv"), first_line=1)
    together = joined(rows, lookup, Path("rows.csv"), lines_of(rows))
    assert together.rows() == [(9, 0, 90), (5, 1, 50), (9, 2, 90)]


@pytest.mark.parametrize("unknown", [1, 6, 10])
def test_the_first_row_with_an_unknown_key_is_named_with_its_line(unknown: int) -> None:
    rows = pl.DataFrame({"user": [2, unknown, 1], "row": [0, 1, 2]})
    lookup = lookup_of(USERS, "user", Path("users.csv"), first_line=1)
    with pytest.raises(DataError) as caught:
        joined(rows, lookup, Path("rows.csv"), lines_of(rows))
    assert caught.value.problems == (f"rows.csv:3: user must be one of users.csv, got {unknown}",)


def test_a_lookup_of_texts_joins_as_polars_does() -> None:
    draw = random.Random(0)
    keys = draw.sample([f"k{number}" for number in range(500)], 300)
    users = pl.DataFrame({"key": keys, "age": range(300)})
    rows = pl.DataFrame({"key": draw.choices(keys, k=1000), "row": range(1000)})
    lookup = lookup_of(users, "key", Path("users.csv"), first_line=1)
    expected = rows.join(users, on="key", how="inner", maintain_order="left")
    assert joined(rows, lookup, Path("rows.csv"), lines_of(rows)).equals(expected)


def test_a_key_that_is_there_twice_is_refused_with_its_line() -> None:
    users = pl.DataFrame({"user": [5, 2, 5]})
    with pytest.raises(DataError) as caught:
        lookup_of(users, "user", Path("users.csv"), first_line=2)
    assert caught.value.problems == ("users.csv:4: user must be there once, got 5 again",)
