"""Exports whose models read lists of texts score test rows as in training, and odd rows."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import hinet_search as hs
from hinet_search.serving.write_folder import TOLERANCE
from tests.serving.shop import SHORT, Shop, launch_shop, prediction_of, rows, scores_of

STUDY = """\
data:
  source: {kind: table, path: shop.parquet}
  scenario: {column: place, values: {1: Home, 2: Push}}
  tasks: {click: {column: clicked}, buy: {column: bought}}
  user: user
  item: item
  time: minute
  features:
    categorical: [user, item]
    numeric: [price]
    lists:
      genres: {column: genres, separator: "|", length: 3}
      tags: {column: tags, length: 2}
      friends: {column: friends, item: user, separator: ",", length: 3}
    matches: {lists: [friends], by: [user, item], similarity: [friends], factors: 3}
    groups: {who: [user]}
  split: {by: random, seed: 1, valid: 0.2, test: 0.2}
arms:
  all: {model: hinet}
  trees: {model: trees}
  pooled: {model: mmoe, fixed: {features.groups: lists, features.pooling: attention}}
  matched: {model: mmoe, fixed: {features.groups: matches}}
  seldom: {model: shared_bottom, fixed: {features.minimum_frequency: 200}}
  raw: {model: mmoe, fixed: {features.groups: who}}
ensemble: true
"""
ARMS = ("all", "trees", "pooled", "matched", "seldom", "raw")
GENRES = ["Action|Drama", "Drama", None, "", "|", " Drama | War|Comedy|Action", "War"]


def table() -> pl.DataFrame:
    """The shop with genres and tags of a row, and friends of a user, some of them of no row."""
    frame, draw = rows(), np.random.default_rng(5)
    genres = [GENRES[at] for at in draw.integers(0, len(GENRES), len(frame))]
    tags = [draw.integers(0, 9, draw.integers(0, 4)).tolist() for _ in range(len(frame))]
    users = frame["user"].unique().sort()
    friends = [", ".join(map(str, draw.integers(0, 70, draw.integers(0, 5)))) for _ in users]
    of_users = pl.DataFrame({"user": users, "friends": friends})
    return frame.with_columns(
        pl.Series("genres", genres),
        pl.Series("tags", tags, dtype=pl.List(pl.Int16)),
    ).join(of_users, on="user", how="left", maintain_order="left")


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A study whose models see lists of every kind."""
    return launch_shop(tmp_path_factory.mktemp("lists"), table(), STUDY + SHORT)


@pytest.mark.parametrize("arm", [*ARMS, "ensemble"])
def test_test_rows_score_as_in_training(arm: str, launched: Shop, tmp_path: Path) -> None:
    written = launched.export(arm, tmp_path / "folder")
    assert written.checked_rows > 200
    assert written.max_difference <= TOLERANCE


@pytest.mark.parametrize(
    ("arm", "needed"),
    [
        ("raw", {"user"}),
        ("pooled", {"genres", "tags"}),
        ("matched", {"friends", "user"}),
        ("all", {"user", "genres", "tags", "friends"}),
    ],
)
def test_a_folder_asks_for_the_lists_that_its_model_sees(
    arm: str, needed: set[str], launched: Shop, tmp_path: Path
) -> None:
    folder = launched.export(arm, tmp_path / "folder").folder
    asked = set(pl.read_parquet(folder / "encoding" / "columns.parquet").columns)
    assert asked == {"place", "item", "price", *needed}


def test_empty_texts_and_unknown_entries_score_as_rows_without_entries(
    launched: Shop, tmp_path: Path
) -> None:
    folder = launched.export("all", tmp_path / "folder").folder
    few = table().filter(pl.col("place") < 3)[:50].drop("clicked", "bought")
    without = scores_of(folder, few.with_columns(genres=pl.lit(None, pl.String)), tmp_path)
    for text in ("", " | ", "New", "New|Unheard"):
        odd = scores_of(folder, few.with_columns(genres=pl.lit(text)), tmp_path)
        np.testing.assert_array_equal(odd, without)
    assert not np.allclose(
        scores_of(folder, few.with_columns(genres=pl.lit("War")), tmp_path), without
    )


@pytest.mark.parametrize(
    ("text", "share"), [("New|Unheard", 1), ("New|War", 0), (" | ", 0), ("", 0), (None, 0)]
)
def test_a_list_without_an_entry_of_training_is_told_as_unseen_and_an_empty_one_is_not(
    text: str | None, share: float, launched: Shop, tmp_path: Path
) -> None:
    folder = launched.export("all", tmp_path / "folder").folder
    few = table().filter(pl.col("place") < 3)[:50].drop("clicked", "bought")
    asked = few.with_columns(genres=pl.lit(text, pl.String))
    assert prediction_of(folder, asked, tmp_path).unseen["genres"] == share


def test_rows_of_a_csv_file_have_lists_too(launched: Shop, tmp_path: Path) -> None:
    folder = launched.export("matched", tmp_path / "folder").folder
    asked = table().filter(pl.col("place") < 3)[:300].drop("tags", "clicked", "bought")
    asked.write_csv(tmp_path / "rows.csv")
    hs.predict(folder, tmp_path / "rows.csv", tmp_path / "of_csv.parquet")
    of_csv = pl.read_parquet(tmp_path / "of_csv.parquet").select("click", "buy").to_numpy()
    np.testing.assert_array_equal(of_csv, scores_of(folder, asked, tmp_path))
