"""Summaries of stale inputs: what seeds have with older ones, if all were scored with them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hinet_search.data.columns import Dataset
from hinet_search.results.records import FinalistSummary
from hinet_search.training.jobs.summarise import SummaryJob, summarise
from hinet_search.training.tensors import save_tensors
from tests.data.tables import prepared, shop

FEATURES = {
    "categorical": ["item"],
    "events": {"by": ["user"], "labels_after": "0s", "windows": ["60s", "all"]},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return prepared(shop(2000), tmp_path_factory.mktemp("shop"), features=FEATURES, time_unit="s")


def stored(data: Dataset, folder: Path, seed: int, *accesses: str) -> Path:
    """Scores that know the labels of valid and test, less of them with the older inputs."""
    draw, tensors = np.random.default_rng(seed), {}
    splits = {"valid": data.valid, "test": data.test}
    splits |= {f"{access}_test": data.test for access in accesses}
    for name, split in splits.items():
        noise_RT = draw.normal(size=split.labels_RT.shape) * (3 if name.endswith("_test") else 1)
        logits_RT = (2 * split.labels_RT.astype(np.float32) - 1 + noise_RT).astype(np.float32)
        tensors[f"{name}_logits"] = torch.from_numpy(logits_RT)
    path = folder / f"{seed}.safetensors"
    save_tensors(tensors, path)
    return path


def summary_of(data: Dataset, paths: tuple[Path, ...]) -> FinalistSummary:
    sent: list[object] = []
    job = SummaryJob(data.folder, paths, tuple(range(len(paths))), 0, "macro_auc", 0)
    summarise(job, sent.append, lambda: False)
    (summary,) = sent
    assert isinstance(summary, FinalistSummary)
    return summary


def test_every_seed_has_cells_with_older_inputs_and_the_same_users_are_drawn(
    data: Dataset, tmp_path: Path
) -> None:
    paths = tuple(stored(data, tmp_path, seed, "frozen", "later") for seed in range(3))
    summary = summary_of(data, paths)
    assert set(summary.stale) == {"frozen", "later"}
    fresh = np.array(summary.resampled.headline)
    for stale in summary.stale.values():
        assert len(stale.cells) == 3
        assert all(
            cell.auc is not None and cell.auc < 0.8 for cells in stale.cells for cell in cells
        )
        assert (fresh > np.array(stale.resampled.headline)).all()
        assert stale.resampled.num_units == summary.resampled.num_units


def test_what_an_earlier_version_has_scored_lacks_older_inputs(
    data: Dataset, tmp_path: Path
) -> None:
    paths = (stored(data, tmp_path, 0, "frozen", "later"), stored(data, tmp_path, 1, "frozen"))
    assert set(summary_of(data, paths).stale) == {"frozen"}
