"""Lists of texts with a separator, and lists with a vocabulary of their own."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import LISTS, prepared, shop, with_lists

from hinet_search.data.columns import SPLITS
from hinet_search.data.encoded_folder import open_dataset, open_encoding
from hinet_search.data.lists import distinct_texts

GENRES: dict[str, Any] = {"genres": {"column": "genres", "separator": "|", "length": 2}}
ODD_TEXTS = st.text(alphabet="ab| \t", max_size=12) | st.none()


def with_genres(frame: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """The table with genres of every item, among them rows without any and odd separators."""
    draw = np.random.default_rng(seed)
    texts = ["Action|Drama", " Drama | Comedy|", "Comedy", "", "||", None, "War|Action|Drama"]
    chosen = [texts[position] for position in draw.integers(0, len(texts), len(frame))]
    return frame.with_columns(pl.Series("genres", chosen))


def plain_entries(text: str | None, separator: str) -> list[str]:
    return [entry.strip() for entry in (text or "").split(separator) if entry.strip()]


def own(**changes: Any) -> dict[str, Any]:
    return {"categorical": ["user", "item"], "lists": GENRES, **changes}


@given(st.lists(ODD_TEXTS, min_size=1))
def test_a_text_is_split_into_its_entries_without_blanks(texts: list[str | None]) -> None:
    column = pl.Series("genres", texts, dtype=pl.String)
    number_R, lists = distinct_texts(column, "|", pl.String())
    starts = np.append(0, lists.length_D.cumsum())
    entries = lists.entries_E.to_list()
    split = [entries[starts[number] : starts[number + 1]] for number in number_R]
    assert split == [plain_entries(text, "|") for text in texts]


def test_entries_of_an_item_of_whole_numbers_are_numbers() -> None:
    _, lists = distinct_texts(pl.Series("ids", ["3, 12,x", "7"]), ",", pl.Int64())
    assert lists.entries_E.to_list() == [3, 12, 7]
    assert lists.length_D.tolist() == [2, 1]


def test_ids_are_by_frequency_among_the_used_entries_of_training_rows(tmp_path: Path) -> None:
    frame = with_genres(shop())
    dataset = prepared(frame, tmp_path, features=own())
    train = frame.filter(pl.col("part") == "train")["genres"]
    counts = Counter(entry for text in train for entry in plain_entries(text, "|")[:2])
    ordered = sorted(counts, key=lambda entry: (-counts[entry], entry))
    id_of = {entry: position for position, entry in enumerate(ordered, start=1)}
    assert dataset.full_schema.vocabulary_sizes[2] == len(ordered) + 1
    assert dataset.frequencies[2].tolist() == [counts[entry] for entry in ordered]
    (list_,) = dataset.full_schema.lists
    assert (list_.name, list_.field, list_.length, list_.pooling) == ("genres", 2, 2, "mean")
    for name in SPLITS:
        texts = frame.filter(pl.col("part") == name)["genres"]
        ids = [[id_of[entry] for entry in plain_entries(text, "|")[:2]] for text in texts]
        slots = getattr(dataset, name).lists_RS.tolist()
        assert slots == [row + [0] * (2 - len(row)) for row in ids]


def test_a_separator_gives_the_inputs_that_lists_in_the_table_give(tmp_path: Path) -> None:
    lists = with_lists(shop())
    texts = lists.with_columns(pl.col("watched").list.join(";"))
    split = {"watched": LISTS["watched"] | {"separator": ";"}}
    matches = {"lists": ["watched"], "by": ["item"], "similarity": ["watched"]}
    of_lists = prepared(lists, tmp_path, features=own(lists=LISTS, matches=matches))
    of_texts = prepared(texts, tmp_path, features=own(lists=split, matches=matches))
    for name in SPLITS:
        expected, columns = getattr(of_lists, name), getattr(of_texts, name)
        assert np.array_equal(columns.lists_RS, expected.lists_RS)
        assert np.array_equal(columns.numeric_RN, expected.numeric_RN)


def test_lists_in_the_table_may_have_a_vocabulary_of_their_own(tmp_path: Path) -> None:
    tags = pl.Series("tags", [[7, 9], [], [9], None] * 150, dtype=pl.List(pl.Int32))
    features = own(lists={"tags": {"column": "tags", "length": 3}})
    dataset = prepared(shop().with_columns(tags), tmp_path, features=features)
    assert dataset.train.lists_RS[:4].tolist() == [[2, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_a_list_that_is_empty_in_every_row_has_no_id(tmp_path: Path) -> None:
    for empty in (pl.lit("|"), pl.lit(None, pl.String)):
        dataset = prepared(shop().with_columns(empty.alias("genres")), tmp_path, features=own())
        assert dataset.full_schema.vocabulary_sizes[2] == 1
        assert not np.asarray(dataset.train.lists_RS).any()


def test_a_minimum_frequency_leaves_rare_entries_without_id(tmp_path: Path) -> None:
    frame = with_genres(shop())
    dataset = prepared(frame, tmp_path, features=own())
    at = int(dataset.frequencies[2].max())
    assert dataset.schema(at).vocabulary_sizes[2] == 2
    cut = prepared(frame, tmp_path, features=own(), minimum_frequency=at)
    assert cut.full_schema.vocabulary_sizes[2] == 2
    assert set(np.unique(cut.train.lists_RS)) == {0, 1}


def test_a_folder_is_opened_with_the_vocabularies_of_lists(tmp_path: Path) -> None:
    features = own(lists={**LISTS, **GENRES})
    dataset = prepared(with_genres(with_lists(shop())), tmp_path, features=features)
    encoding = open_encoding(dataset.folder)
    assert [vocabulary.name for vocabulary in encoding.vocabularies] == ["user", "item"]
    assert [vocabulary.name for vocabulary in encoding.list_vocabularies] == ["genres"]
    sizes = tuple(vocabulary.size for vocabulary in encoding.all_vocabularies)
    assert sizes == open_dataset(dataset.folder).full_schema.vocabulary_sizes


@pytest.mark.parametrize(
    ("groups", "categorical", "lists"),
    [
        ("all", ["user", "item"], [("watched", 1), ("genres", 2)]),
        ("lists", ["user"], [("genres", 1)]),
        ("lists+what", ["user", "item"], [("watched", 1), ("genres", 2)]),
        ("what", ["user", "item"], []),
        ("none", ["user"], []),
    ],
)
def test_a_list_of_its_own_is_in_the_group_of_lists_and_follows_no_field(
    groups: str, categorical: list[str], lists: list[tuple[str, int]], tmp_path: Path
) -> None:
    features = own(lists={**LISTS, **GENRES}, groups={"what": ["item"]})
    dataset = prepared(with_genres(with_lists(shop())), tmp_path, features=features)
    view = dataset.with_groups(groups)
    schema = view.full_schema
    assert list(schema.categorical) == categorical
    assert [(list_.name, list_.field) for list_ in schema.lists] == lists
    assert schema == dataset.schema(groups=groups)
    assert len(view.frequencies) == len(schema.vocabulary_sizes) == len(schema.vocabularies)
    sizes = dict(zip(dataset.full_schema.vocabularies, dataset.frequencies, strict=True))
    for name, counts in zip(schema.vocabularies, view.frequencies, strict=True):
        assert counts.tolist() == sizes[name].tolist()
    list_of_slot = ["watched"] * 4 + ["genres"] * 2
    wanted = [slot for slot, name in enumerate(list_of_slot) if name in dict(lists)]
    assert np.array_equal(view.train.lists_RS, dataset.train.lists_RS[:, wanted])
