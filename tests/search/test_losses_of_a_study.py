"""Studies that fix or search their losses and weights, launched from YAML to the report."""

from pathlib import Path

import pytest
import torch

from hinet_search import api
from hinet_search.results.study_record import StudyRecord
from hinet_search.serving.model_folder import open_folder
from hinet_search.training.train_config import NamedWeights
from hinet_search.training.trial_config import whole_config
from tests.small import STUDY, write_study

ONE_ARM = (
    STUDY.replace("{shared_bottom: , mmoe: }", "{mmoe: {space: losses}}") + "reference: mmoe\n"
)
SPACE = """\
parameters:
  train.loss:
    kind: categorical
    choices: [cross_entropy, pairs_within_users]
    default: pairs_within_users
  train.ranking_weight:
    kind: float
    low: 0.1
    high: 10.0
    log: true
    default: 0.5
    when: {train.loss: [pairs_within_users]}
  train.task_weights.order: {kind: float, low: 0.5, high: 4.0, default: 1.0}
  train.scenario_weights: {kind: categorical, choices: [rows, equal], default: rows}
fixed: {model.embedding_dim: 2, train.batch_size: 256}
"""
SHUFFLED = "fixed: {train.shuffle: users}\n"
PAIRS = ("pairs_within_users",)


def launched(folder: Path, text: str) -> StudyRecord:
    (folder / "losses.yaml").write_text(SPACE)
    return api.launch(str(write_study(folder, text)), output=folder / "out")


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyRecord, str]:
    """The record and the report of a study that searches its loss, on batches of whole users."""
    folder = tmp_path_factory.mktemp("searched")
    record = launched(folder, ONE_ARM.replace("trials: 3", "trials: 6") + SHUFFLED)
    return record, next(folder.rglob("*.html")).read_text()


def test_every_trial_of_a_searched_loss_is_trained(searched: tuple[StudyRecord, str]) -> None:
    record, _ = searched
    (arm,) = record.arms
    assert [trial.state for trial in arm.trials] == ["complete"] * 6
    assert len({trial.parameters["train.loss"] for trial in arm.trials}) > 1
    assert arm.trials[0].parameters["train.loss"] == "pairs_within_users"


def test_a_weight_of_pairs_is_drawn_only_for_losses_of_pairs(
    searched: tuple[StudyRecord, str],
) -> None:
    record, _ = searched
    for trial in record.arms[0].trials:
        has_pairs = trial.parameters["train.loss"] in PAIRS
        assert ("train.ranking_weight" in trial.parameters) == has_pairs


def test_the_report_names_losses_and_weights(searched: tuple[StudyRecord, str]) -> None:
    _, page = searched
    for name in ("train.loss", "train.ranking_weight", "train.task_weights.order"):
        assert name in page


def test_a_study_that_fixes_its_loss_and_weights_is_exported_with_them(tmp_path: Path) -> None:
    fixed = (
        "fixed: {train.loss: pairs_within_users, train.task_weights.order: 2.0, "
        "train.scenario_weights.home: 3, train.batch_size: 256, model.embedding_dim: 2}\n"
    )
    text = ONE_ARM.replace("{space: losses}", "").replace("trials: 3", "trials: 1")
    record = launched(tmp_path, text + fixed)
    assert record.arms[0].fixed["train.task_weights.order"] == 2.0
    folder = tmp_path / "shipped"
    api.export(str(tmp_path / "small.yaml"), folder, output=tmp_path / "out")
    model = open_folder(folder, torch.device("cpu")).file.models[0]
    train = whole_config(model.model, model.settings).train
    assert train.loss == "pairs_within_users"
    assert train.task_weights.of(["click", "order"]) == [1.0, 2.0]
    assert isinstance(train.scenario_weights, NamedWeights)
    assert train.scenario_weights.of(["home", "push"]) == [3.0, 1.0]
