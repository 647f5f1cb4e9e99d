"""An export of a study with weights of rows scores rows without them."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.serving.shop import ONE_ARM, launch_shop, rows, scores_of

STUDY = ONE_ARM.replace(
    "  minimum_frequency: 2", "  minimum_frequency: 2\n  weight: worth"
).replace("  mmoe:", "  mmoe:\n  trees: {fixed: {model.max_rounds: 5}}")


def with_weights(frame: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    drawn_R = np.random.default_rng(seed).integers(0, 5, len(frame)) / 2
    return frame.with_columns(worth=pl.Series(drawn_R))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The exports of a network and of trees that were trained with weights."""
    folder = tmp_path_factory.mktemp("weighted")
    shop = launch_shop(folder, with_weights(rows()), STUDY)
    return {arm: shop.export(arm, folder / arm).folder for arm in ("mmoe", "trees")}


@pytest.fixture(scope="module")
def shipped(done: dict[str, Path]) -> Path:
    return done["mmoe"]


@pytest.mark.parametrize("arm", ["mmoe", "trees"])
def test_rows_are_scored_without_weights_and_alike_with_any(
    arm: str, done: dict[str, Path], tmp_path: Path
) -> None:
    frame = rows(50, seed=1).filter(pl.col("place") != 4)
    scores_RT = scores_of(done[arm], frame, tmp_path)
    assert np.array_equal(scores_of(done[arm], with_weights(frame), tmp_path), scores_RT)


def test_the_card_tells_of_weights_and_metrics(shipped: Path) -> None:
    card = (shipped / "card.md").read_text()
    assert re.search(
        r"\*\*Weights\*\*: column 'worth': \d+ training rows count as \d+ of equal weights; "
        "metrics count all rows alike",
        card,
    )
