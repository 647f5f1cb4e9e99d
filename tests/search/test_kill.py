"""A study that is killed goes on where it was: every trial ends as it would have without the kill."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import hinet_search
from hinet_search.records import CellValue, StudyRecord
from tests.executors.processes import children_of
from tests.small import STUDY, write_study

TEXT = (
    STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: }")
    .replace("rows: 4000", "rows: 30000")
    .replace("passes: 2", "passes: 6\nsampler: random")
    .replace("seeds: 2", "seeds: 1")
    .replace("slots: 2", "slots: 1")
)
COMMAND = [sys.executable, "-c", "from hinet_search.cli import main; main()", "launch", "small.yaml"]
OFTEN = {**os.environ, "HINET_SEARCH_CHECKPOINT_SECONDS": "0"}

Ends = dict[tuple[str, int], tuple[float | None, tuple[CellValue, ...]]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Ends:
    folder = tmp_path_factory.mktemp("whole")
    return ends(hinet_search.launch(str(write_study(folder, TEXT)), output=folder / "out"))


def ends(record: StudyRecord) -> Ends:
    """Value and last cells of every trial and finalist."""
    trials = {("trial", one.number): (one.value, one.evaluations[-1].cells) for one in record.arms[0].trials}
    runs = {
        ("finalist", finalist.trial_number): (run.valid_objective, run.valid_cells)
        for finalist in record.arms[0].finalists
        for run in finalist.runs
    }
    return {**trials, **runs}


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A launch whose first trial has left a checkpoint."""
    write_study(tmp_path, TEXT)
    with subprocess.Popen(COMMAND, cwd=tmp_path, env=OFTEN, stderr=subprocess.DEVNULL) as process:
        wait_for_checkpoint(tmp_path, process)
        yield process
        process.kill()


def wait_for_checkpoint(folder: Path, process: subprocess.Popen[bytes]) -> None:
    began = time.monotonic()
    while not list(folder.rglob("checkpoints/shared_bottom/*/*.json")):
        assert process.poll() is None, "the study ended before its first checkpoint"
        assert time.monotonic() - began < 60, "no checkpoint came"
        time.sleep(0.02)


def slot_of(coordinator: int) -> int:
    """The process of its one slot."""
    children = children_of(coordinator)
    (slot,) = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return slot


def loaded(folder: Path) -> StudyRecord:
    return hinet_search.load("small", output=folder / ".hinet-search")


def test_a_killed_slot_costs_an_attempt_and_changes_no_value(
    launched: subprocess.Popen[bytes], tmp_path: Path, whole: Ends
) -> None:
    os.kill(slot_of(launched.pid), signal.SIGKILL)
    assert launched.wait(timeout=120) == 0
    record = loaded(tmp_path)
    assert ends(record) == whole
    assert [trial.attempt for trial in record.arms[0].trials] == [2, 1, 1]


def test_a_killed_coordinator_is_followed_by_one_that_goes_on(
    launched: subprocess.Popen[bytes], tmp_path: Path, whole: Ends
) -> None:
    launched.kill()
    launched.wait()
    assert loaded(tmp_path).state == "interrupted"
    subprocess.run(COMMAND, cwd=tmp_path, env=OFTEN, check=True, capture_output=True, timeout=120)
    record = loaded(tmp_path)
    assert ends(record) == whole
    assert [trial.attempt for trial in record.arms[0].trials] == [2, 1, 1]
    assert not list(tmp_path.rglob("checkpoints")), "a finished study keeps none"


def test_a_stopped_study_goes_on_from_the_step_at_which_it_stopped(
    launched: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    launched.send_signal(signal.SIGINT)
    assert launched.wait(timeout=60) == 130
    steps = steps_of_checkpoints(tmp_path)
    assert steps == sorted(steps)
    with subprocess.Popen(COMMAND, cwd=tmp_path, env=OFTEN, stderr=subprocess.DEVNULL) as process:
        began = time.monotonic()
        while (now := steps_of_checkpoints(tmp_path)) == steps:
            assert time.monotonic() - began < 60, "no further checkpoint came"
            time.sleep(0.002)
        process.kill()
    assert all(step >= steps[-1] for step in set(now) - set(steps))


def steps_of_checkpoints(folder: Path) -> list[int]:
    """Those of the first trial, in the order in which they were written."""
    found = []
    for path in sorted(folder.rglob("checkpoints/shared_bottom/0/*.json")):
        with suppress(FileNotFoundError):  # it has just given way to a later one
            found.append(json.loads(path.read_text())["step"])
    return found
