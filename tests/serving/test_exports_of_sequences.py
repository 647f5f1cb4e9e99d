"""Models that read sequences: exported with the rows that these show."""

from pathlib import Path

import pytest
import torch

import hinet_search as hs
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.model_folder import open_folder
from tests.serving.log_shop import LogShop

SEEN = {"of": "user", "items": ["item"], "labels": ["click"], "labels_after": "1h"}


@pytest.fixture
def model(sequences: LogShop) -> Path:
    return sequences.folder / "din"  # which reads sequences by two readers


def encoder_of(model: Path) -> Encoder:
    return open_folder(model, torch.device("cpu")).encoder


def test_models_that_read_sequences_are_exported_with_the_rows_that_these_show(
    sequences: LogShop,
) -> None:
    folder = sequences.folder
    for arm in ("din", "bst", "events", "trees", "ensemble"):
        names = {path.stem for path in (folder / arm / "encoding").iterdir()}
        assert "log" in names, arm
    assert [each.reader for each in encoder_of(folder / "bst").schema.sequences] == ["bst", "bst"]
    assert [each.reader for each in encoder_of(folder / "din").schema.sequences] == ["din", "mean"]


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
