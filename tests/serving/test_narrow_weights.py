"""Narrow weights of graphs: how near their vectors are, and what an export tells of their cost."""

import copy
import dataclasses
from pathlib import Path

import numpy as np
import onnx as onnx_package
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.metrics import roc_auc_score
from torch import nn

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError
from hinet_search.common.plugins import load
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.serving.compiled.program import program_of
from hinet_search.serving.compiled.run import FORMATS, open_compiled
from hinet_search.serving.compiled.weights import NarrowTable, cost_of, narrowed
from hinet_search.serving.model_folder import ExportedModel, open_folder
from hinet_search.serving.predict import predictions
from tests.serving.compiled_shop import CPU, STUDY, Written, columns_of, table
from tests.serving.shop import launch_shop


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study of the shop, launched."""
    return launch_shop(tmp_path_factory.mktemp("narrow"), table(), STUDY).study


@pytest.fixture(scope="module")
def written(study: Path) -> Written:
    """The arm as torch programs with embeddings of int8."""
    options = {"formats": ["torch"], "weights": "int8", "output": study.parent / "out"}
    export = hs.export(str(study), study.parent / "model", arm="shared_bottom", **options)
    exported = open_folder(export.folder, CPU)
    raw = table().filter(table()["place"] <= 2)
    return Written(export, exported, raw, columns_of(exported, raw))


def embedding_of(exported: ExportedModel) -> FeatureEmbedding:
    model = exported.members[0].model.model
    assert isinstance(model, nn.Module)
    return next(part for part in model.modules() if isinstance(part, FeatureEmbedding))


def with_table(written: Written, table_VE: torch.Tensor) -> ExportedModel:
    """The model with other vectors in the first rows of its table."""
    exported = dataclasses.replace(
        written.exported, members=copy.deepcopy(written.exported.members)
    )
    embedding_of(exported).table.weight.data[: len(table_VE)] = table_VE
    return exported


def narrow_table(exported: ExportedModel, weights: str) -> NarrowTable:
    narrow = embedding_of(narrowed(exported, weights)).table
    assert isinstance(narrow, NarrowTable)
    return narrow


def test_vectors_of_fp16_are_the_nearest_of_half_precision(written: Written) -> None:
    weight_VE = embedding_of(written.exported).table.weight.detach()
    narrow = narrow_table(written.exported, "fp16")
    got_VE = narrow.look_up(torch.arange(len(weight_VE)))
    assert got_VE.dtype == torch.float32
    assert torch.equal(got_VE, weight_VE.half().float())
    assert narrow.num_bytes == 2 * weight_VE.numel()


def test_numbers_of_int8_are_within_half_a_step_of_their_vector(written: Written) -> None:
    weight_VE = embedding_of(written.exported).table.weight.detach()
    narrow = narrow_table(written.exported, "int8")
    got_VE = narrow.look_up(torch.arange(len(weight_VE)))
    step_V1 = weight_VE.abs().amax(dim=1, keepdim=True) / 127
    assert bool(((got_VE - weight_VE).abs() <= 0.501 * step_V1).all())
    assert narrow.num_bytes == weight_VE.numel() + 4 * len(weight_VE)


def test_vectors_of_any_size_have_a_scale_of_their_own(written: Written) -> None:
    width = embedding_of(written.exported).table.weight.shape[1]
    sizes_V1 = torch.tensor([[0.0], [1e-20], [1.0], [1e20]])
    vectors_VE = sizes_V1 * torch.linspace(-1, 1, width)
    narrow = narrow_table(with_table(written, vectors_VE), "int8")
    assert_allclose(narrow.look_up(torch.arange(4)), vectors_VE, rtol=0.5, atol=0)


def test_numbers_that_half_precision_does_not_have_are_refused(written: Written) -> None:
    width = embedding_of(written.exported).table.weight.shape[1]
    exported = with_table(written, torch.full((1, width), 70_000.0))
    with pytest.raises(ConfigurationError, match="at most 65,504, got 70,000") as refused:
        narrowed(exported, "fp16")
    assert refused.value.remedy.startswith("--weights int8")


def test_the_model_itself_keeps_its_weights(written: Written) -> None:
    before_RT = predictions(written.exported, written.columns)
    narrow = narrowed(written.exported, "int8")
    assert np.nanmax(np.abs(predictions(narrow, written.columns) - before_RT)) > 0
    assert_allclose(predictions(written.exported, written.columns), before_RT, rtol=0, atol=0)
    assert narrowed(written.exported, "fp32") is written.exported


@pytest.mark.parametrize("weights", ["fp16", "int8"])
def test_a_graph_of_onnx_stores_narrow_vectors_and_looks_them_up(
    weights: str, written: Written, tmp_path: Path
) -> None:
    narrow, onnx = narrow_table(written.exported, weights), load(FORMATS, "onnx")
    rows = torch.tensor([[0, 5], [7, 7], [2, 0]], dtype=torch.int32)
    onnx.write([("graph", program_of(narrow, [rows]))], tmp_path, "vectors")
    got = onnx.opened(tmp_path, "graph")({"ids": rows.numpy()})
    assert_allclose(got, narrow.look_up(rows), rtol=0, atol=0)
    graph = onnx_package.load(tmp_path / "graph.onnx", load_external_data=False).graph
    stored = [each.data_type for each in graph.initializer if each.dims[1:] == [got.shape[-1]]]
    kinds = {"fp16": onnx_package.TensorProto.FLOAT16, "int8": onnx_package.TensorProto.INT8}
    assert stored == [kinds[weights]]


def test_programs_score_as_the_narrow_model_and_not_as_predict(written: Written) -> None:
    narrow_RT = predictions(narrowed(written.exported, "int8"), written.columns)
    got_RT = open_compiled(written.folder).score(written.columns)
    assert_allclose(got_RT, narrow_RT, rtol=0, atol=1e-5)
    assert np.nanmax(np.abs(got_RT - predictions(written.exported, written.columns))) > 1e-5
    assert open_compiled(written.folder).layout.weights == "int8"


def test_an_export_tells_bytes_and_auc_of_every_cell_on_validation(
    study: Path, written: Written
) -> None:
    cost = written.export.compiled.cost
    weight = embedding_of(written.exported).table.weight
    assert (cost.weights, cost.num_bytes_fp32) == ("int8", weight.nbytes)
    assert cost.num_bytes == weight.numel() + 4 * len(weight)
    record = hs.load(str(study), output=study.parent / "out")
    (run,) = record.arms[0].finalists[0].runs
    of_study = {(cell.scenario, cell.task): cell.auc for cell in run.valid_cells}
    assert {(cell.scenario, cell.task): cell.auc_fp32 for cell in cost.cells} == of_study
    assert cost.rows == record.data.rows[1]


def test_costs_are_those_of_the_narrow_model(written: Written) -> None:
    exported, valid = written.exported, written.columns
    labels_RT = np.random.default_rng(0).integers(0, 2, valid.labels_RT.shape, dtype=np.uint8)
    valid = dataclasses.replace(valid, labels_RT=labels_RT, user_R=valid.scenario_R.astype("int32"))
    narrow = narrowed(exported, "int8")
    cost = cost_of(exported, narrow, "int8", valid)
    before_RT, after_RT = predictions(exported, valid), predictions(narrow, valid)
    assert cost.difference == np.nanmax(np.abs(before_RT - after_RT))
    inputs = exported.file.inputs
    assert [(cell.scenario, cell.task) for cell in cost.cells] == [
        cell.name for cell in inputs.cells
    ]
    for cell, told in zip(inputs.cells, cost.cells, strict=True):
        of_cell = valid.scenario_R == cell.scenario_number, cell.task_number
        for predicted_RT, auc in ((before_RT, told.auc_fp32), (after_RT, told.auc)):
            assert auc == pytest.approx(roc_auc_score(labels_RT[of_cell], predicted_RT[of_cell]))
    assert any(cell.auc != cell.auc_fp32 for cell in cost.cells)


def test_narrow_weights_need_graphs(study: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="int8 are for graphs, but no format") as refused:
        hs.export(str(study), tmp_path / "model", weights="int8")
    assert "--format onnx" in refused.value.remedy
    with pytest.raises(ConfigurationError, match="must be one of fp32, fp16, int8, got 'fp8'"):
        hs.export(str(study), tmp_path / "model", formats=["torch"], weights="fp8")
