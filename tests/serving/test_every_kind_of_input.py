"""Exports of models that read inputs of every kind: what they ask for, and how odd and later rows score."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from hinet_search.serving.export import TOLERANCE
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.row_checks import misread_columns
from tests.serving.shop import SHORT, Shop, launch_shop, predicted, prediction_of, rows, scores_of

STUDY = """\
data:
  source: {kind: table, path: shop.parquet}
  scenario: {column: place, values: {2: Push, 1: Home}}
  tasks:
    click: {column: clicked}
    buy: {column: bought}
    watch: {column: seconds, kind: amount, at_most: 120, scenarios: [Home]}
  user: user
  item: item
  time: minute
  weight: worth
  features:
    categorical: [user, item, shelf]
    numeric: [price, age]
    statistics: {by: [user, [shelf, item]], clock: at}
    lists:
      watched: {column: watched, item: item, length: 4}
      kept: {column: kept, item: item, pooled: false}
      genres: {column: genres, separator: "|", length: 3}
      tags: {column: tags, length: 2}
      friends: {column: friends, item: user, separator: ",", length: 3}
    matches:
      lists: [watched, kept, friends]
      by: [user, item, colour]
      rates: {kept: watched}
      similarity: [kept, friends]
      factors: 3
    groups: {person: [age], who: [shelf]}
    distinct_by_scenario: [shelf]
  never_features: [at]
  split: {by: random, seed: 1, valid: 0.2, test: 0.2}
  not_finite: impute
arms:
  all: {model: hinet}
  trees: {model: trees}
  pooled: {model: mmoe, fixed: {features.groups: lists, features.pooling: attention}}
  matched: {model: mmoe, fixed: {features.groups: matches}}
  counted: {model: mmoe, fixed: {features.groups: statistics}}
  encoded:
    model: mmoe
    fixed:
      features.groups: person+statistics
      features.number_encodings.price: bins
      features.number_encodings.statistics: piecewise
  seldom: {model: shared_bottom, fixed: {features.minimum_frequency: 200}}
  raw: {model: mmoe, fixed: {features.groups: none}}
ensemble: true
"""
NOT_ASKED = ("clicked", "bought", "seconds", "worth")
ARMS = ("all", "trees", "pooled", "matched", "counted", "encoded", "seldom", "raw", "ensemble")
GENRES = ["Action|Drama", "Drama", None, "", "|", " Drama | War|Comedy|Action", "War"]
ZONE = "Asia/Tokyo"
FIRST_DAY = pl.datetime(2026, 5, 1, 18, time_zone=ZONE)  # 9 in UTC


def table() -> pl.DataFrame:
    """The shop with moments of nine days, lists, missing shelves, and prices that are NaN."""
    frame, draw = rows(), np.random.default_rng(5)
    users = frame["user"].unique().sort()
    watched = [draw.choice(list("abcdexyz"), draw.integers(0, 7)).tolist() for _ in users]
    friends = [", ".join(map(str, draw.integers(0, 70, draw.integers(0, 5)))) for _ in users]
    of_users = pl.DataFrame(
        {
            "user": users,
            "watched": watched,
            "kept": [items[::2] for items in watched],
            "friends": friends,
        }
    )
    tags = [draw.integers(0, 9, draw.integers(0, 4)).tolist() for _ in range(len(frame))]
    minute = pl.col("minute")
    return frame.join(of_users, on="user", how="left", maintain_order="left").with_columns(
        pl.Series("genres", [GENRES[each] for each in draw.integers(0, len(GENRES), len(frame))]),
        pl.Series("tags", tags, dtype=pl.List(pl.Int16)),
        shelf=pl.when(minute % 7 > 0).then((pl.col("user") % 5).cast(pl.Int8)),
        price=pl.when(minute % 13 == 0).then(float("nan")).otherwise("price"),
        seconds=pl.when(pl.col("place") == 1).then(minute % 50 * pl.col("clicked")),
        worth=minute % 5 / 2,
        at=(FIRST_DAY + pl.duration(minutes=9 * minute)).cast(pl.Datetime("ns", ZONE)),
    )


def asked(num_rows: int = 50) -> pl.DataFrame:
    """Rows without labels and weights, of the scenarios of the study."""
    return table().filter(pl.col("place") < 3)[:num_rows].drop(NOT_ASKED)


@pytest.fixture(scope="session")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A study whose models see everything."""
    return launch_shop(tmp_path_factory.mktemp("every"), table(), STUDY + SHORT)


@pytest.fixture(scope="session")
def every_input(launched: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of the arm that reads all."""
    return launched.export("all", tmp_path_factory.mktemp("exported") / "all").folder


@pytest.mark.parametrize("arm", ARMS)
def test_test_rows_score_as_in_training(arm: str, launched: Shop, tmp_path: Path) -> None:
    written = launched.export(arm, tmp_path / "folder")
    assert written.checked_rows > 200
    assert written.max_difference <= TOLERANCE


@pytest.mark.parametrize(
    ("arm", "needed"),
    [
        ("raw", set()),
        ("pooled", {"watched", "genres", "tags", "friends"}),
        ("matched", {"watched", "kept", "friends", "colour"}),
        ("counted", {"at", "shelf"}),
        ("all", {"watched", "kept", "genres", "tags", "friends", "colour", "at", "shelf", "age"}),
    ],
)
def test_a_folder_asks_for_what_its_model_sees(
    arm: str, needed: set[str], launched: Shop, tmp_path: Path
) -> None:
    folder = launched.export(arm, tmp_path / "folder").folder
    columns = set(pl.read_parquet(folder / "encoding" / "columns.parquet").columns)
    assert columns == {"place", "user", "item", "price", *needed}


def test_later_rows_with_new_users_items_and_lists_are_scored(
    every_input: Path, tmp_path: Path
) -> None:
    later = asked(1000).with_columns(pl.col("at") + pl.duration(days=100))
    new = later.with_columns(
        user=pl.lit(9999),
        item=pl.lit("new"),
        colour=pl.lit("green"),
        watched=pl.lit(["new", "a"]),
        kept=pl.lit(["q"]),
    )
    both = pl.concat([later, new.select(later.columns)], how="vertical_relaxed")
    scores = predicted(every_input, both, tmp_path)
    assert scores["click"].is_between(0, 1).all()
    assert scores["click"][len(later) :].n_unique() > 1  # prices differ


def test_the_day_of_a_row_counts_and_its_hour_does_not(every_input: Path, tmp_path: Path) -> None:
    expected = scores_of(every_input, asked(200), tmp_path)
    midnight = asked(200).with_columns(pl.col("at").dt.truncate("1d"))
    assert (midnight["at"] != asked(200)["at"]).any()
    np.testing.assert_array_equal(scores_of(every_input, midnight, tmp_path), expected)
    later = asked(200).with_columns(pl.col("at") + pl.duration(days=5))
    assert (scores_of(every_input, later, tmp_path) != expected).mean() > 0.9


def test_moments_beyond_the_clocks_type_are_after_all_days(
    every_input: Path, tmp_path: Path
) -> None:
    after_all, far = (
        scores_of(
            every_input, asked().with_columns(at=pl.datetime(year, 1, 1, time_zone=ZONE)), tmp_path
        )
        for year in (2030, 9999)
    )
    np.testing.assert_array_equal(far, after_all)


def test_the_card_says_up_to_when_labels_are_known_and_what_weights_were(every_input: Path) -> None:
    card = (every_input / "card.md").read_text()
    assert re.search(r"column 'worth': \d+ training rows count as \d+ of equal weights", card)
    assert "Label statistics are of train and valid up to at 2026-05-10 " in card
    assert "none of test." in card


def test_rows_of_one_block_do_not_depend_on_those_beside_them(
    every_input: Path, tmp_path: Path
) -> None:
    together, few = (
        scores_of(every_input, part, tmp_path) for part in (asked(200), asked(200)[::7])
    )
    np.testing.assert_allclose(together[::7], few, atol=1e-6)


def test_rows_keep_their_own_ids_and_types(every_input: Path, tmp_path: Path) -> None:
    types = pl.read_parquet(every_input / "encoding" / "columns.parquet").schema
    assert (types["user"], types["shelf"]) == (pl.Int64, pl.Int8)
    scores = predicted(every_input, asked(), tmp_path)
    assert scores["user"].to_list() == asked()["user"].to_list()


def test_ids_of_other_types_that_are_unknown_or_missing_are_scored(
    every_input: Path, tmp_path: Path
) -> None:
    shelves = (pl.lit(99), pl.lit(None, pl.Int64), pl.lit(-1, pl.Int16))
    unknown, missing, negative = (
        scores_of(every_input, asked().with_columns(shelf=shelf), tmp_path) for shelf in shelves
    )
    np.testing.assert_array_equal(unknown, negative)
    assert np.isfinite(missing).all()


def test_empty_texts_and_unknown_entries_score_as_rows_without_entries(
    every_input: Path, tmp_path: Path
) -> None:
    def scored(genres: str | None) -> np.ndarray:
        lists = asked().with_columns(genres=pl.lit(genres, pl.String))
        return scores_of(every_input, lists, tmp_path)

    without = scored(None)
    for text in ("", " | ", "New", "New|Unheard"):
        np.testing.assert_array_equal(scored(text), without)
    assert not np.allclose(scored("War"), without)


@pytest.mark.parametrize(
    ("text", "share"), [("New|Unheard", 1), ("New|War", 0), (" | ", 0), ("", 0), (None, 0)]
)
def test_a_list_without_an_entry_of_training_is_told_as_unseen_and_an_empty_one_is_not(
    text: str | None, share: float, every_input: Path, tmp_path: Path
) -> None:
    lists = asked().with_columns(genres=pl.lit(text, pl.String))
    assert prediction_of(every_input, lists, tmp_path).unseen["genres"] == share


def test_a_csv_column_of_lists_that_looks_like_numbers_is_read_as_text(every_input: Path) -> None:
    encoder = open_folder(every_input, torch.device("cpu")).encoder
    inferred = {**encoder.types, "friends": pl.Int64()}
    read = misread_columns(encoder.inputs, encoder.types, inferred)
    assert read == {"friends": pl.String()}
