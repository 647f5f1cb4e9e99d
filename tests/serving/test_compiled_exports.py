"""Exports with graphs: what is written and checked, the reader of tables, and what is refused."""

import copy
import dataclasses
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.common.plugins import load
from hinet_search.common.spaced import say_nothing
from hinet_search.data.encode import Scale
from hinet_search.serving.choice import GraphChoice
from hinet_search.serving.compiled import write
from hinet_search.serving.compiled.formats import onnx as onnx_format
from hinet_search.serving.compiled.formats import torch as torch_format
from hinet_search.serving.compiled.layout import COMPILED, MIXED, layout_of, read_layout
from hinet_search.serving.compiled.program import program_of
from hinet_search.serving.compiled.run import FORMATS, Run, encoded, has_graphs, open_compiled
from hinet_search.serving.compiled.scoring import MixedScoring, PiecewiseLinear, ScenarioScoring
from hinet_search.serving.model_file import CalibratedCell
from hinet_search.serving.predict import predictions
from tests.serving.compiled_shop import Written, columns_of, export_shop
from tests.serving.shop import predicted

TORCH = GraphChoice(("torch",))
KNOTS = {"knots": (-0.5, 0.0, 0.0, 0.5), "values": (-2.0, 0.1, 0.1, 3.0)}
CELLS = (
    CalibratedCell(scenario="Home", task="click", kind="platt", slope=0.5, knots=(0,), values=(1,)),
    CalibratedCell(scenario="Push", task="buy", kind="isotonic", slope=0.1, **KNOTS),
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """An arm, as graphs of both formats."""
    return export_shop(tmp_path_factory.mktemp("compiled"))


@pytest.fixture
def copied(written: Written, tmp_path: Path) -> Path:
    """A copy of the folder."""
    return Path(shutil.copytree(written.folder, tmp_path / "model"))


def reader(folder: Path) -> object:
    """The module score.py of a folder."""
    spec = importlib.util.spec_from_file_location("score", folder / COMPILED / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_export_tells_its_graphs_and_the_largest_difference(written: Written) -> None:
    compiled = written.export.compiled
    assert compiled is not None
    assert (compiled.formats, compiled.num_graphs) == (("onnx", "torch"), 3)
    assert compiled.difference <= 1e-5
    names = {"onnx/weights.bin", "score.py", "torch/mixed.pt2", "onnx/scenario.1.onnx"}
    assert {f"{COMPILED}/{name}" for name in names} <= set(written.export.files)
    assert read_layout(written.folder / COMPILED).absent_cells == (("Push", "buy"),)


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_rows_score_as_predict_scores_them(kind: str, written: Written) -> None:
    expected_RT = predictions(written.exported, written.columns)
    got_RT = open_compiled(written.folder, kind).score(written.columns)
    assert np.nanmax(expected_RT) - np.nanmin(expected_RT) > 0.05
    assert np.isnan(expected_RT[:, 1]).tolist() == (written.columns.scenario_R == 1).tolist()
    assert_allclose(got_RT, expected_RT, rtol=0, atol=1e-5)


def test_a_named_scenario_counts_for_all_rows(written: Written) -> None:
    at_push = dataclasses.replace(written.columns, scenario_R=1 + 0 * written.columns.scenario_R)
    got_RT = open_compiled(written.folder).score(written.columns, "Push")
    assert_allclose(got_RT, predictions(written.exported, at_push), rtol=0, atol=1e-5)
    with pytest.raises(ConfigurationError, match="did you mean 'Push'"):
        open_compiled(written.folder).score(written.columns, "Puhs")
    none = written.columns.head(0)
    assert open_compiled(written.folder).score(none, "Push").shape == (0, 2)


def test_the_reader_scores_a_table_without_this_package(written: Written) -> None:
    module = reader(written.folder)
    source = (written.folder / COMPILED / "score.py").read_text()
    assert "hinet_search" not in source
    assert "import torch" not in source
    got_RT = module.Scorer(written.folder / COMPILED).score(written.raw.to_arrow())
    expected_RT = predictions(written.exported, written.columns)
    assert_allclose(got_RT, expected_RT, rtol=0, atol=1e-5)


def test_the_reader_takes_a_dict_and_scores_a_missing_value_as_an_unknown_one(
    written: Written,
) -> None:
    scorer = reader(written.folder).Scorer(written.folder / COMPILED)
    one = written.raw.head(1)
    unknown, red = (one.with_columns(colour=pl.lit(colour)) for colour in ("pink", "red"))
    missing = one.to_dict(as_series=False) | {"colour": [None]}
    assert_allclose(scorer.score(missing), scorer.score(unknown.to_arrow()), rtol=0, atol=0)
    assert (scorer.score(missing) != scorer.score(red.to_arrow())).all()


IS_LATER = pl.col("minute") > 99
ODD = {
    "as it is": {},
    "large ids": {"shelf": pl.when(IS_LATER).then(2**63 + pl.col("shelf").cast(pl.UInt64))},
    "large numbers": {"age": 2**60 + pl.col("minute")},
    "the largest number": {"age": float(np.finfo(np.float32).max)},
    "numbers as text": {"age": pl.when(IS_LATER).then(pl.lit(" 5.5 ")).otherwise(pl.lit(" "))},
    "missing": {"liked": None, "seen": None, "genres": None, "shelf": None, "age": None},
}


@pytest.mark.parametrize("changed", ODD.values(), ids=ODD)
def test_the_reader_encodes_odd_values_as_the_model_does(
    changed: dict[str, object], written: Written
) -> None:
    scorer = reader(written.folder).Scorer(written.folder / COMPILED)
    raw = written.raw.with_columns(**changed)
    expected, table = columns_of(written.exported, raw), raw.to_arrow()
    scenario_R = scorer.scenarios(table)
    np.testing.assert_array_equal(scenario_R, expected.scenario_R)
    np.testing.assert_array_equal(scorer.ids(table, scenario_R), expected.ids_RF)
    np.testing.assert_array_equal(scorer.lists(table), expected.lists_RS)
    assert_allclose(scorer.numbers(table), expected.numeric_RN, rtol=0, atol=1e-5)


def test_the_reader_is_a_command_of_any_folder(written: Written, tmp_path: Path) -> None:
    written.raw.write_parquet(tmp_path / "rows.parquet")
    command = [sys.executable, str(written.folder / COMPILED / "score.py"), "rows.parquet", "out"]
    subprocess.run(command, cwd=tmp_path, check=True)
    expected_RT = predictions(written.exported, written.columns)
    scores = pl.read_parquet(tmp_path / "out")
    assert_allclose(scores, expected_RT, rtol=0, atol=1e-5)
    assert scores["buy"].is_null().equals(written.raw["place"] == 2)
    assert pl.read_parquet_schema(tmp_path / "out").names() == ["click", "buy"]


def test_the_reader_reads_its_files_once(copied: Path, written: Written) -> None:
    scorer = reader(copied).Scorer(copied / COMPILED)
    shutil.rmtree(copied)
    first_RT = scorer.score(written.raw.to_arrow())
    assert_allclose(scorer.score(written.raw.to_arrow()), first_RT, rtol=0, atol=0)


def test_a_reader_that_encodes_otherwise_is_noticed(written: Written) -> None:
    expected_RT = predictions(written.exported, written.columns)
    prices = written.raw["price"].cast(pl.String) + " EUR"
    for raw, is_alike in (
        (written.raw, True),
        (written.raw.with_columns(pl.col("age") + 5), False),
        (written.raw.with_columns(prices), False),
    ):
        compiled, table = written.folder / COMPILED, raw.to_arrow()
        assert onnx_format.reads_alike(compiled, table, expected_RT, 1e-5) == is_alike


def test_the_reader_names_what_it_cannot_use(written: Written) -> None:
    scorer = reader(written.folder).Scorer(written.folder / COMPILED)
    with pytest.raises(ValueError, match="'place' must hold 1, 2, got 9"):
        scorer.score(written.raw.with_columns(place=pl.lit(9)).to_arrow())
    scorer.layout |= {"not_finite": "refuse"}
    with pytest.raises(ValueError, match="'price' must be finite"):
        scorer.score(written.raw.with_columns(price=pl.lit(np.inf)).to_arrow())
    scorer.layout |= {"reads_tables": False, "not_encoded": ["user click rate"]}
    with pytest.raises(ValueError, match="score_encoded: user click rate"):
        scorer.score(written.raw.to_arrow())


def test_the_graph_of_a_scenario_has_no_towers_of_the_other(written: Written) -> None:
    of_both_MIO = written.exported.members[0].model.model.towers.output.weight_LIO
    shape = (len(of_both_MIO) // 2, *of_both_MIO.shape[1:])
    num_towers = []
    for name in ("scenario.0", "mixed"):
        program = torch.export.load(written.folder / COMPILED / "torch" / f"{name}.pt2")
        weights = program.state_dict.values()
        num_towers.append(sum(weight.shape == shape for weight in weights))
    assert num_towers == [1, 2]


def test_all_graphs_read_one_copy_of_the_embeddings(written: Written) -> None:
    embedding = written.exported.members[0].model.model.embedding.table.weight
    folder, places = written.folder / COMPILED / "onnx", []
    for path in sorted(folder.glob("*.onnx")):
        graph = onnx.load(path, load_external_data=False).graph
        (table,) = [each for each in graph.initializer if tuple(each.dims) == embedding.shape]
        places.append({entry.key: entry.value for entry in table.external_data})
    assert len(places) == 3
    assert places[0] == places[1] == places[2]
    assert places[0]["location"] == "weights.bin"


def test_predict_still_reads_the_folder(written: Written, tmp_path: Path) -> None:
    assert len(predicted(written.folder, written.raw, tmp_path)) == len(written.raw)


@pytest.mark.parametrize("scale", ["probabilities", "logits"])
def test_calibrated_averages_are_those_of_predict(scale: str, written: Written) -> None:
    (first,) = written.exported.members
    other = copy.deepcopy(first)
    for parameter in other.model.model.parameters():
        parameter.data *= -2
    members = (dataclasses.replace(first, weight=0.3), dataclasses.replace(other, weight=0.7))
    file = written.exported.file.model_copy(update={"calibration": CELLS, "scale": scale})
    exported = dataclasses.replace(written.exported, file=file, members=members)
    expected_RT = predictions(exported, written.columns)
    scoring = MixedScoring([ScenarioScoring(exported, number) for number in range(2)])
    columns = written.columns
    arrays = (columns.ids_RF, columns.numeric_RN, columns.lists_RS, columns.scenario_R)
    with torch.no_grad():
        got_RT = scoring(*map(torch.from_numpy, arrays))
    assert_allclose(got_RT, expected_RT, rtol=0, atol=1e-6)


class Numbers(torch.nn.Module):
    """A member whose logits are multiples of the first two numbers."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, _ids: torch.Tensor, numbers: torch.Tensor, _lists: torch.Tensor) -> object:
        return self.factor * numbers[:, :2]


def test_calibrated_averages_are_the_same_in_graphs(written: Written, tmp_path: Path) -> None:
    file = written.exported.file.model_copy(update={"calibration": CELLS})
    scoring = ScenarioScoring(dataclasses.replace(written.exported, file=file), 1)
    scoring.members = torch.nn.ModuleList([Numbers(1), Numbers(-2)])
    scoring.weights = [0.3, 0.7]
    inputs = encoded(written.columns)
    tensors = [torch.from_numpy(array) for array in inputs.values()]
    program = program_of(scoring, tensors)
    for kind in ("onnx", "torch"):
        (tmp_path / kind).mkdir()
        load(FORMATS, kind).write([("graph", program)], tmp_path / kind, "probabilities")
        got_RT = load(FORMATS, kind).opened(tmp_path / kind, "graph")(inputs)
        assert_allclose(got_RT, scoring(*tensors), rtol=0, atol=1e-6)


def test_a_row_is_not_scored_if_a_member_has_no_finite_logit_for_it(written: Written) -> None:
    scoring = ScenarioScoring(written.exported, 0)
    scoring.members = torch.nn.ModuleList([Numbers(1), Numbers(torch.inf)])
    scoring.weights = [0.5, 0.5]
    ids, numbers, lists = torch.zeros(1, 3), torch.ones(1, 2), torch.zeros(1, 5)
    assert scoring(ids, numbers, lists).isnan().all()


def test_graphs_that_score_otherwise_are_not_exported(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "predictions", lambda *rows: predictions(*rows) + 2e-5)
    layout = read_layout(written.folder / COMPILED)
    folder = written.folder / COMPILED
    check = write._Check(written.exported, folder, layout, written.columns, say_nothing)
    with pytest.raises(DataError, match=r"the onnx graph '.*' must score .* nothing is exported"):
        check.largest_difference("onnx")


def test_a_model_that_cannot_become_a_graph_is_told_with_the_reason(
    written: Written, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(copied / COMPILED)
    monkeypatch.setattr(
        PiecewiseLinear, "forward", lambda _self, logit_R: logit_R[: int(logit_R.sum().item())]
    )
    with pytest.raises(ConfigurationError, match=r"arm 'shared_bottom'.* cannot become a graph: "):
        write.write_compiled(written.exported, copied, TORCH, written.raw)


def test_memory_that_runs_out_is_no_fault_of_the_model(
    written: Written, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")

    shutil.rmtree(copied / COMPILED)
    monkeypatch.setattr(write, "program_of", full)
    with pytest.raises(MemoryError, match=r"graphs on cpu .*; export on a machine with more"):
        write.write_compiled(written.exported, copied, TORCH, written.raw)


@pytest.fixture
def programs(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are those of the export, so that they are not made again."""
    folder = written.folder / COMPILED / "torch"
    loaded = {path.stem: torch.export.load(path) for path in folder.glob("*.pt2")}
    monkeypatch.setattr(write, "_programs", lambda *_of_model: loaded)


@pytest.mark.usefixtures("programs")
def test_a_mixed_graph_that_scores_otherwise_leaves_no_folder(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(folder: Path, name: str) -> Run:
        run = open_graph(folder, name)
        return lambda inputs: run(inputs) + (2e-5 if name == MIXED else 0)

    open_graph = torch_format.opened
    monkeypatch.setattr(torch_format, "opened", opened)
    out, study = written.folder.parent / "out", str(written.folder.parent / "shop.yaml")
    with pytest.raises(DataError, match="the torch graph 'mixed' must score"):
        hs.export(study, tmp_path / "model", arm="shared_bottom", formats=["torch"], output=out)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("programs")
def test_a_reader_that_differs_is_told_in_the_layout(
    written: Written, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(copied / COMPILED)
    monkeypatch.setattr(torch_format, "reads_alike", lambda *_read: False)
    write.write_compiled(written.exported, copied, TORCH, written.raw)
    layout = open_compiled(copied).layout
    assert (layout.reads_tables, layout.not_encoded) == (False, ())


def test_numbers_made_of_labels_are_not_read_from_tables(written: Written) -> None:
    encoder = written.exported.encoder
    scales = (*encoder.inputs.scales, Scale("click rate of user", 0.1, 1.0, flagged=False))
    inputs = encoder.inputs.model_copy(update={"scales": scales})
    layout = layout_of(dataclasses.replace(encoder, inputs=inputs), GraphChoice(("onnx",)))
    assert (layout.reads_tables, layout.not_encoded) == (False, ("click rate of user",))


def test_formats_that_are_unknown_or_lack_packages_are_refused_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'onnx'"):
        hs.export("no-study", tmp_path, formats=["onxx"])
    monkeypatch.setattr(onnx_format, "PACKAGES", ("onnx", "not_installed"))
    with pytest.raises(EnvironmentFault, match=r"not_installed cannot be imported\npip install"):
        hs.export("no-study", tmp_path, formats=["onnx"])


def test_a_changed_graph_is_refused(copied: Path) -> None:
    path = copied / COMPILED / "onnx" / "scenario.0.onnx"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DataError, match=r"onnx/scenario\.0\.onnx must be as exported"):
        open_compiled(copied)
    shutil.rmtree(path.parent)
    assert open_compiled(copied, "torch").runs.keys() == {"Home", "Push"}


def test_a_folder_without_graphs_or_with_a_damaged_description_is_refused(copied: Path) -> None:
    path = copied / COMPILED / "compiled.json"
    content = json.loads(path.read_text())
    with pytest.raises(ConfigurationError, match="but not of 'tensorrt'"):
        open_compiled(copied, "tensorrt")
    path.write_text(json.dumps(content | {"format": 2}))
    with pytest.raises(DataError, match="must describe graphs, but is damaged"):
        open_compiled(copied)
    path.unlink()
    with pytest.raises(DataError, match=r"has no compiled\.json"):
        open_compiled(copied)


def test_machine_code_is_opened_only_if_it_is_named(copied: Path) -> None:
    layout = copied / COMPILED / "compiled.json"
    written = json.loads(layout.read_text())
    layout.write_text(json.dumps(written | {"formats": ["aoti"]}))
    assert not has_graphs(copied)
    with pytest.raises(
        ConfigurationError, match="machine code, aoti, which is opened only if its format is named"
    ):
        open_compiled(copied)
    layout.write_text(json.dumps(written | {"formats": ["aoti", "onnx"]}))
    assert has_graphs(copied)
    assert open_compiled(copied).layout.formats == ("aoti", "onnx")
