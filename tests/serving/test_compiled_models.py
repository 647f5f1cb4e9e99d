"""Every model scores the same as a graph of a scenario, in torch and in ONNX; HiNet also as machine code.

`python benchmarks/bench_serving.py --quick --model all` compiles all of them, which takes a quarter of an hour.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import expit
from torch import nn

from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.plugins import load, names
from hinet_search.data.columns import ChosenInputs, Columns
from hinet_search.data.schema import Schema
from hinet_search.models.hinet import Model as HiNet
from hinet_search.serving.compiled import write
from hinet_search.serving.compiled.program import program_of
from hinet_search.serving.compiled.run import FORMATS, encoded
from hinet_search.serving.compiled.scoring import MemberScoring
from hinet_search.serving.model_folder import ExportedMember
from hinet_search.study.load_study import MODELS
from hinet_search.training.trainable import trainable
from hinet_search.training.trial_config import build_config

SCHEMA = Schema(
    scenarios=("feed", "search", "cart"),
    tasks=("click", "order"),
    categorical=("user", "item"),
    vocabulary_sizes=(7, 5),
    numeric=("age",),
)
SCENARIO = 1
FORMS = {
    "top_k": ("hinet", {"model.san.top_k": 1}),
    "partitioned_norm": ("star", {"model.partitioned_norm": True}),
    "per_scenario": ("mmoe", {"model.protocol": "per_scenario"}),
}
SMALLER = {"trees": {"model.max_rounds": 5, "model.min_samples_leaf": 2, "model.l2": 0}}
CASES = {name: (name, SMALLER.get(name, {})) for name in names(MODELS)} | FORMS
TOLERANCE = 1e-5


def columns(num_rows: int) -> Columns:
    """Rows of all scenarios, in which labels differ, with ids up to two beyond vocabularies."""
    draw = np.random.default_rng(0)
    user, item = draw.integers(0, 9, num_rows), draw.integers(0, 7, num_rows)
    scenario = draw.integers(0, len(SCHEMA.scenarios), num_rows)
    chance = 0.05 * user + np.array([0.0, 0.5, 0.2])[scenario]
    return Columns(
        ids_RF=np.stack([user, item], axis=1).astype(np.int32),
        numeric_RN=draw.normal(size=(num_rows, 1)).astype(np.float32),
        scenario_R=scenario.astype(np.int16),
        labels_RT=(draw.random((num_rows, 2)) < chance[:, None]).astype(np.uint8),
        user_R=user.astype(np.int32),
        lists_RS=np.zeros((num_rows, 0), dtype=np.int32),
    )


def member(case: str) -> ExportedMember:
    """A model with weights that are large enough to tell its parts apart."""
    name, settings = CASES[case]
    torch.manual_seed(0)
    model = build_config(name, settings).build(SCHEMA)
    if isinstance(model, nn.Module):
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    else:
        list(model.stages(columns(600), seed=0))
    if isinstance(model, HiNet):
        model.begin_pass(passes_done=1)
    chosen = ChosenInputs.of(SCHEMA, {}, "all")
    return ExportedMember(0, 1.0, chosen, trainable(model, SCHEMA, torch.device("cpu")))


def check(case: str, kinds: Iterable[str], folder: Path) -> None:
    """Compare a model with its graph in formats, for all rows and for one alone."""
    built, rows = member(case), columns(40)
    rows.scenario_R[:] = SCENARIO
    inputs = encoded(rows)
    module = MemberScoring(built, SCENARIO, SCHEMA.num_scenarios)
    program = program_of(module, [torch.from_numpy(array[:3]) for array in inputs.values()])
    expected_RT = expit(built.model.scores(rows))
    assert np.ptp(expected_RT, axis=0).min() > 0.001, "rows must differ by more than graphs may"
    for kind in kinds:
        (folder / kind).mkdir()
        load(FORMATS, kind).write([("graph", program)], folder / kind, "logits")
        run = load(FORMATS, kind).opened(folder / kind, "graph")
        assert_allclose(expit(run(inputs)), expected_RT, rtol=0, atol=TOLERANCE)
        alone = {name: array[:1] for name, array in inputs.items()}
        assert_allclose(expit(run(alone)), expected_RT[:1], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("case", CASES)
def test_a_model_scores_the_same_as_a_graph(case: str, tmp_path: Path) -> None:
    check(case, (kind for kind in names(FORMATS) if not load(FORMATS, kind).IS_CODE), tmp_path)


def test_hinet_scores_the_same_as_machine_code(tmp_path: Path) -> None:
    check("hinet", ["aoti"], tmp_path)


def test_without_a_compiler_machine_code_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(EnvironmentFault, match=r"no g\+\+ and no clang\+\+\ninstall g\+\+"):
        write.require(["aoti"])
    monkeypatch.setenv("CXX", "/opt/c++")
    with pytest.raises(EnvironmentFault, match="found no /opt/c++".replace("+", r"\+")):
        write.require(["aoti"])


def test_trees_split_by_scenario_as_each_scenario_goes() -> None:
    built, rows = member("trees"), columns(40)
    forest = built.model.model.forest
    is_inner_N = forest.left_N != np.arange(forest.value_N.size)
    assert (forest.feature_N[is_inner_N] == len(SCHEMA.categorical)).any()
    arrays = [torch.from_numpy(array) for array in encoded(rows).values()]
    for scenario in range(SCHEMA.num_scenarios):
        own = replace(rows, scenario_R=np.full_like(rows.scenario_R, scenario))
        logits_RT = MemberScoring(built, scenario, SCHEMA.num_scenarios)(*arrays).numpy()
        assert_allclose(expit(logits_RT), expit(built.model.scores(own)), rtol=0, atol=TOLERANCE)


def test_an_operation_that_writes_into_its_argument_becomes_a_graph() -> None:
    class Writing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x + 1).mul_(2)

    rows = torch.ones(3, 2)
    assert torch.equal(program_of(Writing(), [rows]).module()(rows[:1]), torch.full((1, 2), 4.0))
