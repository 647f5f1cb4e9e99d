"""A training has ended only when its last checkpoint is whole."""

import time
from pathlib import Path

import pytest
import torch
from fake_models import CPU, DATA, Watch, linear, weights_hash

from hinet_search.results.objectives import objective_named
from hinet_search.training import checkpoint
from hinet_search.training.checkpoint import MANIFEST, SUFFIX, Checkpoints
from hinet_search.training.fit import fit
from hinet_search.training.run_state import Conditions
from hinet_search.training.train_config import TrainConfig

CONFIG = TrainConfig.model_validate({"batch_size": 32, "patience": 0, "epochs": 2.0})
CONDITIONS = Conditions(DATA, DATA.full_schema, CONFIG, 0, objective_named("macro_auc"), CPU)


@pytest.fixture(autouse=True)
def _slow_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let checkpoints be due at every step, and take longer to write than some steps."""
    save = torch.save

    def slow(*given: object) -> None:
        time.sleep(0.05)
        save(*given)

    monkeypatch.setattr(torch, "save", slow)
    for share in ("TIME_SHARE", "WRITING_SHARE"):
        monkeypatch.setattr(checkpoint, share, 1e9)


def checkpoints_in(folder: Path) -> Checkpoints:
    return Checkpoints(folder, "job", seconds_apart=0.0)


def refuse_parts(folder: Path) -> None:
    """Fail unless the folder has checkpoints, all whole, and none that is being written."""
    paths = list(folder.iterdir())
    steps = {path.name.partition(".")[0] for path in paths}
    assert steps
    assert {path.name for path in paths} == {
        f"{step}{end}" for step in steps for end in (SUFFIX, MANIFEST)
    }


class Failing(Watch):
    """Fails after as many steps as another one stops."""

    def should_stop(self) -> bool:
        if super().should_stop():
            raise ZeroDivisionError
        return False


def test_a_training_that_ends(tmp_path: Path) -> None:
    fit(linear(DATA), CONDITIONS, Watch(), checkpoints_in(tmp_path))
    refuse_parts(tmp_path)


def test_a_training_that_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        fit(linear(DATA), CONDITIONS, Failing(stop_after=7), checkpoints_in(tmp_path))
    refuse_parts(tmp_path)


def test_a_training_that_stops_has_the_state_and_the_seconds_of_its_last_step(
    tmp_path: Path,
) -> None:
    expected = linear(DATA)
    fit(expected, CONDITIONS, Watch())
    fit(linear(DATA), CONDITIONS, Watch(stop_after=7), checkpoints_in(tmp_path))
    watch = Watch()
    resumed = linear(DATA, seed=9)
    result = fit(resumed, CONDITIONS, watch, checkpoints_in(tmp_path))
    assert watch.asked == 2 * 10 - 7
    assert weights_hash(resumed) == weights_hash(expected)
    assert result.rows_per_second > 2 * DATA.train.num_rows / result.seconds
