"""Jobs of an ensemble choose among stored scores, average models of any kind, and leave what students read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy.special import expit, logit

from hinet_search import api
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.search.plan.size_limits import default_of
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.jobs.ensemble import (
    EnsembleOnTest,
    ScoreEnsembleJob,
    ScoreMemberJob,
    Selected,
    SelectJob,
    TeachJob,
    WeightedScores,
    score_ensemble,
    score_member,
    score_train,
    select_members,
)
from hinet_search.training.jobs.messages import (
    Split,
    StoredModel,
    TrainingResult,
    TrainJob,
    scores_path,
    split_scores_path,
)
from hinet_search.training.jobs.score import restore_model
from hinet_search.training.jobs.train import train
from hinet_search.training.metrics import cell_values
from hinet_search.training.teaching import read_teacher
from hinet_search.training.trial_config import build_config
from tests.small import STUDY, write_study

WEIGHTS = (0.5, 0.2, 0.3)
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> PreparedStudy:
    folder = tmp_path_factory.mktemp("ensemble")
    text = STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: , trees: }")
    return api.ready(str(write_study(folder, text)), LaunchOptions(output=folder / "out"))


@pytest.fixture(scope="module")
def models(
    ready: PreparedStudy, tmp_path_factory: pytest.TempPathFactory
) -> tuple[StoredModel, ...]:
    """Two seeds of a network and a model that grows, each with weights and scores."""
    folder, network, trees = tmp_path_factory.mktemp("runs"), *ready.study.arms
    grown = build_config("trees", {**trees.space.values({}), "model.max_rounds": 10})
    configs = (default_of(network), default_of(network), grown)
    stored = []
    for seed, config in enumerate(configs):
        weights = folder / f"{seed}.safetensors"
        job = TrainJob(ready.dataset.folder, config, seed, "mean_auc", "cpu", weights)
        assert isinstance(sent(train, job)[-1], TrainingResult)
        stored.append(StoredModel(ready.dataset.folder, config, "cpu", weights))
    return tuple(stored)


def sent(function: Callable[..., None], job: Any) -> list[Any]:
    """What a job sends."""
    messages: list[Any] = []
    function(job, messages.append, lambda: False)
    return messages


@pytest.fixture(scope="module")
def members(models: tuple[StoredModel, ...]) -> tuple[WeightedScores, ...]:
    """The models' scores of all splits, as the jobs of members leave them."""
    members = []
    for model, weight in zip(models, WEIGHTS, strict=True):
        for split in SPLITS:
            assert sent(score_member, ScoreMemberJob(**vars(model), split=split)) == []
        scores = {split: split_scores_path(model.weights, split) for split in SPLITS}
        members.append(WeightedScores(weight, scores))
    return tuple(members)


def logits_of(models: tuple[StoredModel, ...], split: str) -> NDArray[np.float64]:
    """(M, R, T) scores of each model by itself."""
    restored = [restore_model(model) for model in models]
    return np.stack([each.model.scores(getattr(each.dataset, split)) for each in restored]).astype(
        float
    )


def test_a_teacher_scores_training_and_validation_rows_with_the_weighted_mean_of_its_members(
    ready: PreparedStudy,
    models: tuple[StoredModel, ...],
    members: tuple[WeightedScores, ...],
    tmp_path: Path,
) -> None:
    path = tmp_path / "teacher.safetensors"
    assert sent(score_train, TeachJob(ready.dataset.folder, members, "logits", path)) == []
    for split in ("train", "valid"):
        expected_RT = np.tensordot(WEIGHTS, logits_of(models, split), axes=1)
        stored_RT = read_teacher(path, getattr(ready.dataset, split).labels_RT.shape, split)
        np.testing.assert_allclose(stored_RT, expected_RT, atol=2e-3)


def test_an_ensemble_is_scored_on_test_by_its_mean_probability(
    ready: PreparedStudy,
    models: tuple[StoredModel, ...],
    members: tuple[WeightedScores, ...],
    tmp_path: Path,
) -> None:
    path = tmp_path / "scores.safetensors"
    job = ScoreEnsembleJob(ready.dataset.folder, members, "probabilities", path, "macro_auc", 0)
    (on_test,) = sent(score_ensemble, job)
    expected_RT = logit(np.tensordot(WEIGHTS, expit(logits_of(models, "test")), axes=1))
    stored_RT = load_file(path)["test_logits"].numpy()
    np.testing.assert_allclose(stored_RT, expected_RT, atol=1e-5)
    schema, test = ready.dataset.full_schema, ready.dataset.test
    assert isinstance(on_test, EnsembleOnTest)
    assert on_test.cells == cell_values(stored_RT, test, schema.cells, chances=True)
    assert len(on_test.resampled.headline) > 100


def test_members_are_chosen_by_the_scores_that_trainings_left(
    ready: PreparedStudy, models: tuple[StoredModel, ...]
) -> None:
    paths = tuple(scores_path(model.weights) for model in models)
    (selected,) = sent(select_members, SelectJob(ready.dataset.folder, paths, "macro_auc", 0))
    assert isinstance(selected, Selected)
    assert sum(selected.selection.weight_M) == pytest.approx(1)
    assert len(selected.valid_cells) == len(ready.dataset.full_schema.scenarios) * 2
    assert len(selected.calibration.cells) == len(selected.valid_cells)
    assert selected.copies == ()


def test_a_run_that_was_scored_twice_is_a_copy(
    ready: PreparedStudy, models: tuple[StoredModel, ...]
) -> None:
    paths = tuple(scores_path(models[number].weights) for number in (0, 1, 0))
    (selected,) = sent(select_members, SelectJob(ready.dataset.folder, paths, "macro_auc", 0))
    assert selected.copies == ((0, 2),)


def test_no_member_takes_more_than_the_limits_allow(
    ready: PreparedStudy, models: tuple[StoredModel, ...]
) -> None:
    paths = tuple(scores_path(model.weights) for model in models)
    shares = (0.6, 0.7, 1.5)
    job = SelectJob(ready.dataset.folder, paths, "macro_auc", 0, shares)
    weights = sent(select_members, job)[0].selection.weight_M
    assert sum(share for share, weight in zip(shares, weights, strict=True) if weight) <= 1
