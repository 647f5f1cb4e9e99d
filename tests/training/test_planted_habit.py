"""A planted habit: readers of sequences learn what no input of the row itself says.

A user clicks the author whom they were shown two rows before, if they clicked then.
"""

from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from hinet_search.data.columns import Dataset
from hinet_search.data.prepare import prepare
from hinet_search.results.objectives import objective_named
from hinet_search.study.data_definition import DataDefinition
from hinet_search.training.fit import fit
from hinet_search.training.run_state import Conditions
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trial_config import build_config
from tests.training.fake_models import CPU, Watch

NUM_USERS, ROWS_A_USER, NUM_AUTHORS = 150, 100, 5


def habits() -> pl.DataFrame:
    """Rows of users a minute apart; an author is random, and half of them that of two before."""
    draw = np.random.default_rng(1)
    author_UR = draw.integers(NUM_AUTHORS, size=(NUM_USERS, ROWS_A_USER))
    click_UR = draw.random((NUM_USERS, ROWS_A_USER)) < 0.5
    for row in range(2, ROWS_A_USER):
        is_same_U = draw.random(NUM_USERS) < 0.4
        author_UR[is_same_U, row] = author_UR[is_same_U, row - 2]
        is_liked_U = click_UR[:, row - 2] & (author_UR[:, row] == author_UR[:, row - 2])
        click_UR[:, row] = draw.random(NUM_USERS) < np.where(is_liked_U, 0.95, 0.3)
    minutes = np.tile(np.arange(ROWS_A_USER), NUM_USERS)
    return pl.DataFrame(
        {
            "user": np.repeat(np.arange(NUM_USERS), ROWS_A_USER),
            "author": author_UR.flatten(),
            "tab": np.where(minutes % 2, "one", "two"),
            "click": click_UR.flatten().astype(np.int8),
            "second": 60 * minutes,
        }
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("habits")
    habits().write_parquet(folder / "habits.parquet")
    seen: dict[str, Any] = {
        "of": "user",
        "items": ["author"],
        "labels": ["click"],
        "labels_after": "30s",
        "length": 4,
    }
    definition = DataDefinition.model_validate(
        {
            "source": {"kind": "table", "path": "habits.parquet"},
            "scenario": {"column": "tab"},
            "tasks": {"click": {"column": "click"}},
            "user": "user",
            "time": "second",
            "time_unit": "s",
            "features": {"categorical": ["author"], "sequences": {"seen": seen}},
            "split": {"by": "time", "valid_from": 70 * 60, "test_from": 98 * 60},
        }
    )
    return prepare(definition, folder, folder / "cache", lambda _: None)


def area(dataset: Dataset, **features: str) -> float:
    """The AUC on validation of a small network with these settings of its features."""
    config = build_config(
        "shared_bottom",
        {
            "train.learning_rate": 0.01,
            "train.batch_size": 256,
            "train.epochs": 6,
            **{f"features.{name}": value for name, value in features.items()},
        },
    )
    data, schema = config.features.view(dataset)
    torch.manual_seed(0)
    model = config.build(schema)
    assert isinstance(model, torch.nn.Module)
    train = TrainConfig.model_validate(config.train.model_dump())
    conditions = Conditions(data, schema, train, 0, objective_named("macro_auc"), CPU)
    found = fit(model, conditions, Watch()).valid_objective
    assert found is not None
    return found


def test_readers_that_tell_slots_apart_learn_a_habit_of_two_rows_before(dataset: Dataset) -> None:
    without = area(dataset, groups="none")
    assert without < 0.55
    for reader in ("din", "bst"):
        assert area(dataset, sequence_reader=reader) > without + 0.15, reader
