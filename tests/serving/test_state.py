"""The state of an exported model: its statistics roll forward over labelled rows, each day once."""

import json
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.serving import predict, state
from hinet_search.serving.model_folder import open_folder
from tests.serving.shop import SHORT, launch_shop, predicted, rows

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
    statistics: {{by: [user, [item, place]], clock: minute, day_length: 100, {freshness}}}
  split: {{by: time, valid_from: 600, test_from: 800}}
arms: {{counted: {{model: mmoe}}}}
"""
FRESHNESS = {
    "day": "refresh: day",
    "late": "refresh: day, labels_after: 2d",
    "hour": "refresh: hour",
}
LAST = 1_000  # minutes of the study; later rows are newer


@cache
def shop() -> pl.DataFrame:
    """Rows in the order of time, of which the study has the first."""
    return rows().sort("minute", maintain_order=True)


@cache
def newer() -> pl.DataFrame:
    return shop().filter(pl.col("minute") >= LAST, pl.col("place").is_in([1, 2]))


def of_days() -> list[pl.DataFrame]:
    """The newer rows, a table for each day."""
    days = newer().with_columns(day=pl.col("minute") // 100)
    return days.partition_by("day", maintain_order=True, include_key=False)


def launched(folder: Path, freshness: str) -> Path:
    """The exported model of a study of the earlier rows."""
    earlier = shop().filter(pl.col("minute") < LAST)
    done = launch_shop(folder, earlier, STUDY.format(freshness=freshness) + SHORT)
    return done.export("counted", folder / "model").folder


@pytest.fixture(scope="module", params=FRESHNESS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return launched(tmp_path_factory.mktemp(request.param), FRESHNESS[request.param])


@pytest.fixture(scope="module")
def nightly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose statistics are counted anew every day."""
    return launched(tmp_path_factory.mktemp("nightly"), "refresh: day")


def tables(folder: Path) -> dict[str, bytes]:
    """The content of the tables that count in a state."""
    index = json.loads((folder / "state.json").read_text())
    place = folder / f"generation-{index['generation']}"
    return {path.name: path.read_bytes() for path in sorted(place.iterdir())}


def assert_same_rows(state: Path, other: Path) -> None:
    """The tables of two states have the same rows, in any order."""
    for name, table in tables(state).items():
        rows = pl.read_parquet(table).sort(pl.all())
        assert pl.read_parquet(tables(other)[name]).sort(pl.all()).equals(rows)


def test_rows_score_the_same_day_by_day_as_all_at_once(model: Path, tmp_path: Path) -> None:
    at_once = predicted(model, newer(), tmp_path, state=tmp_path / "once")
    daily = [predicted(model, day, tmp_path, state=tmp_path / "daily") for day in of_days()]
    assert pl.concat(daily).equals(at_once)
    assert not at_once.equals(predicted(model, newer(), tmp_path))
    assert_same_rows(tmp_path / "once", tmp_path / "daily")


def test_rows_that_come_twice_are_counted_once_and_score_as_before(
    nightly: Path, tmp_path: Path
) -> None:
    first = predicted(nightly, newer(), tmp_path, state=tmp_path / "state")
    before = tables(tmp_path / "state")
    again = hs.predict(
        nightly, tmp_path / "rows.parquet", tmp_path / "again.parquet", state=tmp_path / "state"
    )
    assert pl.read_parquet(tmp_path / "again.parquet").equals(first)
    assert tables(tmp_path / "state") == before
    assert again.rolled is not None
    assert (again.rolled.counted, again.rolled.again) == (0, len(newer()))


def test_rows_without_labels_are_scored_and_the_state_stays(nightly: Path, tmp_path: Path) -> None:
    days = of_days()
    predicted(nightly, days[0], tmp_path, state=tmp_path / "state")
    before = tables(tmp_path / "state")
    shutil.copytree(tmp_path / "state", tmp_path / "copy")
    labelled = predicted(nightly, days[1], tmp_path, state=tmp_path / "copy")
    bare = predicted(nightly, days[1].drop("clicked"), tmp_path, state=tmp_path / "state")
    assert bare.equals(labelled)
    assert tables(tmp_path / "state") == before


def test_a_row_without_a_label_counts_others_and_is_not_counted(
    nightly: Path, tmp_path: Path
) -> None:
    unlabelled = newer().with_columns(
        pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise("clicked").alias("clicked")
    )
    predicted(nightly, unlabelled, tmp_path, state=tmp_path / "state")
    predicted(nightly, unlabelled.drop_nulls("clicked"), tmp_path, state=tmp_path / "without")
    assert tables(tmp_path / "state") == tables(tmp_path / "without")


def test_the_folder_of_the_model_stays_as_it_is(nightly: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in nightly.rglob("*") if path.is_file()}
    predicted(nightly, newer(), tmp_path, state=tmp_path / "state")
    assert {path: path.read_bytes() for path in nightly.rglob("*") if path.is_file()} == before


def _full(*_: Any) -> Any:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("step", ["replacing_folder", "file_hash", "replacing"])
def test_a_state_that_cannot_be_written_stays_as_it_was(
    step: str, nightly: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = of_days()
    predicted(nightly, days[0], tmp_path, state=tmp_path / "state")
    before = tables(tmp_path / "state")

    exported = open_folder(nightly, torch.device("cpu"))
    with monkeypatch.context() as patched:
        patched.setattr(state, step, _full)
        with pytest.raises(EnvironmentFault, match=r"cannot be written|no room"):
            state.write_state(tmp_path / "state", exported.encoder, 1)
    assert tables(tmp_path / "state") == before
    whole = predicted(nightly, newer(), tmp_path, state=tmp_path / "whole")
    rest = pl.concat(
        [predicted(nightly, day, tmp_path, state=tmp_path / "state") for day in days[1:]]
    )
    assert rest.equals(whole[len(days[0]) :])


@pytest.mark.parametrize("step", ["replacing_folder", "file_hash", "replacing"])
def test_a_first_state_that_was_cut_off_is_none(
    step: str, nightly: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(state, step, _full)
        with pytest.raises(EnvironmentFault, match=r"cannot be written|no room"):
            predicted(nightly, newer(), tmp_path, state=tmp_path / "state")
    again = predicted(nightly, newer(), tmp_path, state=tmp_path / "state")
    assert again.equals(predicted(nightly, newer(), tmp_path, state=tmp_path / "whole"))


def test_a_state_of_other_statistics_is_refused(nightly: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = launched(tmp_path / "other", "refresh: day, smoothing: 3")
    predicted(other, newer(), tmp_path, state=tmp_path / "state")
    with pytest.raises(DataError, match="must be a state of inputs that are defined as those"):
        predicted(nightly, newer(), tmp_path, state=tmp_path / "state")


def test_a_model_whose_statistics_never_change_has_no_state(tmp_path: Path) -> None:
    frozen = launched(tmp_path, "refresh: never")
    with pytest.raises(ConfigurationError, match="got statistics that are as old as the model"):
        predicted(frozen, newer(), tmp_path, state=tmp_path / "state")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"generation": 7}, "of generation 7 is no file"),
        ({"generation": "../1"}, "state.json: "),
        ({"tables": {"../days": "0" * 64}}, "state.json: "),
        ({"tables": {"days": "0" * 64}}, "days has changed"),
        ({"definition": "0" * 64}, "but is of others"),
        ({"more": 1}, "state.json: "),
        (None, "state.json: "),
    ],
)
def test_a_damaged_or_hostile_state_is_refused(
    changes: dict[str, Any] | None, says: str, nightly: Path, tmp_path: Path
) -> None:
    predicted(nightly, newer(), tmp_path, state=tmp_path / "state")
    path = tmp_path / "state" / "state.json"
    index = [] if changes is None else json.loads(path.read_text()) | changes
    path.write_text(json.dumps(index))
    with pytest.raises(DataError, match=says):
        predicted(nightly, newer(), tmp_path, state=tmp_path / "state")


def test_a_pipe_in_place_of_a_table_is_refused(nightly: Path, tmp_path: Path) -> None:
    predicted(nightly, newer(), tmp_path, state=tmp_path / "state")
    table = tmp_path / "state" / "generation-1" / "days.parquet"
    table.unlink()
    os.mkfifo(table)
    with pytest.raises(DataError, match=r"days\.parquet of generation 1 is no file"):
        predicted(nightly, newer(), tmp_path, state=tmp_path / "state")


def test_of_two_that_roll_one_state_at_once_the_second_is_refused_and_nothing_is_lost(
    nightly: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days, roll = of_days(), predict.roll

    def roll_while_another_does(*given: Any) -> Any:
        monkeypatch.setattr(predict, "roll", roll)
        (tmp_path / "other").mkdir()
        predicted(nightly, days[0], tmp_path / "other", state=tmp_path / "state")
        return roll(*given)

    monkeypatch.setattr(predict, "roll", roll_while_another_does)
    with pytest.raises(EnvironmentFault, match="another process has written generation 1"):
        predicted(nightly, days[1], tmp_path, state=tmp_path / "state")
    predicted(nightly, days[1], tmp_path, state=tmp_path / "state")
    predicted(nightly, pl.concat(days[:2]), tmp_path, state=tmp_path / "whole")
    assert_same_rows(tmp_path / "whole", tmp_path / "state")


@pytest.mark.parametrize("name", ["1/notes.txt", "cat.jpg"])
def test_a_folder_of_something_else_is_not_taken_for_a_state(
    name: str, nightly: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(DataError, match=r"but it has no state\.json"):
        predicted(nightly, newer(), tmp_path, state=tmp_path / "mine")
    assert [each for each in (tmp_path / "mine").rglob("*") if each.is_file()] == [path]
