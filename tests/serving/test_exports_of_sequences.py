"""Models that read sequences: exported with the rows that these show."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import hinet_search as hs
from hinet_search.data.derived.inputs import EncodedLists, with_sequences
from hinet_search.data.rows import read_rows
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.model_folder import open_folder
from hinet_search.study.load_study import load_study
from tests.serving.log_shop import LogShop, newer, shop

SEEN = {"of": "user", "items": ["item"], "labels": ["click"], "labels_after": "1h"}


@pytest.fixture
def model(sequences: LogShop) -> Path:
    return sequences.folder / "din"  # which reads sequences by two readers


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


def test_models_with_each_reader_train_beside_models_without_sequences(
    sequences: LogShop,
) -> None:
    record = sequences.record
    assert {arm.name for arm in record.arms if arm.finalists} == {arm.name for arm in record.arms}
    assert dict(record.data.groups) == {"events": 4, "sequences": 4 + 3}


def test_models_that_read_sequences_are_exported_with_the_rows_that_these_show(
    sequences: LogShop,
) -> None:
    folder = sequences.folder
    for arm in ("din", "bst", "events", "trees", "ensemble"):
        names = {path.stem for path in (folder / arm / "encoding").iterdir()}
        assert "log" in names, arm
    assert [each.reader for each in encoder_of(folder / "bst").schema.sequences] == ["bst", "bst"]
    assert [each.reader for each in encoder_of(folder / "din").schema.sequences] == ["din", "mean"]


def test_newer_rows_have_the_sequences_of_one_table(model: Path, tmp_path: Path) -> None:
    encoder = encoder_of(model)
    table = newer().with_columns(pl.col("price", "age").cast(pl.Float64))
    labels = table.select("clicked", "bought").to_numpy().astype(np.uint8)
    seen = encoder.seen(table, encoder.rows_after(encoder.log, table, labels))
    expected = slots_of_one_table(model, tmp_path)
    assert_array_equal(encoder.columns(table, seen).lists_RS, expected)
    assert (expected > 0).any(axis=0).all()


@pytest.mark.parametrize("arm", ["din", "bst"])
def test_a_graph_scores_sequences_as_the_network_does(
    arm: str, sequences: LogShop, tmp_path: Path
) -> None:
    folder, to = sequences.folder, tmp_path / "model"
    made = hs.export(str(folder / "shop.yaml"), to, arm=arm, onnx=True, output=folder / "out")
    assert made.graph is not None
    assert made.graph.difference <= 1e-5


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"sequences": {"seen": SEEN | {"items": ["price"]}}}, "tasks of 0 and 1, got price"),
        ({"sequences": {"seen": SEEN | {"labels": ["view"]}}}, "tasks of 0 and 1, got view"),
        ({"categorical": ["user", "item", "seen gap"]}, "another name, got twice: seen gap"),
        ({"time": None}, "time must be named for events, sessions, sequences and visits alone"),
    ],
)
def test_a_file_of_sequences_that_do_not_fit_the_model_is_refused(
    changed: dict[str, object], told: str, model: Path
) -> None:
    inputs = encoder_of(model).inputs.model_dump(mode="json")
    with pytest.raises(ValueError, match=told):
        Inputs.model_validate({**inputs, **changed})
