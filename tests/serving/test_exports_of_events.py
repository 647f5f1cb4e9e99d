"""Models that read the log: exported with it, and scored as one table however rows arrive."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.results.study_record import StudyRecord
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.requests.document import columns_of
from hinet_search.serving.requests.served_model import open_served
from hinet_search.serving.rolling import roll
from tests.serving.log_shop import LAST, OF_THE_LOG, STUDY, inputs_of_the_log, newer, shop


def parts(table: pl.DataFrame) -> list[pl.DataFrame]:
    """Newer rows in six parts, in the order of time."""
    parts = table.with_columns(part=pl.col("minute") // 2_400)
    return parts.partition_by("part", maintain_order=True, include_key=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("events")


@pytest.fixture(scope="module")
def record(folder: Path) -> StudyRecord:
    shop().filter(pl.col("minute") < LAST).write_parquet(folder / "shop.parquet")
    (folder / "shop.yaml").write_text(STUDY)
    record = hs.launch(str(folder / "shop.yaml"), output=folder / "out")
    for arm in record.arms:
        hs.export(str(folder / "shop.yaml"), folder / arm.name, arm=arm.name, output=folder / "out")
    return record


@pytest.fixture
def model(request: pytest.FixtureRequest, folder: Path, record: StudyRecord) -> Path:
    assert record.state == "done"
    path: Path = folder / request.param
    return path


@pytest.fixture
def every_input(folder: Path, record: StudyRecord) -> Path:
    assert record.state == "done"
    return folder / "all"


def predicted(model: Path, table: pl.DataFrame, folder: Path, **more: Any) -> pl.DataFrame:
    path, to = folder / "rows.parquet", folder / "scores.parquet"
    table.write_parquet(path)
    hs.predict(model, path, to, **more)
    return pl.read_parquet(to)


def assert_close(scores: pl.DataFrame, expected: pl.DataFrame) -> None:
    """Equal but for the last bit, as sums of a network depend on the number of rows at once."""
    found = scores.select("click", "buy").to_numpy()
    assert_allclose(found, expected.select("click", "buy").to_numpy(), rtol=0, atol=1e-6)


def test_models_train_on_events_and_sessions(record: StudyRecord) -> None:
    assert record.state == "done"
    assert {arm.name for arm in record.arms if arm.finalists} == {arm.name for arm in record.arms}
    assert dict(record.data.groups) == {"statistics": 3, "events": 18, "session": 2}


def test_every_model_is_exported_and_those_that_read_the_log_have_it(
    folder: Path, record: StudyRecord
) -> None:
    for arm in record.arms:
        names = {path.stem for path in (folder / arm.name / "encoding").iterdir()}
        assert ("recent" in names) == (arm.name in OF_THE_LOG), arm.name
        assert ("older.0" in names) == (arm.name in ("all", "trees")), arm.name
        assert ("visits" in names) == (arm.name in OF_THE_LOG), arm.name


def test_rows_one_at_a_time_have_the_inputs_of_one_table(
    every_input: Path, folder: Path, tmp_path: Path
) -> None:
    expected = inputs_of_the_log(folder / "shop.yaml", tmp_path)
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


@pytest.mark.parametrize("model", OF_THE_LOG, indirect=True)
def test_parts_of_a_table_score_as_the_whole(model: Path, tmp_path: Path) -> None:
    at_once = predicted(model, newer(), tmp_path, state=tmp_path / "once")
    in_parts = [
        predicted(model, part, tmp_path, state=tmp_path / "parts") for part in parts(newer())
    ]
    assert_close(pl.concat(in_parts), at_once)
    assert not at_once.equals(predicted(model, newer(), tmp_path))


@pytest.mark.parametrize("model", OF_THE_LOG, indirect=True)
def test_the_server_scores_with_a_state_as_predict_does(model: Path, tmp_path: Path) -> None:
    first, second, *_ = parts(newer())
    predicted(model, first, tmp_path, state=tmp_path / "state")
    bare = second.drop("clicked", "bought")
    scores = predicted(model, bare, tmp_path, state=tmp_path / "state")
    served = open_served(model, tmp_path / "state")
    bodies = [{name: row[name] for name in served.columns} for row in bare.to_dicts()]
    whole = served.score(columns_of({"rows": bodies}, served.columns)).predicted_RT
    assert_array_equal(whole, scores.select("click", "buy").to_numpy())
    alone = [served.score(columns_of({"rows": [row]}, served.columns)) for row in bodies]
    found = np.concatenate([each.predicted_RT for each in alone])
    assert_close(pl.DataFrame(found, schema=["click", "buy"]), scores)


def test_the_last_rows_that_come_twice_are_counted_once(every_input: Path, tmp_path: Path) -> None:
    predicted(every_input, newer(), tmp_path, state=tmp_path / "state")
    before = json.loads((tmp_path / "state" / "state.json").read_text())
    newer().tail(5).write_parquet(tmp_path / "last.parquet")
    again = hs.predict(
        every_input, tmp_path / "last.parquet", tmp_path / "s.parquet", state=tmp_path / "state"
    )
    assert again.rolled is not None
    assert (again.rolled.counted, again.rolled.again) == (0, 5)
    after = json.loads((tmp_path / "state" / "state.json").read_text())
    assert after["tables"] == before["tables"]


def test_a_log_that_ends_long_before_the_rows_is_told(every_input: Path, tmp_path: Path) -> None:
    bare = newer().drop("clicked", "bought")
    bare.write_parquet(tmp_path / "bare.parquet")
    late = bare.with_columns(pl.col("minute") + 90_000)
    late.write_parquet(tmp_path / "late.parquet")
    scores = tmp_path / "scores.parquet"
    model_ends = shop().filter(pl.col("minute") < LAST)["minute"].max()
    now = hs.predict(every_input, tmp_path / "bare.parquet", scores)
    after = hs.predict(every_input, tmp_path / "late.parquet", scores)
    assert now.log_age == newer()["minute"].median() - model_ends  # more than the window of 1h
    assert after.log_age == now.log_age + 90_000
    assert not [name for name in after.moved if "exposures" in name or "recency" in name]
    first = bare.filter(pl.col("minute") < LAST + 3_000)
    first.write_parquet(tmp_path / "first.parquet")
    assert hs.predict(every_input, tmp_path / "first.parquet", scores).log_age is None


def test_rows_of_long_ago_are_refused(every_input: Path, tmp_path: Path) -> None:
    late = newer().with_columns(pl.col("minute") + 1_000_000)
    predicted(every_input, late, tmp_path, state=tmp_path / "state")
    with pytest.raises(DataError, match="rows must be at most 1h older than the last row"):
        predicted(every_input, newer(), tmp_path, state=tmp_path / "state")


@pytest.mark.parametrize("model", ["counted", "raw"], indirect=True)
def test_a_model_with_nothing_that_rolls_has_no_state(model: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match="counted anew, events, sessions or sequences, got"
    ):
        predicted(model, newer(), tmp_path, state=tmp_path / "state")


@pytest.mark.parametrize("model", ["all", "visits"], indirect=True)
def test_a_model_is_fit_again_on_newer_rows_with_the_log_that_goes_on(
    model: Path, tmp_path: Path
) -> None:
    newer().write_parquet(tmp_path / "newer.parquet")
    hs.refit(model, tmp_path / "newer.parquet", tmp_path / "fit", even_if_worse=True)
    fit = open_folder(tmp_path / "fit", torch.device("cpu")).encoder.history.log
    predicted(model, newer(), tmp_path, state=tmp_path / "state")
    assert fit is not None
    assert fit.last_time == newer()["minute"].max()
    generation = tmp_path / "state" / "generation-1"
    for path in generation.iterdir():
        if path.stem in ("recent", "visits", "older.0"):
            written = pl.read_parquet(tmp_path / "fit" / "encoding" / path.name)
            assert written.sort(pl.all()).equals(pl.read_parquet(path).sort(pl.all())), path.name


def test_monitored_rows_with_labels_see_one_another(every_input: Path, tmp_path: Path) -> None:
    newer().write_parquet(tmp_path / "newer.parquet")
    newer().drop("clicked", "bought").write_parquet(tmp_path / "bare.parquet")
    labelled = hs.monitor(every_input, tmp_path / "newer.parquet")
    bare = hs.monitor(every_input, tmp_path / "bare.parquet")
    scores = predicted(every_input, newer(), tmp_path, state=tmp_path / "state")
    predicted_sum = sum(cell.predicted for cell in labelled.cells if cell.task == "click")
    assert predicted_sum == pytest.approx(scores["click"].sum(), rel=1e-5)
    of_log = [each.name for each in bare.inputs if "exposures" in each.name]
    distance = {each.name: each.distance for each in labelled.inputs}
    others = {each.name: each.distance for each in bare.inputs}
    assert of_log
    assert any(distance[name] != others[name] for name in of_log)


@pytest.mark.parametrize(
    ("table", "column", "value", "told"),
    [
        ("recent", "moment", -5, "hold rows that are not added up"),
        ("recent", "scenario", 9, "hold 0 to 2 in 'scenario'"),
        ("recent", "label 0", 7, "hold 0 to 1 in 'label 0'"),
        ("visits", "first", 10**9, "hold visits that begin before they end"),
        ("older.0", "rows", 2**40, "hold 1 to"),
        ("log", "added before", -9, "have a moment before which rows are added up"),
        ("priors", "rows", 0, "hold 1 to"),
    ],
)
def test_a_damaged_log_is_refused(
    table: str, column: str, value: int, told: str, every_input: Path, tmp_path: Path
) -> None:
    from hinet_search.serving.sealed import seal

    copied = tmp_path / "model"
    shutil.copytree(every_input, copied)
    path = copied / "encoding" / f"{table}.parquet"
    frame = pl.read_parquet(path)
    frame.with_columns(pl.lit(value).cast(frame.schema[column]).alias(column)).write_parquet(path)
    seal(copied)
    with pytest.raises(DataError, match=told):
        open_folder(copied, torch.device("cpu"))
