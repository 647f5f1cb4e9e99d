"""A study of clicks and of watched seconds is exported, and its folder gives expected seconds."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose
from safetensors.numpy import load_file
from scipy.special import expit

import hinet_search as hs
from hinet_search.results.ensemble_records import ENSEMBLE
from hinet_search.training.jobs.messages import ensemble_scores_path
from tests.serving.shop import Shop, launch_shop, predicted, rows, test_part

STUDY = """\
data:
  source: {kind: table, path: shop.parquet}
  scenario: {column: place, values: {1: Home, 2: Push, 3: Cart}}
  tasks:
    click: {column: clicked}
    watch: {column: seconds, kind: amount, at_most: 120, scenarios: [Home, Push]}
  user: user
  time: minute
  features:
    categorical: [user, item]
    numeric: [price]
    statistics: {by: [user], clock: minute, day_length: 200}
  split: {by: time, valid_from: 1000, test_from: 1200}
  minimum_frequency: 2
arms: {shared_bottom: , trees: }
trials: 1
passes: 2
finalists: {top: 1, seeds: 2}
fixed: {train.batch_size: 128}
ensemble: true
slots: 1
device: cpu
"""
CPU = torch.device("cpu")
ARM = "shared_bottom"


def with_seconds(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of which those with a click were watched, some users for longer; null in the cart."""
    draw = np.random.default_rng(9)
    mean = 5.0 + 20 * frame["clicked"].to_numpy() + frame["user"].to_numpy() % 7
    seconds = draw.gamma(2, mean / 2).round(1) * (draw.random(len(frame)) < 0.8)
    watched = pl.Series("seconds", seconds)
    return frame.with_columns(seconds=pl.when(pl.col("place") != 3).then(watched))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The study, launched once."""
    return launch_shop(tmp_path_factory.mktemp("watched"), with_seconds(rows()), STUDY)


@pytest.fixture(scope="module")
def exported(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> hs.Export:
    """Both seeds of the network."""
    to = tmp_path_factory.mktemp("exported") / "model"
    return hs.export(str(shop.study), to, arm=ARM, seeds="all", output=shop.out)


def scored(folder: Path, at: Path) -> pl.DataFrame:
    """The scores of the test rows, which need no label."""
    return predicted(folder, test_part(rows()).drop("clicked", "bought"), at)


def unit_of(shop: Shop) -> float:
    return shop.record.data.units["watch"]


def test_both_seeds_give_the_mean_of_their_expected_seconds(
    shop: Shop, exported: hs.Export, tmp_path: Path
) -> None:
    scores = scored(exported.folder, tmp_path)
    logits = [shop.test_logits(ARM, seed) for seed in exported.seeds]
    logits_SRT = np.stack(logits).astype(np.float64)
    has_watch = (scores["place"] != 3).to_numpy()
    expected = unit_of(shop) * np.exp(logits_SRT[:, :, 1]).mean(axis=0)
    assert scores["watch"].is_null().equals(scores["place"] == 3)
    assert_allclose(scores["watch"].to_numpy()[has_watch], expected[has_watch], rtol=1e-4)
    assert_allclose(scores["click"], expit(logits_SRT[:, :, 0]).mean(axis=0), rtol=1e-4)


def test_an_ensemble_of_networks_and_trees_gives_the_seconds_of_its_launch(
    shop: Shop, tmp_path: Path
) -> None:
    written = hs.export(
        str(shop.study), tmp_path / "all", arm=ENSEMBLE, calibrated=False, output=shop.out
    )
    scores = scored(written.folder, tmp_path)
    path = ensemble_scores_path(shop.out / "artifacts" / shop.record.name)
    logit_R = load_file(path)["test_logits"][:, 1].astype(np.float64)
    has_watch = (scores["place"] != 3).to_numpy()
    seconds = scores["watch"].to_numpy()[has_watch]
    assert_allclose(seconds, unit_of(shop) * np.exp(logit_R[has_watch]), rtol=1e-4)
