"""Tasks of amounts: a column of numbers of at least 0 is encoded in units of its mean in training."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from hinet_search.data.cell_counts import auc
from hinet_search.data.columns import Dataset
from hinet_search.data.inspect.leaks import leak_suspects
from tests.data.tables import prepared, shop

TASKS: dict[str, Any] = {
    "click": {"column": "click"},
    "watch": {"column": "seconds", "kind": "amount"},
}


def shop_with_seconds(num_rows: int = 600) -> pl.DataFrame:
    """The shop, with seconds of watching: 0 without a click."""
    seconds_R = np.random.default_rng(7).gamma(2.0, 20.0, num_rows).round(1)
    return shop(num_rows).with_columns(seconds=pl.Series(seconds_R) * pl.col("click"))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return prepared(shop_with_seconds(), tmp_path_factory.mktemp("watched"), tasks=TASKS)


def seconds_of(frame: pl.DataFrame, part: str) -> pl.Series:
    return frame.filter(pl.col("part") == part)["seconds"]


def test_labels_are_amounts_in_units_of_their_mean_in_training(watched: Dataset) -> None:
    frame = shop_with_seconds()
    mean = seconds_of(frame, "train").mean()
    assert watched.record.units == {"watch": pytest.approx(mean, rel=1e-5)}
    (unit,) = watched.record.units.values()
    for part in ("train", "valid", "test"):
        label_R = getattr(watched, part).labels_RT[:, 1]
        np.testing.assert_allclose(label_R * unit, seconds_of(frame, part), rtol=1e-6)
    clicks = frame.filter(pl.col("part") == "test")["click"]
    assert watched.test.labels_RT[:, 0].tolist() == clicks.to_list()


def test_the_schema_knows_units_and_its_parts_keep_them(watched: Dataset) -> None:
    schema = watched.full_schema
    assert schema.amount_units == tuple(watched.record.units.items())
    assert schema.is_amount.tolist() == [False, True]
    assert [cell.unit is None for cell in schema.cells] == [True, False, True, False]
    assert watched.schema(minimum_frequency=3).amount_units == schema.amount_units


def test_a_cell_counts_rows_above_0_and_their_mean(watched: Dataset) -> None:
    frame = shop_with_seconds().filter(pl.col("place") == "push")
    cell = next(
        cell for cell in watched.record.cells if (cell.scenario, cell.task) == ("push", "watch")
    )
    assert cell.means is not None
    for number, part in enumerate(("train", "valid", "test")):
        seconds = seconds_of(frame, part)
        assert cell.positives[number] == (seconds > 0).sum()
        assert cell.means[number] == pytest.approx(seconds.mean(), rel=1e-5)


def test_without_amounts_data_are_what_they_were(tmp_path: Path) -> None:
    dataset = prepared(shop(), tmp_path)
    assert dataset.train.labels_RT.dtype == np.uint8
    assert (dataset.record.units, dataset.full_schema.amount_units) == ({}, ())


def test_of_a_larger_amount_only_at_most_counts(tmp_path: Path) -> None:
    tasks = {"watch": {**TASKS["watch"], "at_most": 30}}
    dataset = prepared(shop_with_seconds(), tmp_path, tasks=tasks)
    seconds = seconds_of(shop_with_seconds(), "test").clip(upper_bound=30)
    label_R = dataset.test.labels_RT[:, 0] * dataset.record.units["watch"]
    np.testing.assert_allclose(label_R, seconds, rtol=1e-6)


def test_amounts_may_be_absent_in_a_scenario(tmp_path: Path) -> None:
    frame = shop_with_seconds().with_columns(
        seconds=pl.when(pl.col("place") == "home").then("seconds")
    )
    tasks = TASKS | {"watch": {**TASKS["watch"], "scenarios": ["home"]}}
    dataset = prepared(frame, tmp_path, tasks=tasks)
    at_home = frame.filter((pl.col("place") == "home") & (pl.col("part") == "train"))
    assert dataset.record.units["watch"] == pytest.approx(at_home["seconds"].mean(), rel=1e-5)
    assert [cell.name for cell in dataset.full_schema.cells] == [
        ("home", "click"),
        ("home", "watch"),
        ("push", "click"),
    ]


def test_rows_with_other_amounts_are_other_test_rows(watched: Dataset, tmp_path: Path) -> None:
    is_one = pl.col("minute") == 599
    frame = shop_with_seconds().with_columns(
        seconds=pl.when(is_one).then(pl.col("seconds") + 0.5).otherwise("seconds")
    )
    one, other = watched.record.test_rows, prepared(frame, tmp_path, tasks=TASKS).record.test_rows
    assert one is not None
    assert other is not None
    assert one.in_order != other.in_order
    assert one.by_identity != other.by_identity


def test_the_auc_of_a_suspect_is_that_of_whole_amounts(tmp_path: Path) -> None:
    rounded = (pl.col("seconds") / 20).round() * 20
    dataset = prepared(shop_with_seconds().with_columns(price=rounded), tmp_path, tasks=TASKS)
    suspect = next(each for each in leak_suspects(dataset) if each.task == "watch")
    frame = shop_with_seconds().filter(pl.col("part") == "train")
    expected = auc(frame.select(rounded).to_series().to_numpy(), frame["seconds"].to_numpy())
    assert suspect.auc == pytest.approx(expected, abs=1e-6)
