"""Key lookups: batches get the columns of the row with their key, in their own order."""

import random
from pathlib import Path

import polars as pl
import pytest

from hinet_search.common.errors import DataError
from hinet_search.data.raw_text import joined, lookup_of

USERS = pl.DataFrame({"user": [5, 2, 9], "age": [50, 20, 90]})


def rows_of(*users: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"user": users, "row": range(len(users))}, {"user": pl.Int64, "row": pl.Int64}
    )


def lines_of(rows: pl.DataFrame) -> pl.Series:
    return rows["row"] + 2


def test_every_row_gets_the_columns_of_its_key() -> None:
    rows = rows_of(9, 5, 9)
    lookup = lookup_of(USERS, "user", Path("users.csv"), first_line=1)
    assert joined(rows, lookup, Path("rows.csv"), lines_of(rows)).rows() == [
        (9, 0, 90),
        (5, 1, 50),
        (9, 2, 90),
    ]


@pytest.mark.parametrize("unknown", [1, 6, 10])
def test_the_first_row_with_an_unknown_key_is_named_with_its_line(unknown: int) -> None:
    rows = rows_of(2, unknown, 1)
    lookup = lookup_of(USERS, "user", Path("users.csv"), first_line=1)
    with pytest.raises(DataError) as caught:
        joined(rows, lookup, Path("rows.csv"), lines_of(rows))
    assert caught.value.problems == (f"rows.csv:3: user must be one of users.csv, got {unknown}",)


def test_a_lookup_of_texts_joins_as_polars_does() -> None:
    draw = random.Random(0)
    users = pl.DataFrame(
        {"key": draw.sample([f"k{n}" for n in range(500)], 300), "age": range(300)}
    )
    rows = pl.DataFrame({"key": draw.choices(users["key"].to_list(), k=1000), "row": range(1000)})
    lookup = lookup_of(users, "key", Path("users.csv"), first_line=1)
    expected = rows.join(users, on="key", how="inner", maintain_order="left")
    assert joined(rows, lookup, Path("rows.csv"), lines_of(rows)).equals(expected)


def test_a_key_that_is_there_twice_is_refused_with_its_line() -> None:
    users = pl.DataFrame({"user": [5, 2, 5]})
    with pytest.raises(DataError) as caught:
        lookup_of(users, "user", Path("users.csv"), first_line=2)
    assert caught.value.problems == ("users.csv:4: user must be there once, got 5 again",)
