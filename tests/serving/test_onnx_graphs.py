"""Exports with an ONNX graph: it scores as `predict` does, says what its inputs hold, and is sealed."""

import dataclasses
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import expit
from torch import nn

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.common.plugins import names
from hinet_search.data.columns import ChosenInputs, Columns
from hinet_search.data.schema import Schema
from hinet_search.serving import choice, onnx_graph
from hinet_search.serving.model_file import CalibratedCell
from hinet_search.serving.model_folder import ExportedMember, LoadedModel, open_folder
from hinet_search.serving.onnx_graph import PiecewiseLinear, Scoring, graph_inputs, write_graph
from hinet_search.serving.sealed import GRAPH
from hinet_search.study.load_study import MODELS
from hinet_search.training.trainable import trainable
from hinet_search.training.trial_config import build_config
from tests.serving.graph_shop import CPU, Written, export_shop, graph_scores
from tests.serving.shop import Shop, predicted

KNOTS = {"knots": (-0.5, 0.0, 0.0, 0.5), "values": (-2.0, 0.1, 0.1, 3.0)}
CELLS = (
    CalibratedCell(scenario="Home", task="click", kind="platt", slope=0.5, knots=(0,), values=(1,)),
    CalibratedCell(scenario="Push", task="click", kind="isotonic", slope=0.1, **KNOTS),
)
SCHEMA = Schema(
    scenarios=("feed", "search"),
    tasks=("click", "order"),
    categorical=("user", "item"),
    vocabulary_sizes=(7, 5),
    numeric=("age",),
)
SETTINGS = {  # that add layers to the graph of a model
    "hinet": {"model.san.top_k": 1, "model.normalisation": "layer"},
    "star": {"model.partitioned_norm": True},
    "final_mlp": {"model.normalisation": "batch"},
    "hmoe": {"model.normalisation": "batch"},
}
NETWORKS = sorted({*names(MODELS)} - {"trees"})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """An arm, with its graph."""
    return export_shop(tmp_path_factory.mktemp("graph"))


@pytest.fixture
def copied(written: Written, tmp_path: Path) -> Path:
    """A copy of the folder."""
    return Path(shutil.copytree(written.folder, tmp_path / "model"))


def columns(num_rows: int) -> Columns:
    """Rows of both scenarios, with ids up to two beyond vocabularies."""
    draw = np.random.default_rng(0)
    return Columns(
        ids_RF=draw.integers(0, [9, 7], (num_rows, 2)).astype(np.int32),
        numeric_RN=draw.normal(size=(num_rows, 1)).astype(np.float32),
        scenario_R=draw.integers(0, 2, num_rows).astype(np.int16),
        labels_RT=np.zeros((num_rows, 2), dtype=np.uint8),
        user_R=np.zeros(num_rows, dtype=np.int32),
        lists_RS=np.zeros((num_rows, 0), dtype=np.int32),
    )


def exported_model(name: str) -> LoadedModel:
    """What a graph is made of: a model with weights that are large enough to tell its parts apart."""
    torch.manual_seed(0)
    model = build_config(name, SETTINGS.get(name, {})).build(SCHEMA)
    assert isinstance(model, nn.Module)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    if name == "hinet":
        model.begin_epoch(epochs_done=1)
    chosen = ChosenInputs.of(SCHEMA, {}, "all")
    inputs = SimpleNamespace(
        tasks=SCHEMA.tasks,
        scenario=SimpleNamespace(names=SCHEMA.scenarios),
        has_task=SCHEMA.has_task,
        is_amount=SCHEMA.is_amount,
        units=np.ones(2),
        predicted="probabilities",
    )
    return SimpleNamespace(
        members=(ExportedMember(0, 1.0, chosen, trainable(model, SCHEMA, CPU)),),
        file=SimpleNamespace(inputs=inputs, calibrators={}),
        encoder=SimpleNamespace(schema=SCHEMA),
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_scores_the_same_as_a_graph(name: str, tmp_path: Path) -> None:
    exported, rows = exported_model(name), columns(40)
    onnx_graph._graph(exported).save(tmp_path / GRAPH)
    session = onnxruntime.InferenceSession(tmp_path / GRAPH)
    expected_RT = expit(exported.members[0].model.scores(rows))
    assert np.ptp(expected_RT, axis=0).min() > 0.001, "rows must differ by more than graphs may"
    for some in (rows, rows.head(1)):
        (graph_RT,) = session.run(None, graph_inputs(some))
        assert_allclose(graph_RT, expected_RT[: some.num_rows], rtol=0, atol=1e-5)


def test_rows_score_as_predict_scores_them(written: Written) -> None:
    assert written.export.graph is not None
    assert written.export.graph.difference <= 1e-5
    expected_RT = written.exported.predictions(written.columns)
    assert np.nanmax(expected_RT) - np.nanmin(expected_RT) > 0.05
    assert np.isnan(expected_RT[:, 1]).tolist() == (written.columns.scenario_R == 1).tolist()
    graph_RT = graph_scores(written.folder, written.columns)
    assert_allclose(graph_RT, expected_RT, rtol=0, atol=1e-5)


def test_a_graph_says_what_its_inputs_and_its_output_hold(written: Written) -> None:
    session = onnxruntime.InferenceSession(written.folder / GRAPH)
    assert [each.name for each in session.get_inputs()] == list(onnx_graph.INPUTS)
    assert [each.name for each in session.get_outputs()] == ["probabilities"]
    told = json.loads(session.get_modelmeta().custom_metadata_map["inputs"])
    schema = written.exported.encoder.schema
    assert told["ids"] == list(schema.categorical)
    assert told["numbers"] == list(schema.numeric)
    assert told["lists"] == {"genres": 2, "liked": 3, "seen": 2}
    assert (told["scenario"], told["tasks"]) == (["Home", "Push"], ["click", "buy"])


def test_all_scenarios_read_one_copy_of_the_embeddings(written: Written) -> None:
    import onnx

    embedding = written.exported.members[0].model.model.embedding.table.weight
    initializers = onnx.load(written.folder / GRAPH).graph.initializer
    assert sum(tuple(each.dims) == embedding.shape for each in initializers) == 1


def test_a_graph_is_sealed_like_other_files(copied: Path, written: Written, tmp_path: Path) -> None:
    assert len(predicted(copied, written.raw, tmp_path)) == len(written.raw)
    path = copied / GRAPH
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DataError, match=r"model\.onnx: has changed"):
        open_folder(copied, CPU)
    path.unlink()
    with pytest.raises(DataError, match=r"model\.onnx: is missing"):
        open_folder(copied, CPU)


def test_calibrated_predictions_are_those_of_predict(written: Written, copied: Path) -> None:
    file = written.exported.file.model_copy(update={"calibration": CELLS})
    exported = dataclasses.replace(written.exported, folder=copied, file=file)
    write_graph(exported, written.raw)
    expected_RT = exported.predictions(written.columns)
    assert (expected_RT[:, 0] != written.exported.predictions(written.columns)[:, 0]).all()
    assert_allclose(graph_scores(copied, written.columns), expected_RT, rtol=0, atol=1e-6)


class Endless(nn.Module):
    """A model without a finite logit."""

    def forward(self, batch: object) -> torch.Tensor:
        return torch.full((batch.num_rows, 2), torch.inf)


def test_a_row_without_a_finite_logit_is_not_scored(written: Written) -> None:
    scoring = Scoring(written.exported)
    scoring.model = Endless()
    tensors = [torch.from_numpy(array) for array in graph_inputs(written.columns).values()]
    assert scoring(*tensors).isnan().all()


def test_a_graph_that_scores_otherwise_leaves_no_folder(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = LoadedModel.predictions
    monkeypatch.setattr(LoadedModel, "predictions", lambda *rows: score(*rows) + 2e-5)
    study, out = str(written.folder.parent / "shop.yaml"), written.folder.parent / "out"
    with pytest.raises(DataError, match=r"model\.onnx must score .* nothing is exported"):
        hs.export(study, tmp_path / "model", arm="shared_bottom", onnx=True, output=out)
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_become_a_graph_is_told_with_the_reason(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        PiecewiseLinear, "forward", lambda _self, logit_R: logit_R[: int(logit_R.sum().item())]
    )
    with pytest.raises(ConfigurationError, match=r"arm 'shared_bottom'.* cannot become an ONNX"):
        write_graph(written.exported, written.raw)


def test_memory_that_runs_out_is_no_fault_of_the_model(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")

    monkeypatch.setattr(onnx_graph, "_program", full)
    with pytest.raises(MemoryError, match=r"ONNX graph on cpu .*; export on a machine with more"):
        write_graph(written.exported, written.raw)


def test_several_models_have_no_graph(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="one model, not an ensemble of 2") as refused:
        shop.export("mmoe", tmp_path / "model", seeds="all", onnx=True)
    assert refused.value.remedy == "take --seeds best"
    assert not list(tmp_path.iterdir())


def test_trees_have_no_graph(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="only networks become ONNX graphs, got trees"):
        shop.export("trees", tmp_path / "model", onnx=True)
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_its_installation(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "ONNX_PACKAGES", ("onnx", "not_installed"))
    with pytest.raises(EnvironmentFault, match=r"not_installed cannot be imported\npip install"):
        shop.export("mmoe", tmp_path / "model", onnx=True)
