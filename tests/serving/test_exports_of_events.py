"""Models that read the log are exported with its rows; newer rows join them for one call."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_array_equal

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.log_rows import SeenInputs
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.sealed import seal
from tests.serving.log_shop import LAST, LogShop, assert_close, inputs_of_the_log, newer, shop
from tests.serving.shop import predicted, prediction_of

WITH_A_LOG = ("all", "trees", "visits", "counted")


@pytest.fixture
def every_input(events: LogShop) -> Path:
    return events.folder / "all"


def encoder_of(model: Path) -> Encoder:
    return open_folder(model, torch.device("cpu")).encoder


def seen_by_newer(model: Path, table: pl.DataFrame) -> SeenInputs:
    """What newer rows see if they are the rows that join the log, too."""
    encoder = encoder_of(model)
    frame = table.with_columns(pl.col(pl.Float32).cast(pl.Float64))
    labels_RT = frame.select("clicked", "bought").to_numpy().astype(np.uint8)
    return encoder.seen(frame, encoder.rows_after(encoder.log, frame, labels_RT))


def test_those_that_read_the_log_have_its_rows(events: LogShop) -> None:
    for arm in events.record.arms:
        names = {path.stem for path in (events.folder / arm.name / "encoding").iterdir()}
        assert ("log" in names) == (arm.name in WITH_A_LOG), arm.name
    log = pl.read_parquet(events.folder / "visits" / "encoding" / "log.parquet")
    assert log.columns == ["number", "split", "scenario", "key 0", "key 1", "label 0", "label 1"]
    assert len(log) == shop().filter(pl.col("minute") < LAST).height
    counted = pl.read_parquet(events.folder / "counted" / "encoding" / "log.parquet")
    assert counted["split"].unique().to_list() == [0]  # without a clock, training rows are counted


def test_the_card_says_what_a_row_sees_of_the_log(events: LogShop) -> None:
    counted = (events.folder / "counted" / "card.md").read_text()
    assert "Label statistics are of training rows." in counted
    assert "A row sees the rows before" not in counted
    every = (events.folder / "all" / "card.md").read_text()
    assert "A row sees the rows before its minute: train, valid and test up to " in every


def test_newer_rows_have_the_inputs_of_one_table(every_input: Path, tmp_path: Path) -> None:
    expected = inputs_of_the_log(every_input.parent / "shop.yaml", tmp_path)
    seen = seen_by_newer(every_input, newer())
    assert_array_equal(seen.numbers.to_numpy()[:, -expected.shape[1] :], expected)


def test_labels_of_a_row_itself_and_of_later_rows_do_not_count(
    every_input: Path, tmp_path: Path
) -> None:
    late = pl.col("minute") >= newer()["minute"].max() - 600
    others = newer().with_columns(
        pl.when(late).then(1 - pl.col(name)).otherwise(name).alias(name)
        for name in ("clicked", "bought")
    )
    tables = {"as they are": newer(), "others": others}
    scores = []
    for name, table in tables.items():
        table.write_parquet(tmp_path / f"{name}.parquet")
        done = hs.predict(
            every_input,
            tmp_path / "as they are.parquet",
            tmp_path / "scores.parquet",
            log=tmp_path / f"{name}.parquet",
        )
        scores.append(pl.read_parquet(done.scores))
    assert scores[0].equals(scores[1])


def test_rows_that_the_log_has_do_not_join_it_again(every_input: Path, tmp_path: Path) -> None:
    old = shop().filter(pl.col("minute") < LAST).tail(40)
    old.write_parquet(tmp_path / "old.parquet")
    alone = prediction_of(every_input, old, tmp_path)
    before = pl.read_parquet(alone.scores)
    again = prediction_of(every_input, old, tmp_path, log=tmp_path / "old.parquet")
    assert again.log is not None
    assert (again.log.joined, again.log.again) == (0, 40)
    assert pl.read_parquet(again.scores).equals(before)


def test_rows_without_a_label_do_not_join(every_input: Path, tmp_path: Path) -> None:
    table = newer().with_columns(clicked=pl.when(pl.int_range(pl.len()) % 2 == 0).then("clicked"))
    table.write_parquet(tmp_path / "half.parquet")
    done = prediction_of(every_input, newer(), tmp_path, log=tmp_path / "half.parquet")
    assert done.log is not None
    assert (done.log.joined, done.log.unlabelled) == (-(-len(table) // 2), len(table) // 2)


def test_a_log_without_labels_is_refused(every_input: Path, tmp_path: Path) -> None:
    newer().drop("bought").write_parquet(tmp_path / "bare.parquet")
    with pytest.raises(DataError, match="rows of a log have labels, column 'bought' is missing"):
        predicted(every_input, newer(), tmp_path, log=tmp_path / "bare.parquet")


def test_a_log_that_ends_long_before_the_rows_is_told(every_input: Path, tmp_path: Path) -> None:
    bare = newer().drop("clicked", "bought")
    model_ends = shop().filter(pl.col("minute") < LAST)["minute"].max()
    now = prediction_of(every_input, bare, tmp_path)
    after = prediction_of(every_input, bare.with_columns(pl.col("minute") + 90_000), tmp_path)
    assert now.log_age == newer()["minute"].median() - model_ends  # more than the window of 1h
    assert after.log_age == now.log_age + 90_000
    first = bare.filter(pl.col("minute") < LAST + 3_000)
    assert prediction_of(every_input, first, tmp_path).log_age is None


@pytest.mark.parametrize("arm", ["counted", "raw"])
def test_no_row_joins_the_log_of_a_model_that_follows_none(
    arm: str, events: LogShop, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="do not follow a log, so no row can join it"):
        predicted(events.folder / arm, newer(), tmp_path, log=tmp_path / "absent.parquet")
    with pytest.raises(ConfigurationError, match="do not follow a log"):
        hs.load_model(events.folder / arm).predict(newer(), newer())


def test_a_loaded_model_scores_frames_as_predict_scores_tables(
    every_input: Path, tmp_path: Path
) -> None:
    model = hs.load_model(every_input)
    newer().write_parquet(tmp_path / "newer.parquet")
    expected = predicted(every_input, newer(), tmp_path, log=tmp_path / "newer.parquet")
    scores = model.predict(newer(), newer())
    assert scores.columns == list(model.tasks) == ["click", "buy"]
    assert_close(scores, expected)
    assert not scores.equals(model.predict(newer()))
    assert model.predict(newer().head(0)).height == 0
    with pytest.raises(DataError, match="column 'price' is not in the rows"):
        model.predict(newer().drop("price"))
    with pytest.raises(DataError, match="the log: rows of a log have labels, column 'bought' is m"):
        model.predict(newer(), newer().drop("bought"))


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("scenario", 9, "hold 0 to 1 in 'scenario'"),
        ("split", 3, "hold 0 to 2 in 'split'"),
        ("label 0", 7, "hold 0 to 1 in 'label 0'"),
        ("number", None, "hold a value in every row of 'number'"),
        ("key 2", None, "hold times of 'minute'"),
    ],
)
def test_a_damaged_log_is_refused(
    every_input: Path, column: str, value: int | None, told: str, tmp_path: Path
) -> None:
    copied = tmp_path / "model"
    shutil.copytree(every_input, copied)
    path = copied / "encoding" / "log.parquet"
    frame = pl.read_parquet(path)
    frame.with_columns(pl.lit(value).cast(frame.schema[column]).alias(column)).write_parquet(path)
    seal(copied)
    with pytest.raises(DataError, match=told):
        open_folder(copied, torch.device("cpu"))


@pytest.mark.parametrize("time", [0, -(2**63), -(2**62), 2**62, None])
def test_a_time_far_from_those_of_the_log_changes_no_other_row(
    time: int | None, every_input: Path, tmp_path: Path
) -> None:
    before = predicted(every_input, newer().head(4), tmp_path)
    is_last = pl.int_range(pl.len()) == 3
    strange = newer().head(4).with_columns(minute=pl.when(is_last).then(time).otherwise("minute"))
    scores = predicted(every_input, strange, tmp_path)
    assert np.isfinite(scores.select("click", "buy").to_numpy()).all()
    assert scores.head(3).equals(before.head(3))
