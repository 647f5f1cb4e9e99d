"""A whole study on two slots: exact budgets, fair finalists, one opening per arm, and a stop that loses nothing."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import hinet_search
from hinet_search.errors import HinetSearchError
from hinet_search.records import StudyRecord
from tests.small import STUDY, write_study


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> StudyRecord:
    folder = tmp_path_factory.mktemp("finished")
    return hinet_search.launch(str(write_study(folder)), output=folder / "out")


def test_every_arm_gets_the_same_number_of_trials(finished: StudyRecord) -> None:
    assert {arm.name: len(arm.trials) for arm in finished.arms} == {"shared_bottom": 3, "mmoe": 3}
    assert {trial.state for arm in finished.arms for trial in arm.trials} == {"complete"}


def test_trial_0_is_the_default_of_the_space(finished: StudyRecord) -> None:
    for arm in finished.arms:
        assert arm.trials[0].is_default
        assert arm.trials[0].parameters["train.learning_rate"] == pytest.approx(1e-3)
        assert not any(trial.is_default for trial in arm.trials[1:])


def test_every_trial_leaves_its_curve_and_its_cost(finished: StudyRecord) -> None:
    for trial in (trial for arm in finished.arms for trial in arm.trials):
        assert [one.step for one in trial.evaluations] == list(range(1, len(trial.evaluations) + 1))
        assert trial.value == max(one.objective for one in trial.evaluations)
        assert trial.cost is not None
        assert trial.cost.parameters > trial.cost.dense_parameters > 0
        assert trial.cost.flops_per_row > 0
        assert trial.cost.rows_per_second > 0


def test_finalists_of_all_arms_share_their_seeds(finished: StudyRecord) -> None:
    seeds = {tuple(run.seed for run in finalist.runs) for arm in finished.arms for finalist in arm.finalists}
    assert len(seeds) == 1
    assert len(next(iter(seeds))) == 2


def test_the_default_is_always_among_the_finalists(finished: StudyRecord) -> None:
    assert all(any(finalist.is_default for finalist in arm.finalists) for arm in finished.arms)


def test_only_the_chosen_finalist_is_opened_on_test(finished: StudyRecord) -> None:
    for arm in finished.arms:
        assert sum(finalist.chosen for finalist in arm.finalists) == 1
        for finalist in arm.finalists:
            assert all((run.test_cells is not None) == finalist.chosen for run in finalist.runs)
    assert finished.test_openings == 2


def test_the_chosen_finalist_has_the_best_mean_on_validation(finished: StudyRecord) -> None:
    for arm in finished.arms:
        means = {one.trial_number: sum(run.valid_objective for run in one.runs) for one in arm.finalists}
        chosen = next(one.trial_number for one in arm.finalists if one.chosen)
        assert means[chosen] == max(means.values())


def test_every_cell_of_every_split_is_counted(finished: StudyRecord) -> None:
    assert len(finished.data.cells) == 6
    assert sum(finished.data.rows) == 4000
    assert all(cell.reachable_auc is not None for cell in finished.data.cells)


def test_inputs_that_alone_tell_a_label_were_looked_for(finished: StudyRecord) -> None:
    assert finished.data.leaks == ()


def test_finalists_keep_what_only_a_trained_model_shows(finished: StudyRecord) -> None:
    runs = {arm.name: run for arm in finished.arms for one in arm.finalists for run in one.runs}
    assert all(run.cost.milliseconds_per_100 for run in runs.values())
    assert [one.where for one in runs["mmoe"].insight.similarities] == ["experts"]
    assert all(run.insight.parts for run in runs.values())


def test_launching_a_finished_study_again_trains_nothing(finished: StudyRecord, tmp_path: Path) -> None:
    path = write_study(tmp_path)
    options = {"trials": 1, "finalist_seeds": 1, "output": tmp_path / "out"}
    first, again = hinet_search.launch(str(path), **options), hinet_search.launch(str(path), **options)
    assert [arm.trials for arm in again.arms] == [arm.trials for arm in first.arms]
    assert [arm.finalists for arm in again.arms] == [arm.finalists for arm in first.arms]
    assert again.test_openings == first.test_openings


def test_the_same_seed_gives_the_same_values(tmp_path: Path) -> None:
    path = write_study(tmp_path, STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: }"))
    options = {"trials": 2, "finalist_seeds": 1, "slots": 1}
    left, right = (hinet_search.launch(str(path), output=tmp_path / name, **options) for name in ("left", "right"))
    assert [trial.value for trial in left.arms[0].trials] == [trial.value for trial in right.arms[0].trials]
    assert [one.test_cells for one in left.arms[0].finalists[0].runs] == [
        one.test_cells for one in right.arms[0].finalists[0].runs
    ]


def test_a_stop_in_the_middle_keeps_the_budget_exact_and_trains_nothing_twice(tmp_path: Path) -> None:
    write_study(tmp_path, STUDY.replace("trials: 3", "trials: 4").replace("rows: 4000", "rows: 8000"))
    command = [sys.executable, "-c", "from hinet_search.cli import main; main()", "launch", "small.yaml"]
    first = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    database = tmp_path / ".hinet-search" / "studies.sqlite3"
    _wait_until(lambda: database.exists() and 2 <= _finished(tmp_path) < 8, first)
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=60)
    assert first.returncode == 130, err
    assert re.search(
        r"stopped: \d finished trials kept[^.]*\. Best so far: (shared_bottom|mmoe)/\d \.\d{4} \(valid\)", err
    )
    assert re.search(r"go on: +hinet-search .*launch small\.yaml", err)
    kept = hinet_search.load("small", output=tmp_path / ".hinet-search")
    assert kept.state == "stopped"
    values = {(arm.name, trial.number): trial.value for arm in kept.arms for trial in arm.trials if trial.value}
    assert 1 <= len(values) < 8
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    done = hinet_search.load("small", output=tmp_path / ".hinet-search")
    assert done.state == "done"
    assert {arm.name: [trial.number for trial in arm.trials] for arm in done.arms} == {
        "shared_bottom": [0, 1, 2, 3],
        "mmoe": [0, 1, 2, 3],
    }
    after = {(arm.name, trial.number): trial for arm in done.arms for trial in arm.trials}
    assert all(after[key].value == value and after[key].attempt == 1 for key, value in values.items())


def _finished(folder: Path) -> int:
    record = hinet_search.load("small", output=folder / ".hinet-search")
    return sum(trial.state == "complete" for arm in record.arms for trial in arm.trials)


def _wait_until(condition, process: subprocess.Popen[str]) -> None:
    began = time.monotonic()
    while not _holds(condition):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - began < 60, "the study did not get going"
        time.sleep(0.05)


def _holds(condition) -> bool:
    try:
        return bool(condition())
    except HinetSearchError:
        return False  # the database is being made


def test_no_process_outlives_a_launch(finished: StudyRecord) -> None:
    running = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    children = [pid for pid in running if _parent(pid) == os.getpid() and b"spawn_main" in _words(pid)]
    assert children == []


def _parent(pid: str) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return -1


def _words(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
