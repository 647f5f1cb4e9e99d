"""A job trains on a slot and leaves weights only when its training came to its end."""

from pathlib import Path

import pytest

from hinet_search import face
from hinet_search.search.options import LaunchOptions
from hinet_search.search.plan import Ready
from hinet_search.trial import Trained, TrainJob, train
from tests.small import STUDY, write_study


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    folder = tmp_path_factory.mktemp("trial")
    text = STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: }")
    return face.ready(str(write_study(folder, text)), LaunchOptions(output=folder / "out"))


def trained(ready: Ready, weights: Path, *, stop_after: int | None) -> Trained:
    """The outcome of a training that is stopped after so many evaluations."""
    arm, sent = ready.study.arms[0], []
    values = arm.space.values(arm.space.default())
    job = TrainJob(ready.dataset.folder, arm.model, values, 3, "mean_auc", "cpu", weights)
    train(job, sent.append, lambda: stop_after is not None and len(sent) >= stop_after)
    (outcome,) = [one for one in sent if isinstance(one, Trained)]
    return outcome


def test_a_whole_training_leaves_its_weights(ready: Ready, tmp_path: Path) -> None:
    outcome = trained(ready, tmp_path / "w.safetensors", stop_after=None)
    assert not outcome.stopped
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_a_stopped_training_leaves_no_weights(ready: Ready, tmp_path: Path) -> None:
    outcome = trained(ready, tmp_path / "w.safetensors", stop_after=1)
    assert outcome.stopped
    assert outcome.best is not None
    assert list(tmp_path.iterdir()) == []
