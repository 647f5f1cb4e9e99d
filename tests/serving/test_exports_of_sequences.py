"""Models that read sequences: exported with the rows that these show, and scored as one table."""

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

import hinet_search as hs
from hinet_search.common.errors import DataError
from hinet_search.data.derived.inputs import EncodedLists, with_sequences
from hinet_search.data.rows import read_rows
from hinet_search.results.study_record import StudyRecord
from hinet_search.serving.compiled.layout import read_layout
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.live.journal import Journal
from hinet_search.serving.log_input import LogInput
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.requests.document import columns_of
from hinet_search.serving.requests.served_model import open_served
from hinet_search.serving.rolling import roll
from hinet_search.serving.sealed import seal
from hinet_search.study.load_study import load_study
from tests.serving.log_shop import LAST, newer, shop

STUDY = """\
data:
  source: {kind: table, path: shop.parquet}
  scenario: {column: place, values: {1: Home, 2: Push}}
  tasks: {click: {column: clicked}, buy: {column: bought}}
  user: user
  item: item
  time: minute
  time_unit: s
  features:
    categorical: [user, item]
    numeric: [price, age]
    events: {by: [user], labels_after: 1h, windows: [1h]}
    sequences:
      seen: {of: user, items: [item], labels: [click, buy], length: 7, labels_after: 10m}
      shown: {of: [item, place], items: [user, item], length: 3, reader: mean}
    distinct_by_scenario: [item]
  split: {by: time, valid_from: 36000, test_from: 48000}
  not_finite: impute
arms:
  din: {model: hinet}
  bst: {model: shared_bottom, fixed: {features.sequence_reader: bst, features.groups: sequences}}
  events: {model: mmoe, fixed: {features.groups: events}}
  trees: {model: trees}
trials: 1
passes: 1
finalists: {top: 1, seeds: 2}
fixed: {train.batch_size: 128}
ensemble: true
slots: 1
device: cpu
"""
READING = ("din", "bst")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sequences")


@pytest.fixture(scope="module")
def record(folder: Path) -> StudyRecord:
    shop().filter(pl.col("minute") < LAST).write_parquet(folder / "shop.parquet")
    (folder / "shop.yaml").write_text(STUDY)
    record = hs.launch(str(folder / "shop.yaml"), output=folder / "out")
    for arm in (*(arm.name for arm in record.arms), "ensemble"):
        hs.export(str(folder / "shop.yaml"), folder / arm, arm=arm, output=folder / "out")
    return record


@pytest.fixture
def model(request: pytest.FixtureRequest, folder: Path, record: StudyRecord) -> Path:
    assert record.state == "done"
    path: Path = folder / getattr(request, "param", "din")
    return path


every_reading_model = pytest.mark.parametrize("model", READING, indirect=True)


def encoder_of(model: Path) -> Encoder:
    return open_folder(model, torch.device("cpu")).encoder


def slots_of_one_table(model: Path, folder: Path) -> NDArray[np.int32]:
    """The slots that newer rows have as a part of one table with those of the study."""
    definition = load_study(model.parent / "shop.yaml").spec.data
    shop().write_parquet(folder / "shop.parquet")
    rows = read_rows(definition, folder, folder).with_distinct_ids(["item"])
    nothing = EncodedLists((), (), ())
    lists = with_sequences(nothing, definition, rows, encoder_of(model).encoding)
    return np.concatenate(lists.slots_of_sequences, axis=1)[-len(newer()) :]


def predicted(model: Path, table: pl.DataFrame, folder: Path, **more: Any) -> pl.DataFrame:
    path, to = folder / "rows.parquet", folder / "scores.parquet"
    table.write_parquet(path)
    hs.predict(model, path, to, **more)
    return pl.read_parquet(to)


def assert_close(scores: pl.DataFrame, expected: pl.DataFrame) -> None:
    found = scores.select("click", "buy").to_numpy()
    assert_allclose(found, expected.select("click", "buy").to_numpy(), rtol=0, atol=1e-6)


def test_models_with_each_reader_train_beside_models_without_sequences(
    record: StudyRecord,
) -> None:
    assert {arm.name for arm in record.arms if arm.finalists} == {arm.name for arm in record.arms}
    assert dict(record.data.groups) == {"events": 4, "sequences": 4 + 3}


def test_models_that_read_sequences_are_exported_with_the_rows_that_these_show(
    folder: Path, record: StudyRecord
) -> None:
    assert record.state == "done"
    for arm in ("din", "bst", "events", "trees", "ensemble"):
        names = {path.stem for path in (folder / arm / "encoding").iterdir()}
        assert ("shown" in names) == (arm != "events"), arm
    assert [each.reader for each in encoder_of(folder / "bst").schema.sequences] == ["bst", "bst"]
    assert [each.reader for each in encoder_of(folder / "din").schema.sequences] == ["din", "mean"]


@every_reading_model
def test_rows_one_at_a_time_have_the_sequences_of_one_table(model: Path, tmp_path: Path) -> None:
    expected = slots_of_one_table(model, tmp_path)
    encoder, found = encoder_of(model), []
    table = newer().with_columns(pl.col("price", "age").cast(pl.Float64))
    for start in range(len(table)):
        frame = table[start : start + 1]
        labels = frame.select("clicked", "bought").to_numpy().astype(np.uint8)
        row = encoder.rows(frame, labels, np.zeros(1, dtype=np.uint8))
        rolled = roll(encoder, row, np.ones(1, dtype=np.bool_))
        found.append(encoder.columns(frame, rolled.inputs).lists_RS)
        assert_array_equal(encoder.columns(frame).lists_RS, found[-1])  # by the index
        encoder = rolled.encoder
    is_first = newer()["minute"].is_first_distinct().to_numpy()
    assert_array_equal(np.concatenate(found)[is_first], expected[is_first])


def test_one_table_has_the_sequences_of_one_table(model: Path, tmp_path: Path) -> None:
    encoder = encoder_of(model)
    table = newer().with_columns(pl.col("price", "age").cast(pl.Float64))
    labels = table.select("clicked", "bought").to_numpy().astype(np.uint8)
    rows = encoder.rows(table, labels, np.zeros(len(table), dtype=np.uint8))
    rolled = roll(encoder, rows, np.ones(len(table), dtype=np.bool_))
    expected = slots_of_one_table(model, tmp_path)
    assert_array_equal(encoder.columns(table, rolled.inputs).lists_RS, expected)
    assert (expected > 0).any(axis=0).all()


@pytest.mark.parametrize("model", ["din", "bst", "ensemble"], indirect=True)
def test_parts_of_a_table_score_as_the_whole(model: Path, tmp_path: Path) -> None:
    parts = newer().with_columns(part=pl.col("minute") // 4_000)
    at_once = predicted(model, newer(), tmp_path, state=tmp_path / "once")
    in_parts = [
        predicted(model, part, tmp_path, state=tmp_path / "parts")
        for part in parts.partition_by("part", maintain_order=True, include_key=False)
    ]
    assert_close(pl.concat(in_parts), at_once)
    assert not at_once.equals(predicted(model, newer(), tmp_path))


@pytest.mark.parametrize("model", ["din", "bst", "ensemble"], indirect=True)
def test_the_server_scores_with_a_state_as_predict_does(model: Path, tmp_path: Path) -> None:
    first, second = newer()[:60], newer()[60:90].drop("clicked", "bought")
    predicted(model, first, tmp_path, state=tmp_path / "state")
    scores = predicted(model, second, tmp_path, state=tmp_path / "state")
    served = open_served(model, tmp_path / "state")
    bodies = [{name: row[name] for name in served.columns} for row in second.to_dicts()]
    alone = [served.score(columns_of({"rows": [row]}, served.columns)) for row in bodies]
    found = np.concatenate([each.predicted_RT for each in alone])
    assert_close(pl.DataFrame(found, schema=["click", "buy"]), scores)


def test_events_give_the_sequences_of_one_table_with_labels_that_come_later(
    model: Path, tmp_path: Path
) -> None:
    expected = slots_of_one_table(model, tmp_path)
    columns = ("user", "item", "minute", "place")
    rows = newer().to_dicts()
    with closing(Journal(tmp_path / "state")) as journal:
        served = open_served(model, tmp_path / "state", journal)
        live = served.live
        assert live is not None
        assert set(live.columns) == set(columns)
        for number, row in enumerate(rows[:150]):
            if number == 80:
                live.fold()
            asked = columns_of(
                {"rows": [{name: row[name] for name in served.columns}]}, served.columns
            )
            slots_RS = served.encoder.encode(served.reader.read(asked)).lists_RS
            if number == 0 or rows[number - 1]["minute"] < row["minute"]:
                assert_array_equal(slots_RS[0], expected[number], err_msg=str(number))
            event = {"id": number, **{name: row[name] for name in columns}}
            live.add({"events": [event]})
            labelled = {**event, "clicked": row["clicked"], "bought": row["bought"]}
            live.add({"events": [labelled]})


def test_a_model_is_fit_again_on_newer_rows_with_the_log_that_goes_on(
    model: Path, tmp_path: Path
) -> None:
    newer().write_parquet(tmp_path / "newer.parquet")
    hs.refit(model, tmp_path / "newer.parquet", tmp_path / "fit", even_if_worse=True)
    predicted(model, newer(), tmp_path, state=tmp_path / "state")
    generation = tmp_path / "state" / "generation-1"
    for name in ("recent", "shown"):
        written = pl.read_parquet(tmp_path / "fit" / "encoding" / f"{name}.parquet")
        kept = pl.read_parquet(generation / f"{name}.parquet")
        assert written.sort(pl.all()).equals(kept.sort(pl.all())), name


@pytest.mark.parametrize(("arm", "kind"), [("din", "onnx"), ("bst", "torch")])
def test_graphs_score_sequences_as_the_network_does(
    arm: str, kind: str, folder: Path, record: StudyRecord, tmp_path: Path
) -> None:
    assert record.state == "done"
    to = tmp_path / "model"
    hs.export(str(folder / "shop.yaml"), to, arm=arm, formats=(kind,), output=folder / "out")
    layout = read_layout(to / "compiled")
    assert layout.not_encoded[-2:] == ("seen", "shown")
    assert not layout.reads_tables
    assert layout.num_slots == 7 * 4 + 3 * 3
    bare = newer()[:20].drop("clicked", "bought")
    served = open_served(to)  # by its graphs
    bodies = [{name: row[name] for name in served.columns} for row in bare.to_dicts()]
    found = served.score(columns_of({"rows": bodies}, served.columns)).predicted_RT
    scores = predicted(folder / arm, bare, tmp_path)
    assert_close(pl.DataFrame(found, schema=["click", "buy"]), scores)


def test_rows_of_a_model_with_sequences_are_monitored(model: Path, tmp_path: Path) -> None:
    newer().write_parquet(tmp_path / "newer.parquet")
    labelled = hs.monitor(model, tmp_path / "newer.parquet")
    scores = predicted(model, newer(), tmp_path, state=tmp_path / "state")
    predicted_sum = sum(cell.predicted for cell in labelled.cells if cell.task == "click")
    assert predicted_sum == pytest.approx(scores["click"].sum(), rel=1e-5)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("moment", 10**9, "hold rows that are added up"),
        ("moment", -5, "hold rows that are added up"),
        ("scenario", 9, "hold 0 to 2 in 'scenario'"),
        ("label 0", 7, "hold 0 to 1 in 'label 0'"),
    ],
)
def test_damaged_rows_of_a_sequence_are_refused(
    column: str, value: int, told: str, model: Path, tmp_path: Path
) -> None:
    import shutil

    copied = tmp_path / "model"
    shutil.copytree(model, copied)
    path = copied / "encoding" / "shown.parquet"
    frame = pl.read_parquet(path)
    frame.with_columns(pl.lit(value).cast(frame.schema[column]).alias(column)).write_parquet(path)
    seal(copied)
    with pytest.raises(DataError, match=told):
        open_folder(copied, torch.device("cpu"))


@pytest.mark.parametrize(
    ("categorical", "tasks", "others", "told"),
    [
        (
            ["user"],
            ["click"],
            [],
            "must be of categorical inputs and of tasks of 0 and 1, got item",
        ),
        (["item"], ["buy"], [], "must be of categorical inputs and of tasks of 0 and 1, got click"),
        (["item"], ["click"], ["seen gap"], "another name, got twice: seen gap"),
    ],
)
def test_a_file_of_sequences_that_do_not_fit_the_model_is_refused(
    categorical: list[str], tasks: list[str], others: list[str], told: str
) -> None:
    seen = {"of": "user", "items": ["item"], "labels": ["click"], "labels_after": "1h"}
    log = LogInput.model_validate({"time": "minute", "sequences": {"seen": seen}})
    with pytest.raises(ValueError, match=told):
        log.check_sequences(categorical, tasks, others)
