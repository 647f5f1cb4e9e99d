"""Joins of the table source: columns of another table are added, rows keep number and order."""

from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hinet_search.common.errors import DataError
from hinet_search.data.fingerprint import FileHasher
from hinet_search.data.sources.table import Options, identity, load

USERS = pl.DataFrame({"user": [3, 1, 2], "city": ["x", "y", "z"]})


def joined(rows: pl.DataFrame, other: pl.DataFrame, folder: Path, **keys: Any) -> pl.DataFrame:
    rows.write_parquet(folder / "rows.parquet")
    other.write_parquet(folder / "other.parquet")
    join = {"path": "other.parquet", "on": "user", **keys}
    return load(
        Options.model_validate({"path": "rows.parquet", "join": [join]}), folder, folder
    ).collect()


def problem_of(rows: pl.DataFrame, other: pl.DataFrame, folder: Path, **keys: Any) -> str:
    with pytest.raises(DataError) as caught:
        joined(rows, other, folder, **keys)
    return str(caught.value)


def test_rows_keep_their_order_and_those_without_a_match_get_nulls(tmp_path: Path) -> None:
    rows = pl.DataFrame({"user": [2, 9, 1, 2, None]})
    result = joined(rows, USERS, tmp_path)
    assert result.rows() == [(2, "z"), (9, None), (1, "y"), (2, "z"), (None, None)]


def test_a_missing_key_of_the_other_table_matches_no_row(tmp_path: Path) -> None:
    other = pl.DataFrame({"user": [None, None, 1], "city": ["x", "y", "z"]})
    result = joined(pl.DataFrame({"user": [None, 1]}), other, tmp_path)
    assert result["city"].to_list() == [None, "z"]


def test_whole_numbers_of_different_sizes_are_the_same_key(tmp_path: Path) -> None:
    rows = pl.DataFrame({"user": [1, 2]}, schema={"user": pl.Int8})
    other = pl.DataFrame(
        {"user": [2, 257], "city": ["x", "y"]}, schema_overrides={"user": pl.Int64}
    )
    result = joined(rows, other, tmp_path)
    assert result["city"].to_list() == [None, "x"]
    assert result["user"].dtype == pl.Int8


def test_texts_and_categories_are_the_same_key(tmp_path: Path) -> None:
    other = pl.DataFrame({"user": ["a"], "city": ["x"]}, schema_overrides={"user": pl.Categorical})
    result = joined(pl.DataFrame({"user": ["b", "a"]}), other, tmp_path)
    assert result["city"].to_list() == [None, "x"]


def test_several_columns_are_one_key(tmp_path: Path) -> None:
    rows = pl.DataFrame({"user": [1, 1], "day": [1, 2]})
    other = pl.DataFrame({"user": [1, 1], "day": [2, 3], "city": ["x", "y"]})
    assert joined(rows, other, tmp_path, on=["user", "day"])["city"].to_list() == [None, "x"]


def test_several_tables_are_joined_one_after_the_other(tmp_path: Path) -> None:
    pl.DataFrame({"user": [1]}).write_parquet(tmp_path / "rows.parquet")
    USERS.write_parquet(tmp_path / "one.parquet")
    pl.DataFrame({"city": ["y"], "size": [5]}).write_csv(tmp_path / "two.csv")
    joins = [{"path": "one.parquet", "on": "user"}, {"path": "two.csv", "on": "city"}]
    options = Options.model_validate({"path": "rows.parquet", "join": joins})
    assert load(options, tmp_path, tmp_path).collect().rows() == [(1, "y", 5)]


@pytest.mark.parametrize(
    ("rows", "other", "keys", "problem"),
    [
        (
            {"user": [1]},
            {"user": [5, 1, 5, 7, 7], "city": ["x"] * 5},
            {},
            "must have one row for each user, got more for 2 (5, 7)",
        ),
        (
            {"users": [1]},
            USERS,
            {},
            "key 'user' must be a column of the rows, got none; did you mean 'users'?",
        ),
        (
            {"user": [1]},
            USERS,
            {"columns": ["citi"]},
            "column 'citi' is not in the joined table; did you mean 'city'?",
        ),
        (
            {"user": ["1"]},
            USERS,
            {},
            (
                "key 'user' must be of one kind in both tables, got String and Int64; cast one as the "
                "other"
            ),
        ),
    ],
    ids=["a repeated key", "no key", "no such column", "keys of two kinds"],
)
def test_tables_must_fit_together(
    rows: Any, other: Any, keys: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    text = problem_of(pl.DataFrame(rows), pl.DataFrame(other), tmp_path, **keys)
    assert text == f"data.source.join: other.parquet: {problem}"


def test_a_name_that_the_rows_have_is_refused_with_the_remedy(tmp_path: Path) -> None:
    rows = pl.DataFrame({"user": [1], "city": ["mine"]})
    text = problem_of(rows, USERS, tmp_path)
    assert "columns must have names that the rows do not have, got city" in text
    assert "name under 'columns' those that are to be joined" in text


def test_a_name_that_is_not_taken_may_be_that_of_the_rows(tmp_path: Path) -> None:
    rows = pl.DataFrame({"user": [1], "city": ["mine"]})
    other = USERS.with_columns(size=pl.lit(5))
    assert joined(rows, other, tmp_path, columns=["size"]).rows() == [(1, "mine", 5)]


def test_the_identity_covers_the_joined_file_and_how_it_is_joined(tmp_path: Path) -> None:
    joined(pl.DataFrame({"user": [1]}), USERS, tmp_path)
    plain = Options(path="rows.parquet")
    options = [
        Options.model_validate(
            {"path": "rows.parquet", "join": [{"path": "other.parquet", **keys}]}
        )
        for keys in ({"on": "user"}, {"on": "city"}, {"on": "user", "columns": ["city"]})
    ]
    before = {
        identity(option, tmp_path, FileHasher(tmp_path, print)) for option in (plain, *options)
    }
    assert len(before) == 4
    USERS.reverse().write_parquet(tmp_path / "other.parquet")
    after = {
        identity(option, tmp_path, FileHasher(tmp_path, print)) for option in (plain, *options)
    }
    assert before & after == {identity(plain, tmp_path, FileHasher(tmp_path, print))}


def test_a_missing_joined_file_is_reported_at_the_key_of_the_join(tmp_path: Path) -> None:
    USERS.write_parquet(tmp_path / "rows.parquet")
    missing = Options.model_validate(
        {"path": "rows.parquet", "join": [{"path": "nowhere.parquet", "on": "user"}]}
    )
    for reads in (
        partial(load, cache=tmp_path),
        partial(identity, contents=FileHasher(tmp_path, print)),
    ):
        with pytest.raises(DataError, match=r"^data.source.join: 'nowhere.parquet' must be a file"):
            reads(missing, tmp_path)
