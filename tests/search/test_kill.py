"""A killed study resumes where it was: every trial ends as it would have without the kill."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import hinet_search
from hinet_search.results.records import CellValue
from hinet_search.results.study_record import StudyRecord
from tests.forked import Forked, typed
from tests.small import STUDY, write_study
from tests.waiting import LIMIT_SECONDS, wait_until

TEXT = (
    STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: }")
    .replace("rows: 4000", "rows: 20000")
    .replace("trials: 3", "trials: 2")
    .replace("epochs: 2", "epochs: 6\nsampler: random")
    .replace("seeds: 2", "seeds: 1")
    .replace("slots: 2", "slots: 1")
)
OFTEN = {"HINET_SEARCH_CHECKPOINT_SECONDS": "0"}

Ends = dict[tuple[str, int], tuple[float | None, tuple[CellValue, ...]]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Ends:
    folder = tmp_path_factory.mktemp("whole")
    return ends(hinet_search.launch(str(write_study(folder, TEXT)), output=folder / "out"))


def ends(record: StudyRecord) -> Ends:
    """Value and last cells of every trial and finalist."""
    trials = {
        ("trial", trial.number): (trial.value, trial.evaluations[-1].cells)
        for trial in record.arms[0].trials
    }
    runs = {
        ("finalist", finalist.trial_number): (run.valid_objective, run.valid_cells)
        for finalist in record.arms[0].finalists
        for run in finalist.runs
    }
    return {**trials, **runs}


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Forked]:
    """A launch whose first trial has left a checkpoint."""
    write_study(tmp_path, TEXT)
    process = launch(tmp_path)
    wait_for_checkpoint(tmp_path, process)
    yield process
    process.kill()
    process.wait()


def launch(folder: Path) -> Forked:
    """The study, with checkpoints at every step."""
    return typed(folder, "launch", "small.yaml", **OFTEN)


def wait_for_checkpoint(folder: Path, process: Forked | subprocess.Popen[bytes]) -> None:
    def is_there() -> bool:
        assert process.poll() is None, "the study ended before its first checkpoint"
        return bool(list(folder.rglob("checkpoints/shared_bottom/*/*.json")))

    wait_until(is_there)


def loaded(folder: Path) -> StudyRecord:
    return hinet_search.load("small", output=folder / ".hinet-search")


def test_a_relaunch_after_a_killed_coordinator_resumes(
    launched: Forked, tmp_path: Path, whole: Ends
) -> None:
    launched.kill()
    launched.wait()
    assert loaded(tmp_path).state == "interrupted"
    assert launch(tmp_path).wait(timeout=LIMIT_SECONDS) == 0
    record = loaded(tmp_path)
    assert ends(record) == whole
    assert [trial.attempt for trial in record.arms[0].trials] == [2, 1]
    assert not list(tmp_path.rglob("checkpoints")), "a finished study keeps none"


def test_a_stopped_study_resumes_from_the_step_at_which_it_stopped(
    launched: Forked, tmp_path: Path
) -> None:
    launched.send_signal(signal.SIGINT)
    assert launched.wait(timeout=LIMIT_SECONDS) == 130
    assert re.search(r"resume: hinet-search .*launch small\.yaml", launched.said.read_text())
    steps = steps_of_checkpoints(tmp_path)
    assert steps == sorted(steps)
    process = launch(tmp_path)
    wait_until(lambda: steps_of_checkpoints(tmp_path) != steps, pause=0.002)
    now = steps_of_checkpoints(tmp_path)
    process.kill()
    process.wait()
    assert all(step >= steps[-1] for step in set(now) - set(steps))


def steps_of_checkpoints(folder: Path) -> list[int]:
    """Those of the first trial, in the order in which they were written."""
    steps = []
    for path in sorted(folder.rglob("checkpoints/shared_bottom/0/*.json")):
        with suppress(FileNotFoundError):  # it has just given way to a later one
            steps.append(json.loads(path.read_text())["step"])
    return steps
