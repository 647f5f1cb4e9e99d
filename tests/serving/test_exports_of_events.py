"""Models that read events and sessions: exported with the log, whose rows count once."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_array_equal

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.rolling import roll
from tests.serving.log_shop import (
    LAST,
    OF_THE_LOG,
    LogShop,
    inputs_of_the_log,
    newer,
    shop,
)
from tests.serving.shop import predicted, prediction_of


@pytest.fixture
def every_input(events: LogShop) -> Path:
    return events.folder / "all"


def test_models_train_on_events_and_sessions(events: LogShop) -> None:
    record = events.record
    assert {arm.name for arm in record.arms if arm.finalists} == {arm.name for arm in record.arms}
    assert dict(record.data.groups) == {"statistics": 3, "events": 18, "session": 2}


def test_every_model_is_exported_and_those_that_read_the_log_have_it(
    events: LogShop,
) -> None:
    for arm in events.record.arms:
        names = {path.stem for path in (events.folder / arm.name / "encoding").iterdir()}
        assert ("recent" in names) == (arm.name in OF_THE_LOG), arm.name
        assert ("older.0" in names) == (arm.name in ("all", "trees")), arm.name
        assert ("visits" in names) == (arm.name in OF_THE_LOG), arm.name


def test_what_grows_by_nature_is_told_from_rates(every_input: Path) -> None:
    inputs = open_folder(every_input, torch.device("cpu")).file.inputs
    assert inputs.growing
    assert inputs.growing < set(inputs.derived)
    assert not any(" rate" in name for name in inputs.growing)


def test_rows_one_at_a_time_have_the_inputs_of_one_table(every_input: Path, tmp_path: Path) -> None:
    expected = inputs_of_the_log(every_input.parent / "shop.yaml", tmp_path)
    encoder = open_folder(every_input, torch.device("cpu")).encoder
    found = []
    for start in range(len(newer())):
        frame = newer()[start : start + 1].with_columns(pl.col("price", "age").cast(pl.Float64))
        labels = frame.select("clicked", "bought").to_numpy().astype(np.uint8)
        row = encoder.rows(frame, labels, np.zeros(1, dtype=np.uint8))
        rolled = roll(encoder, row, np.ones(1, dtype=np.bool_))
        assert rolled.inputs.log is not None
        found.append(rolled.inputs.log)
        encoder = rolled.encoder
    # Rows of one second do not see each other; one at a time the second of them is no new one.
    is_first = newer()["minute"].is_first_distinct().to_numpy()
    assert_array_equal(pl.concat(found).to_numpy()[is_first], expected[is_first])


def test_the_last_rows_that_come_twice_are_counted_once(every_input: Path, tmp_path: Path) -> None:
    predicted(every_input, newer(), tmp_path, state=tmp_path / "state")
    before = json.loads((tmp_path / "state" / "state.json").read_text())
    again = prediction_of(every_input, newer().tail(5), tmp_path, state=tmp_path / "state")
    assert again.rolled is not None
    assert (again.rolled.counted, again.rolled.again) == (0, 5)
    after = json.loads((tmp_path / "state" / "state.json").read_text())
    assert after["tables"] == before["tables"]


def test_a_log_that_ends_long_before_the_rows_is_told(every_input: Path, tmp_path: Path) -> None:
    bare = newer().drop("clicked", "bought")
    model_ends = shop().filter(pl.col("minute") < LAST)["minute"].max()
    now = prediction_of(every_input, bare, tmp_path)
    after = prediction_of(every_input, bare.with_columns(pl.col("minute") + 90_000), tmp_path)
    assert now.log_age == newer()["minute"].median() - model_ends  # more than the window of 1h
    assert after.log_age == now.log_age + 90_000
    first = bare.filter(pl.col("minute") < LAST + 3_000)
    assert prediction_of(every_input, first, tmp_path).log_age is None


def test_rows_of_long_ago_are_refused(every_input: Path, tmp_path: Path) -> None:
    late = newer().with_columns(pl.col("minute") + 1_000_000)
    predicted(every_input, late, tmp_path, state=tmp_path / "state")
    with pytest.raises(DataError, match="rows must be at most 1h older than the last row"):
        predicted(every_input, newer(), tmp_path, state=tmp_path / "state")


@pytest.mark.parametrize("arm", ["counted", "raw"])
def test_a_model_with_nothing_that_rolls_has_no_state(
    arm: str, events: LogShop, tmp_path: Path
) -> None:
    with pytest.raises(
        ConfigurationError, match="counted anew, events, sessions or sequences, got"
    ):
        predicted(events.folder / arm, newer(), tmp_path, state=tmp_path / "state")
