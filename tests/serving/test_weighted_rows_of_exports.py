"""An export of a study with weights of rows scores rows without them, and learns on only with them."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import hinet_search as hs
from hinet_search.common.errors import DataError
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.newer.rows import read_newer_rows
from hinet_search.training.device import choose_device
from tests.serving.newer_shop import newer_rows, written
from tests.serving.shop import ONE_ARM, launch_shop, rows, scores_of

CPU = choose_device("cpu").device
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


def refused(shipped: Path, frame: pl.DataFrame, folder: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        hs.refit(shipped, written(frame, folder), folder / "model")
    assert not (folder / "model").exists()
    return caught.value


@pytest.mark.parametrize("arm", ["mmoe", "trees"])
def test_rows_are_scored_without_weights_and_alike_with_any(
    arm: str, done: dict[str, Path], tmp_path: Path
) -> None:
    frame = newer_rows(50)
    scores_RT = scores_of(done[arm], frame, tmp_path)
    assert np.array_equal(scores_of(done[arm], with_weights(frame), tmp_path), scores_RT)


def test_the_card_tells_of_weights_and_metrics(shipped: Path) -> None:
    card = (shipped / "card.md").read_text()
    assert re.search(
        r"\*\*Weights\*\*: column 'worth': \d+ training rows count as \d+ of equal weights; "
        "metrics count all rows alike",
        card,
    )


def test_newer_rows_have_weights_in_units_of_those_that_are_learned_from(
    shipped: Path, tmp_path: Path
) -> None:
    frame = with_weights(newer_rows())
    exported = open_folder(shipped, CPU)
    newer = read_newer_rows(exported, str(written(frame, tmp_path)), 0.2, tmp_path)
    learned = frame["worth"].to_numpy()[~newer.is_held_out_R]
    np.testing.assert_allclose(newer.weight_R, frame["worth"] / learned.mean(), rtol=1e-6)


def test_a_model_learns_from_newer_rows_by_their_weights(shipped: Path, tmp_path: Path) -> None:
    """The rows that are learned from teach the opposite of the truth, but those have weight 0."""
    frame = newer_rows()
    is_turned = (pl.col("minute") % 3 > 0) & (pl.col("minute") < frame["minute"].max() - 330)
    turned = frame.with_columns(
        clicked=pl.when(is_turned).then(1 - pl.col("clicked")).otherwise("clicked"),
        bought=pl.when(is_turned).then(1 - pl.col("clicked")).otherwise("bought"),
    )
    gains = {}
    for name, weight in (("by weight", pl.when(is_turned).then(0).otherwise(1)), ("alike", 1)):
        folder = tmp_path / name
        folder.mkdir()
        path = written(turned.with_columns(worth=weight), folder)
        made = hs.refit(shipped, path, folder / "m", learning_rate=0.03, even_if_worse=True)
        gains[name] = made.after
    assert gains["by weight"] > gains["alike"] + 0.02


def test_newer_rows_without_weights_are_refused_with_what_to_write(
    shipped: Path, tmp_path: Path
) -> None:
    error = refused(shipped, newer_rows(), tmp_path)
    assert "column 'worth' is not in the rows" in str(error)
    assert error.remedy == (
        "the model learned from weighted rows: add 'worth', 1 for all if they count alike"
    )


WRONG = {
    "column 'worth' must hold weights of 0 to 1e+15, got -1.0 (1,600 rows)": pl.lit(-1.0),
    "column 'worth' must hold weights of 0 to 1e+15, got null (10 rows)": pl.when(
        pl.col("minute") >= 1410
    ).then(1.0),
    "column 'worth' must hold weights, got String; write them as numbers": pl.lit("1"),
    "column 'worth' must hold weights, got List(Int64)": pl.concat_list("minute"),
    "column 'worth' must be above 0 in a row to learn from, got 0 in all 1,280 rows": pl.when(
        pl.col("minute") >= 1400 + 1280
    )
    .then(1)
    .otherwise(0),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_weights_of_newer_rows_are_refused_with_what_must_hold(
    message: str, shipped: Path, tmp_path: Path
) -> None:
    frame = newer_rows().with_columns(worth=WRONG[message])
    assert message in str(refused(shipped, frame, tmp_path))


def test_rows_without_a_label_need_no_weight(shipped: Path, tmp_path: Path) -> None:
    is_new = pl.col("minute") >= 1420
    frame = newer_rows().with_columns(
        worth=pl.when(is_new).then(1.0), clicked=pl.when(is_new).then("clicked")
    )
    exported = open_folder(shipped, CPU)
    newer = read_newer_rows(exported, str(written(frame, tmp_path)), 0.2, tmp_path)
    assert newer.num_unlabelled == 20
