"""Lists: distinct lists of a column, their ids, and columns of lists that cannot be used."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from tables import LISTS, prepared, shop, with_lists

from hinet_search.data.columns import SPLITS
from hinet_search.data.encode import Vocabulary
from hinet_search.data.lists import distinct_lists, encode_list

ITEMS = Vocabulary("item", pl.DataFrame({"value": ["a", "b", "c"], "count": [3, 2, 1]}))
SLOTS = st.lists(st.sampled_from(["a", "b", "c", "x", None]), max_size=6)


def column(lists: list[Any]) -> pl.Series:
    return pl.Series("history", lists, dtype=pl.List(pl.String))


def encoded(lists: list[Any], length: int) -> list[list[int]]:
    number, lists_found = distinct_lists(column(lists))
    return encode_list(lists_found, ITEMS, length)[number.to_numpy()].tolist()


@given(st.lists(st.one_of(SLOTS, st.none()), min_size=1), st.integers(1, 5))
def test_a_list_is_the_ids_of_its_first_entries_known_ones_in_front(
    lists: list[Any], length: int
) -> None:
    expected = []
    for entries in lists:
        first = [entry for entry in entries or [] if entry is not None][:length]
        ids = [" abc".index(entry) for entry in first if entry in "abc"]
        expected.append(ids + [0] * (length - len(ids)))
    assert encoded(lists, length) == expected


def test_an_unknown_entry_takes_a_place_and_one_that_stands_twice_takes_two() -> None:
    assert encoded([["x", "a", "b"]], 2) == [[1, 0]]
    assert encoded([["b", "b", "a"]], 3) == [[2, 2, 1]]


def test_every_list_is_kept_once_in_the_order_of_its_first_row() -> None:
    number, lists = distinct_lists(column([["b"], [], ["b"], None, ["a", "b"]]))
    assert number.to_list() == [0, 1, 0, 1, 2]
    assert lists.entries_E.to_list() == ["b", "a", "b"]
    assert lists.length_D.tolist() == [1, 0, 2]


def test_encoded_lists_belong_to_their_rows_in_every_split(tmp_path: Path) -> None:
    frame = with_lists(shop())
    features = {"categorical": ["user", "item"], "lists": LISTS}
    dataset = prepared(frame, tmp_path, features=features)
    (list_,) = dataset.full_schema.lists
    assert (list_.name, list_.field, list_.length, list_.pooling) == ("watched", 1, 4, "mean")
    id_of = dict(zip("abcd", range(1, 5), strict=True))  # a to d are in order of frequency
    for name in SPLITS:
        own = frame.filter(pl.col("part") == name)["watched"].to_list()
        ids = [[id_of[item] for item in items[:4] if item != "x"] for items in own]
        columns = getattr(dataset, name)
        assert columns.lists_RS.tolist() == [row + [0] * (4 - len(row)) for row in ids]
        assert columns.lists_RS.dtype == np.int32


def test_pooled_lists_are_columns_in_the_order_of_the_definition(
    tmp_path: Path,
) -> None:
    kept = {"column": "kept", "item": "item", "length": 2}
    features = {
        "categorical": ["item"],
        "lists": {"kept": kept, "hidden": kept | {"pooled": False}, **LISTS},
    }
    frame = with_lists(shop())
    both = prepared(frame, tmp_path, features=features).train
    alone = prepared(frame, tmp_path, features={"categorical": ["item"], "lists": LISTS}).train
    assert both.lists_RS.shape == (420, 6)
    assert (both.lists_RS[:, 2:] == alone.lists_RS).all()


def test_entries_may_be_whole_numbers_of_another_size_than_the_item(tmp_path: Path) -> None:
    frame = shop().with_columns(pl.col("age").cast(pl.Int8))
    oldest = int(frame["age"].max())  # type: ignore[arg-type]  # a column of whole numbers
    lists = pl.Series([[300, oldest - 256, oldest]], dtype=pl.List(pl.Int64))
    frame = frame.with_columns(pl.lit(lists).first().alias("ages"))
    features = {
        "categorical": ["age"],
        "lists": {"ages": {"column": "ages", "item": "age", "length": 3}},
    }
    dataset = prepared(frame, tmp_path, features=features)
    row = frame["age"].head(420).to_list().index(oldest)
    assert dataset.train.lists_RS[0].tolist() == [dataset.train.ids_RF[row, 0], 0, 0]
