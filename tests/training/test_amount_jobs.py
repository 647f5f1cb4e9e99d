"""Jobs on a table of clicks and watch time: summaries, selections and ensembles know which is which."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit

from hinet_search.data.columns import Dataset
from hinet_search.results.records import FinalistSummary
from hinet_search.training.jobs.ensemble import (
    EnsembleOnTest,
    ScoreEnsembleJob,
    Selected,
    SelectJob,
    TeachJob,
    WeightedScores,
    score_ensemble,
    score_train,
    select_members,
)
from hinet_search.training.jobs.messages import StoredModel
from hinet_search.training.jobs.score import SummaryJob, restore_model, summarise
from hinet_search.training.metrics import cell_values
from hinet_search.training.seeding import seeded_model
from hinet_search.training.teaching import read_teacher
from hinet_search.training.tensors import save_tensors
from hinet_search.training.trial_config import build_config
from tests.data.tables import prepared, shop

TASKS = {"click": {"column": "click"}, "watch": {"column": "watch", "kind": "amount"}}
WEIGHTS = (0.25, 0.75)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Rows that are watched if they are clicked; seconds have a mean near 30."""
    frame = shop(4000)
    seconds_R = np.random.default_rng(1).gamma(2, 30, frame.height) * frame["click"].to_numpy()
    table = frame.with_columns(pl.Series("watch", seconds_R.round(1)))
    return prepared(table, tmp_path_factory.mktemp("shop"), tasks=TASKS)


@pytest.fixture(scope="module")
def scores(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Stored scores of three runs that know the labels but for noise; watch time is doubled."""
    folder, paths = tmp_path_factory.mktemp("scores"), []
    for seed in range(3):
        draw, tensors = np.random.default_rng(seed), {}
        for split in ("valid", "test"):
            labels_RT = getattr(data, split).labels_RT
            clicked_R = labels_RT[:, 0] - 0.5
            shown_RT = np.stack([clicked_R, clicked_R + np.log(2)], axis=1)
            noise_RT = draw.normal(0, 0.5, labels_RT.shape)
            tensors[f"{split}_logits"] = torch.from_numpy((shown_RT + noise_RT).astype(np.float32))
        paths.append(folder / f"{seed}.safetensors")
        save_tensors(tensors, paths[-1])
    return tuple(paths)


@pytest.fixture(scope="module")
def models(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[StoredModel, ...]:
    """Two networks as they are before training."""
    folder, config = tmp_path_factory.mktemp("models"), build_config("shared_bottom", {})
    stored = []
    for seed in range(2):
        path = folder / f"{seed}.safetensors"
        save_tensors(seeded_model(lambda: config.build(data.full_schema), seed).state_dict(), path)
        stored.append(StoredModel(data.folder, config, "cpu", path))
    return tuple(stored)


@pytest.fixture(scope="module")
def members(
    models: tuple[StoredModel, ...], tmp_path_factory: pytest.TempPathFactory
) -> tuple[WeightedScores, ...]:
    """The scores of these networks."""
    folder = tmp_path_factory.mktemp("members")
    members = []
    for number, weight in enumerate(WEIGHTS):
        path = folder / f"{number}.safetensors"
        restored = restore_model(models[number])
        tensors = {}
        for split in ("train", "valid", "test"):
            logits_RT = restored.model.scores(getattr(restored.dataset, split))
            tensors[f"{split}_logits"] = torch.from_numpy(logits_RT)
        save_tensors(tensors, path)
        members.append(WeightedScores(weight, {"train": path, "valid": path, "test": path}))
    return tuple(members)


def sent(function: Callable[..., None], job: Any) -> Any:
    """The only message that a job sends."""
    messages: list[Any] = []
    function(job, messages.append, lambda: False)
    (message,) = messages
    return message


def averaged(logits_MRT: NDArray[np.float64], weight_M: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits of mean probabilities of clicks, and logs of mean watch times."""
    clicks_R = logit(np.tensordot(weight_M, expit(logits_MRT[:, :, 0]), axes=1))
    watched_R = np.log(np.tensordot(weight_M, np.exp(logits_MRT[:, :, 1]), axes=1))
    return np.stack([clicks_R, watched_R], axis=1)


def logits_of(models: tuple[StoredModel, ...], split: str) -> NDArray[np.float64]:
    """(M, R, T) scores of each model by itself."""
    restored = [restore_model(model) for model in models]
    scores = [each.model.scores(getattr(each.dataset, split)) for each in restored]
    return np.stack(scores).astype(float)


def test_a_summary_has_metrics_and_calibrators_of_both_kinds(
    data: Dataset, scores: tuple[Path, ...]
) -> None:
    job = SummaryJob(data.folder, scores, (0, 1, 2), 0, "macro_auc", 0)
    summary = sent(summarise, job)
    assert isinstance(summary, FinalistSummary)
    tasks = [cell.task for cell in data.full_schema.cells]
    assert tasks == ["click", "watch"] * 2
    has_error = [cell.rmse is not None for cell in summary.ensemble_test_cells]
    assert has_error == [task == "watch" for task in tasks]
    assert all(cell.auc > 0.8 for cell in summary.ensemble_test_cells)
    assert [len(cell) for cell in summary.resampled.cells] == [200] * 4
    mean_cells_D = np.mean(summary.resampled.cells, axis=0)
    assert summary.resampled.headline == pytest.approx(mean_cells_D)
    assert all(cell.reason == "" for cell in summary.calibration.cells)
    for cell in summary.calibration.cells:
        assert cell.logloss_after < cell.logloss_before


def test_a_selection_averages_and_calibrates_amounts_as_amounts(
    data: Dataset, scores: tuple[Path, ...]
) -> None:
    selected = sent(select_members, SelectJob(data.folder, scores, "logloss", 0))
    assert isinstance(selected, Selected)
    assert selected.selection.method in ("mean", "selected")
    watched = [cell for cell in selected.valid_cells if cell.task == "watch"]
    assert all(cell.rmse > cell.mae > 0 for cell in watched)
    assert selected.selection.gain.low <= selected.selection.gain.high
    assert all(cell.calibrator.kind != "none" for cell in selected.calibration.cells)


def test_an_ensemble_is_scored_on_test_by_its_mean_amount(
    data: Dataset,
    models: tuple[StoredModel, ...],
    members: tuple[WeightedScores, ...],
    tmp_path: Path,
) -> None:
    job = ScoreEnsembleJob(
        data.folder, members, "probabilities", tmp_path / "scores", "mean_auc", 0
    )
    on_test = sent(score_ensemble, job)
    assert isinstance(on_test, EnsembleOnTest)
    expected_RT = averaged(logits_of(models, "test"), np.array(WEIGHTS))
    expected = cell_values(
        expected_RT.astype(np.float32), data.test, data.full_schema.cells, chances=True
    )
    for cell, other in zip(on_test.cells, expected, strict=True):
        assert cell.logloss == pytest.approx(other.logloss, abs=1e-6)
    assert len(on_test.resampled.headline) == 200


def test_a_teacher_passes_on_logs_of_mean_amounts(
    data: Dataset,
    models: tuple[StoredModel, ...],
    members: tuple[WeightedScores, ...],
    tmp_path: Path,
) -> None:
    path = tmp_path / "teacher.safetensors"
    job = TeachJob(data.folder, members, "probabilities", path)
    score_train(job, lambda _: None, lambda: False)
    expected_RT = averaged(logits_of(models, "train"), np.array(WEIGHTS))
    stored_RT = read_teacher(path, data.train.labels_RT.shape)
    np.testing.assert_allclose(stored_RT, expected_RT, atol=2e-3)
