"""A full disk damages nothing, is reported with path and bytes, is waited for, and ends a study with its own exit code."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from hinet_search import api
from hinet_search.common import files, retry
from hinet_search.common.errors import DiskFull, EnvironmentFault
from hinet_search.common.files import replacing
from hinet_search.common.retry import Notice
from hinet_search.executors import Job, JobEnd
from hinet_search.search.plan.prepare import PreparedStudy, bytes_needed
from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.jobs.messages import TrainingResult, TrainJob
from hinet_search.training.jobs.train import train
from hinet_search.training.tensors import save_tensors
from hinet_search.training.trial_config import build_config
from tests.chaos.checker import Seen, check
from tests.chaos.disks import SmallDisk, disk_of_storm, small_disk
from tests.chaos.launches import LIMIT, Launches
from tests.chaos.storm import FullDisk
from tests.search.pretended import Pretender, Studio
from tests.small import write_study

ONE_MEGABYTE = {"a": torch.arange(250_000, dtype=torch.float32)}
ROWS = pl.DataFrame({f"c{column}": np.linspace(0, column, 100) for column in range(60)})


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", monkeypatch) as made:
        yield made


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.01)


def job_in(folder: Path, ready: PreparedStudy) -> TrainJob:
    space = ready.study.arms[0].space
    values = {**space.values(space.default()), "train.epochs": 1.0}
    config = build_config("shared_bottom", values)
    return TrainJob(ready.dataset.folder, config, 3, "mean_auc", "cpu", folder / "weights")


class Listening:
    """Keeps what a job sends; frees the disk at its first notice."""

    def __init__(self, full: SmallDisk) -> None:
        self._full = full
        self.bodies: list[object] = []

    def __call__(self, body: object) -> None:
        if isinstance(body, Notice) and not self.notices:
            self._full.free()
        self.bodies.append(body)

    @property
    def notices(self) -> list[str]:
        return [body.text for body in self.bodies if isinstance(body, Notice)]


def test_what_was_there_stays_when_there_is_no_room_for_more(small: SmallDisk) -> None:
    path = small.folder / "weights"
    save_tensors(ONE_MEGABYTE, path)
    small.fill()
    with pytest.raises(
        DiskFull, match=rf"{path}: no room for about 1,000,000 bytes, [\d,]+ are free"
    ):
        save_tensors({"a": ONE_MEGABYTE["a"] + 1}, path)
    small.free()
    assert torch.equal(load_file(path)["a"], ONE_MEGABYTE["a"])
    assert [path_left.name for path_left in small.folder.iterdir()] == ["weights"]


def _save_array(part: Path) -> None:
    with part.open("wb") as file:
        np.save(file, ROWS.to_numpy())


@pytest.mark.parametrize(
    "fill",
    [
        ROWS.write_parquet,
        ROWS.lazy().sink_parquet,
        ROWS.lazy().sink_ipc,
        lambda part: pq.write_table(ROWS.to_arrow(), part),
        _save_array,
    ],
    ids=["write_parquet", "sink_parquet", "sink_ipc", "pyarrow", "numpy"],
)
def test_a_disk_that_is_full_from_any_byte_on_is_told_as_full(
    fill: Callable[[Path], object], small: SmallDisk
) -> None:
    """Polars tells the end of a Parquet file, and NumPy an array, in words of their own."""
    whole = small.folder / "whole"
    fill(whole)
    size = whole.stat().st_size
    whole.unlink()
    for left in range(0, size, 4096):
        small.fill(left)
        rows = small.folder / "rows"
        with pytest.raises(DiskFull, match="no room"), replacing(rows, size) as part:
            fill(part)
        small.free()
    assert list(small.folder.iterdir()) == []


def test_a_training_waits_for_room_for_what_it_leaves_and_says_so(
    small: SmallDisk, ready: PreparedStudy
) -> None:
    small.fill()
    heard = Listening(small)
    train(job_in(small.folder, ready), heard, lambda: False)
    begins, ends = heard.notices
    assert re.match(
        rf"{small.folder}/weights.scores.safetensors: no room for about [\d,]+ bytes, [\d,]+ are free; waiting for it, training continues "
        r"\(at most 300 s\)",
        begins,
    )
    assert ends == "the disk has room again after 0 s"
    assert isinstance(heard.bodies[-1], TrainingResult)
    assert load_file(small.folder / "weights")


def test_a_disk_that_stays_full_ends_the_job_with_path_and_bytes(
    small: SmallDisk, ready: PreparedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.05)
    small.fill()
    with pytest.raises(DiskFull, match="no room for about"):
        train(job_in(small.folder, ready), lambda _: None, lambda: False)
    assert not (small.folder / "weights").exists()


def test_a_stop_ends_the_waiting(small: SmallDisk, ready: PreparedStudy) -> None:
    small.fill()
    told: list[object] = []
    with pytest.raises(DiskFull):
        train(
            job_in(small.folder, ready),
            told.append,
            lambda: any(isinstance(message, Notice) for message in told),
        )


def test_a_training_continues_without_checkpoints_and_says_so_once(small: SmallDisk) -> None:
    said: list[str] = []
    checkpoints = Checkpoints(small.folder / "job", "job", say=said.append)
    checkpoints.save(1, ONE_MEGABYTE)
    checkpoints.finish()
    small.fill()
    for step in (2, 3):
        checkpoints.save(step, {"a": ONE_MEGABYTE["a"] + step})
    checkpoints.finish()
    assert len(said) == 1
    assert re.match(
        rf"no checkpoint can be written, training continues: {small.folder}/job/000002.checkpoint: no room for about "
        r"1,000,000 bytes, [\d,]+ are free",
        said[0],
    )
    kept = Checkpoints(small.folder / "job", "job").latest()
    assert kept is not None
    assert torch.equal(kept["a"], ONE_MEGABYTE["a"])
    small.free()
    checkpoints.save(4, {"a": ONE_MEGABYTE["a"] + 4})
    assert checkpoints.latest()["a"][0] == 4


class Blocked(Pretender):
    """An executor whose third job is prevented by the machine."""

    def submit(self, job: Job) -> None:
        super().submit(job)
        if len(self.jobs) == 3:
            self.coming = [
                replace(JobEnd(job.key, job.attempt, "w: no room for about 5 bytes"), blocked=True)
            ]


def test_a_study_whose_disk_stays_full_ends_with_exit_code_4_and_resumes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio(tmp_path, monkeypatch)
    with pytest.raises(
        EnvironmentFault, match="w: no room for about 5 bytes\nnothing is lost"
    ) as caught:
        studio.launch(Blocked())
    assert caught.value.exit_code == 4
    record, after = studio.launch()
    assert [trial.state for trial in record.arms[0].trials] == ["complete"] * 4
    assert [job.key for job in after.jobs][:2] == ["mmoe/2", "mmoe/3"]


def test_a_study_for_which_there_is_no_room_is_refused_before_it_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "free_bytes", lambda _: 1_000_000)
    said = rf"{tmp_path}/out: this study needs about [\d,]+ bytes on its disk, 1,000,000 are free\nfree some"
    with pytest.raises(EnvironmentFault, match=said):
        api.launch(str(write_study(tmp_path)), output=tmp_path / "out")
    assert not list(tmp_path.rglob("*.sqlite3"))


def test_room_is_asked_for_checkpoints_of_every_slot_and_for_every_finalist(
    ready: PreparedStudy,
) -> None:
    spec, slots = ready.study.spec, 2  # two finalists of an arm, with two seeds each
    needed = bytes_needed(spec, ready.dataset, [1_000], 16_000, slots)
    of_checkpoints, of_weights = 2 * 3 * 16_000, 2 * 2 * 4_000
    twice = bytes_needed(spec, ready.dataset, [2_000], 32_000, slots)
    assert twice - needed == of_checkpoints + of_weights
    smaller = bytes_needed(spec, ready.dataset, [1_000], 8_000, slots)
    assert needed - smaller == of_checkpoints / 2
    more_slots = bytes_needed(spec, ready.dataset, [1_000], 16_000, slots + 1)
    assert more_slots - needed == of_checkpoints / 2


def test_a_launch_whose_database_has_no_room_waits_for_it_and_loses_nothing(
    launches: Launches, tmp_path: Path
) -> None:
    with disk_of_storm(tmp_path / "disk") as own:
        launches.storage = str(tmp_path / "disk" / "studies.sqlite3")
        launch = launches.begin(trials=8, seconds=0.05)
        launches.wait_for("evaluation", 3)
        full = FullDisk(Path(launches.storage), own)
        full.begin(launch.pid)
        launches.wait_until_said("is not usable: ")
        full.end(launch.pid)
        assert launch.wait(timeout=LIMIT) == 0
        assert check(tmp_path, launches.storage, 8, Seen())
    text = launch.said.read_text()
    assert "waiting for it, training continues (at most 300 s)" in text
    assert "the database is back after" in text
    assert "Traceback" not in text
