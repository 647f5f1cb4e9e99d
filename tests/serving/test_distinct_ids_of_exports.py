"""Exports whose ids are distinct by scenario score test rows as in training, and new rows."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hinet_search.serving.write_folder import TOLERANCE
from tests.serving.shop import SHORT, Shop, launch_shop, predicted, rows, scores_of

STUDY = """\
data:
  source: {kind: table, path: shop.parquet}
  scenario: {column: place, values: {2: Push, 1: Home}}
  tasks: {click: {column: clicked}, buy: {column: bought}}
  user: user
  item: item
  time: minute
  features:
    categorical: [user, item, shelf]
    numeric: [price]
    statistics: {by: [user, [shelf, item]], folds: 3}
    distinct_by_scenario: [user, shelf]
    groups: {who: [user], where: [shelf]}
  split: {by: random, seed: 1, valid: 0.2, test: 0.2}
arms:
  all: {model: hinet}
  trees: {model: trees}
  counted: {model: mmoe, fixed: {features.groups: statistics}}
  raw: {model: mmoe, fixed: {features.groups: who}}
  none: {model: mmoe, fixed: {features.groups: none}}
ensemble: true
"""
ARMS = ("all", "trees", "counted", "raw", "none", "ensemble")


def table() -> pl.DataFrame:
    """The shop with shelves as small whole numbers, some of them missing."""
    shelf = (pl.col("user") % 5).cast(pl.Int8)
    return rows().with_columns(shelf=pl.when(pl.col("minute") % 7 > 0).then(shelf))


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A study with distinct ids."""
    return launch_shop(tmp_path_factory.mktemp("distinct"), table(), STUDY + SHORT)


@pytest.mark.parametrize("arm", ARMS)
def test_test_rows_score_as_in_training(arm: str, launched: Shop, tmp_path: Path) -> None:
    written = launched.export(arm, tmp_path / "folder")
    assert written.checked_rows > 200
    assert written.max_difference <= TOLERANCE


def test_rows_keep_their_own_ids_and_types(launched: Shop, tmp_path: Path) -> None:
    folder = launched.export("all", tmp_path / "folder").folder
    types = pl.read_parquet(folder / "encoding" / "columns.parquet").schema
    assert (types["user"], types["shelf"]) == (pl.Int64, pl.Int8)
    asked = table().filter(pl.col("place") < 3)[:100]
    scores = predicted(folder, asked, tmp_path)
    assert scores["user"].to_list() == asked["user"].to_list()


def test_ids_of_other_types_that_are_unknown_or_missing_are_scored(
    launched: Shop, tmp_path: Path
) -> None:
    folder = launched.export("all", tmp_path / "folder").folder
    few = table().filter(pl.col("place") < 3)[:50]
    shelves = (pl.lit(99), pl.lit(None, pl.Int64), pl.lit(-1, pl.Int16))
    unknown, missing, negative = (
        scores_of(folder, few.with_columns(shelf=shelf), tmp_path) for shelf in shelves
    )
    np.testing.assert_array_equal(unknown, negative)
    assert np.isfinite(missing).all()
