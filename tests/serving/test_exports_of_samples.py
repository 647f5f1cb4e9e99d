"""A model that was trained on a sample is exported, scores all users and learns from newer rows."""

from pathlib import Path

import polars as pl
import pytest

import hinet_search as hs
from hinet_search.serving.export import TOLERANCE
from tests.serving.log_shop import LAST, SEQUENCES, newer, shop
from tests.serving.shop import Shop, launch_shop, predicted

STATISTICS = "    statistics: {by: [item]}\n    events:"
ARMS = "  din: {model: hinet}\n  trees: {model: trees}\n"


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A study of half of the users, whose models read statistics, events and sequences."""
    head, arms = SEQUENCES.replace("    events:", STATISTICS).split("arms:\n")
    budget = arms[arms.index("trials: 1") :].replace("seeds: 2", "seeds: 1, refit: true")
    text = f"{head}arms:\n{ARMS}{budget}sample: 50%\n".replace("ensemble: true\n", "")
    folder = tmp_path_factory.mktemp("sampled")
    earlier = shop().filter(pl.col("minute") < LAST)
    return launch_shop(folder, earlier, f"{text}reference: din\n")


@pytest.mark.parametrize("arm", ["din", "trees"])
def test_an_export_scores_the_test_rows_of_the_sample_as_in_training(
    sampled: Shop, arm: str, tmp_path: Path
) -> None:
    done = hs.export(str(sampled.study), tmp_path / "model", arm=arm, output=sampled.out)
    assert done.checked_rows == sampled.record.data.rows[2]
    assert done.max_difference <= TOLERANCE
    sample = f"- **Sample**: {sampled.record.data.searched_on}, in training as in metrics"
    assert sample in (tmp_path / "model" / "card.md").read_text()


def test_all_users_are_scored_also_those_outside_the_sample(sampled: Shop, tmp_path: Path) -> None:
    sampled.export("din", tmp_path / "model")
    scores = predicted(tmp_path / "model", newer(), tmp_path).select("click", "buy")
    assert scores.height == newer().height
    assert scores.null_count().sum_horizontal().item() == 0
