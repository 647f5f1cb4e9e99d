"""Exports with statistics, lists and matches score test rows as in training, and later rows."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hinet_search.serving.write_folder import TOLERANCE
from tests.serving.shop import SHORT, Shop, launch_shop, predicted, rows, scores_of

STUDY = """\
data:
  source: {{kind: table, path: shop.parquet}}
  scenario: {{column: place, values: {{1: Home, 2: Push}}}}
  tasks: {{click: {{column: clicked}}, buy: {{column: bought}}}}
  user: user
  item: item
  time: minute
  features:
    categorical: [user, item]
    numeric: [price, age]
    statistics: {{by: [user, [item, place]], {clock}}}
    lists:
      watched: {{column: watched, item: item, length: 4}}
      kept: {{column: kept, item: item, pooled: false}}
    matches:
      lists: [watched, kept]
      by: [item, colour]
      rates: {{kept: watched}}
      similarity: [kept]
      factors: 3
    groups: {{person: [age]}}
  split: {{by: random, seed: 1, valid: 0.2, test: 0.2}}
  not_finite: impute
arms:
  all: {{model: hinet}}
  trees: {{model: trees}}
  pooled: {{model: mmoe, fixed: {{features.groups: lists, features.pooling: attention}}}}
  matched: {{model: mmoe, fixed: {{features.groups: matches}}}}
  counted: {{model: mmoe, fixed: {{features.groups: statistics}}}}
  raw: {{model: mmoe, fixed: {{features.groups: none}}}}
ensemble: true
"""
CLOCKS = {"day": "clock: day", "no clock": "folds: 3"}
ARMS = ("all", "trees", "pooled", "matched", "counted", "raw")
DAY = 200  # minutes


def table() -> pl.DataFrame:
    """The shop with days, with a list of every user from before, and with prices that are NaN."""
    frame = rows()
    generator = np.random.default_rng(5)
    users = frame["user"].unique().sort()
    watched = [generator.choice(list("abcdexyz"), generator.integers(0, 7)).tolist() for _ in users]
    lists = pl.DataFrame(
        {"user": users, "watched": watched, "kept": [items[::2] for items in watched]}
    )
    price = pl.when(pl.col("minute") % 13 == 0).then(float("nan")).otherwise("price").alias("price")
    day = (pl.col("minute") // DAY).alias("day")
    return frame.join(lists, on="user", how="left", maintain_order="left").with_columns(price, day)


@pytest.fixture(scope="module", params=CLOCKS)
def launched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A study whose models see everything."""
    text = STUDY.format(clock=CLOCKS[request.param]) + SHORT
    return launch_shop(tmp_path_factory.mktemp("history"), table(), text)


@pytest.mark.parametrize("arm", [*ARMS, "ensemble"])
def test_test_rows_of_every_day_score_as_in_training(
    arm: str, launched: Shop, tmp_path: Path
) -> None:
    written = launched.export(arm, tmp_path / "folder")
    assert written.checked_rows > 200
    assert written.max_difference <= TOLERANCE


@pytest.mark.parametrize(
    ("arm", "needed"),
    [
        ("raw", set()),
        ("pooled", {"watched"}),
        ("matched", {"watched", "kept", "colour"}),
        ("counted", {"day"}),
        ("all", {"watched", "kept", "colour", "day", "age"}),
    ],
)
def test_a_folder_asks_for_what_its_model_sees(
    arm: str, needed: set[str], launched: Shop, tmp_path: Path
) -> None:
    has_clock = "clock" in launched.study.read_text()
    folder = launched.export(arm, tmp_path / "folder").folder
    asked = set(pl.read_parquet(folder / "encoding" / "columns.parquet").columns)
    wanted = needed if has_clock else needed - {"day"}
    assert asked == {"place", "user", "item", "price", *wanted}


def test_later_rows_with_new_users_items_and_lists_are_scored(
    launched: Shop, tmp_path: Path
) -> None:
    folder = launched.export("all", tmp_path / "folder").folder
    later = table().filter(pl.col("place") < 3).drop("clicked", "bought")
    later = later.with_columns(pl.col("day") + 100)
    new = later.with_columns(
        user=pl.lit(9999),
        item=pl.lit("new"),
        colour=pl.lit("green"),
        watched=pl.lit(["new", "a"]),
        kept=pl.lit(["q"]),
    )
    both = pl.concat([later, new.select(later.columns)], how="vertical_relaxed")
    scores = predicted(folder, both, tmp_path)
    assert scores["click"].is_between(0, 1).all()
    assert scores["click"][len(later) :].n_unique() > 1  # prices differ


def test_the_card_says_up_to_when_labels_are_known(launched: Shop, tmp_path: Path) -> None:
    card = (launched.export("all", tmp_path / "folder").folder / "card.md").read_text()
    if "clock" in launched.study.read_text():
        assert "Label statistics are of train and valid up to day 6, none of test." in card
    else:
        assert "Label statistics are of training rows." in card


def test_rows_of_one_block_do_not_depend_on_those_beside_them(
    launched: Shop, tmp_path: Path
) -> None:
    folder = launched.export("all", tmp_path / "folder").folder
    asked = table().filter(pl.col("place") < 3)[:200]
    together, few = (scores_of(folder, part, tmp_path) for part in (asked, asked[::7]))
    np.testing.assert_allclose(together[::7], few, atol=1e-6)
