"""Exports with crosses score test rows as in training, and new rows with unseen pairs and gaps."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.write_folder import TOLERANCE
from hinet_search.training.device import choose_device
from tests.serving.shop import SHORT, Shop, edited, launch_shop, prediction_of, rows, scores_of

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
    statistics: {by: [user], folds: 3}
    lists: {own: {column: words, separator: " "}}
    distinct_by_scenario: [user]
    crosses: [[shelf, item], [user, shelf]]
    groups: {where: [shelf], what: [item]}
  split: {by: random, seed: 1, valid: 0.2, test: 0.2}
  minimum_frequency: 2
arms:
  all: {model: hinet}
  trees: {model: trees}
  pairs: {model: mmoe, fixed: {features.groups: crosses}}
  plain: {model: mmoe, fixed: {features.groups: where+what}}
ensemble: true
"""
ARMS = ("all", "trees", "pairs", "plain", "ensemble")


def table() -> pl.DataFrame:
    """The shop with shelves as small whole numbers, some of them missing."""
    shelf = (pl.col("user") % 5).cast(pl.Int8)
    return rows().with_columns(
        shelf=pl.when(pl.col("minute") % 7 > 0).then(shelf),
        words=pl.when(pl.col("minute") % 3 > 0).then(pl.lit("a c z")),
    )


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A study with crosses."""
    return launch_shop(tmp_path_factory.mktemp("crossed"), table(), STUDY + SHORT)


@pytest.mark.parametrize("arm", ARMS)
def test_test_rows_score_as_in_training(arm: str, launched: Shop, tmp_path: Path) -> None:
    written = launched.export(arm, tmp_path / "folder")
    assert written.checked_rows > 200
    assert written.max_difference <= TOLERANCE


def test_a_model_of_crosses_reads_the_columns_that_they_are_made_of(
    launched: Shop, tmp_path: Path
) -> None:
    folder = launched.export("pairs", tmp_path / "folder").folder
    types = pl.read_parquet(folder / "encoding" / "columns.parquet").schema
    assert list(types) == ["place", "user", "shelf", "item", "price"]
    plain = launched.export("plain", tmp_path / "plain").folder
    assert "crosses" not in (plain / "config.yaml").read_text()


def test_an_unseen_pair_scores_as_a_missing_one_if_a_model_reads_pairs_alone(
    launched: Shop, tmp_path: Path
) -> None:
    folder = launched.export("pairs", tmp_path / "folder").folder
    few = table().filter(pl.col("place") < 3, pl.col("shelf").is_not_null())[:50]
    shelves = (pl.lit(99), pl.lit(None, pl.Int64), pl.col("shelf"))
    unknown, missing, known = (
        scores_of(folder, few.with_columns(shelf=shelf), tmp_path) for shelf in shelves
    )
    np.testing.assert_array_equal(unknown, missing)
    assert np.abs(known - unknown).max() > 1e-4


def test_rows_with_unseen_pairs_are_counted_and_those_with_a_gap_are_not(
    launched: Shop, tmp_path: Path
) -> None:
    folder = launched.export("all", tmp_path / "folder").folder
    shelf = pl.Series("shelf", [99, None, None], dtype=pl.Int8)
    three = table().filter(pl.col("place") == 1)[:3].with_columns(shelf)
    told = prediction_of(folder, three, tmp_path)
    assert told.unseen["shelf x item"] == pytest.approx(1 / 3)


def test_monitor_tells_of_pairs_without_an_id(launched: Shop, tmp_path: Path) -> None:
    folder = launched.export("pairs", tmp_path / "folder").folder
    moved = table().filter(pl.col("place") < 3).with_columns(shelf=pl.lit(9, pl.Int8))
    moved.write_parquet(tmp_path / "new.parquet")
    drift = hs.monitor(folder, tmp_path / "new.parquet")
    now = {each.name: each.now for each in drift.without_id}
    assert now["shelf x item"] == now["user x shelf"] == 1


def test_pairs_of_newer_rows_get_ids_and_those_of_before_keep_theirs(
    launched: Shop, tmp_path: Path
) -> None:
    folder = launched.export("pairs", tmp_path / "folder").folder
    newer = table().filter(pl.col("place") < 3).with_columns(minute=pl.col("minute") + 1400)
    is_new = pl.col("item") == "a"
    newer = newer.with_columns(item=pl.when(is_new).then(pl.lit("new")).otherwise("item"))
    newer.write_parquet(tmp_path / "newer.parquet")
    made = hs.refit(folder, tmp_path / "newer.parquet", tmp_path / "model", even_if_worse=True)
    device = choose_device("cpu").device
    before, after = (
        next(
            each.table["value"].to_list()
            for each in open_folder(model, device).encoder.encoding.vocabularies
            if each.name == "shelf x item"
        )
        for model in (folder, made.folder)
    )
    assert set(before) < set(after)
    assert {f"1/{shelf}/new" for shelf in range(5)} <= set(after) - set(before)


def test_a_folder_whose_cross_is_of_a_list_is_refused(launched: Shop, tmp_path: Path) -> None:
    folder = launched.export("all", tmp_path / "folder").folder
    edited(folder, {"  - - shelf\n    - item\n": "  - - shelf\n    - words\n"})
    with pytest.raises(
        ConfigurationError, match="crosses must be of columns of one value, got 'words'"
    ):
        open_folder(folder, choose_device("cpu").device)
