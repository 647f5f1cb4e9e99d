"""A whole study on two slots: exact budgets, fair finalists, one test access per arm, and a stop that loses nothing."""

import os
import re
import signal
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

import hinet_search
from hinet_search.results.study_record import StudyRecord
from tests.forked import typed
from tests.shortcuts import as_shipped
from tests.small import STUDY, write_study
from tests.waiting import LIMIT_SECONDS, wait_until


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> StudyRecord:
    folder = tmp_path_factory.mktemp("finished")
    with as_shipped():
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
        assert [evaluation.step for evaluation in trial.evaluations] == list(
            range(1, len(trial.evaluations) + 1)
        )
        assert trial.value == max(evaluation.objective for evaluation in trial.evaluations)
        assert trial.cost is not None
        assert trial.cost.parameters > trial.cost.dense_parameters > 0
        assert trial.cost.flops_per_row > 0
        assert trial.cost.rows_per_second > 0


def test_finalists_of_all_arms_share_their_seeds(finished: StudyRecord) -> None:
    seeds = {
        tuple(run.seed for run in finalist.runs)
        for arm in finished.arms
        for finalist in arm.finalists
    }
    assert len(seeds) == 1
    assert len(next(iter(seeds))) == 2


def test_the_default_is_always_among_the_finalists(finished: StudyRecord) -> None:
    assert all(any(finalist.is_default for finalist in arm.finalists) for arm in finished.arms)


def test_only_the_chosen_finalist_is_opened_on_test(finished: StudyRecord) -> None:
    for arm in finished.arms:
        assert sum(finalist.chosen for finalist in arm.finalists) == 1
        for finalist in arm.finalists:
            assert all((run.test_cells is not None) == finalist.chosen for run in finalist.runs)
    assert finished.test_accesses == 2


def test_the_chosen_finalist_has_the_best_mean_on_validation(finished: StudyRecord) -> None:
    for arm in finished.arms:
        means = {
            finalist.trial_number: sum(run.valid_objective for run in finalist.runs)
            for finalist in arm.finalists
        }
        chosen = next(finalist.trial_number for finalist in arm.finalists if finalist.chosen)
        assert means[chosen] == max(means.values())


def test_every_cell_of_every_split_is_counted(finished: StudyRecord) -> None:
    assert len(finished.data.cells) == 6
    assert sum(finished.data.rows) == 4000
    assert all(cell.reachable_auc is not None for cell in finished.data.cells)


def test_inputs_that_predict_a_label_alone_were_looked_for(finished: StudyRecord) -> None:
    assert finished.data.leaks == ()


def test_finalists_keep_what_only_a_trained_model_shows(finished: StudyRecord) -> None:
    runs = {
        arm.name: run
        for arm in finished.arms
        for finalist in arm.finalists
        for run in finalist.runs
    }
    assert all(run.cost.milliseconds_per_100 for run in runs.values())
    assert [similarity.where for similarity in runs["mmoe"].insight.similarities] == ["experts"]
    assert all(run.insight.parts for run in runs.values())


def test_launching_a_finished_study_again_trains_nothing(
    finished: StudyRecord, tmp_path: Path
) -> None:
    path = write_study(tmp_path)
    options = {"trials": 1, "finalist_seeds": 1, "output": tmp_path / "out"}
    first, again = (
        hinet_search.launch(str(path), **options),
        hinet_search.launch(str(path), **options),
    )
    assert [arm.trials for arm in again.arms] == [arm.trials for arm in first.arms]
    assert [arm.finalists for arm in again.arms] == [arm.finalists for arm in first.arms]
    assert again.test_accesses == first.test_accesses


def test_the_same_seed_gives_the_same_values(tmp_path: Path) -> None:
    path = write_study(
        tmp_path, STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: }")
    )
    options = {"trials": 2, "finalist_seeds": 1, "slots": 1}
    left, right = (
        hinet_search.launch(str(path), output=tmp_path / name, **options)
        for name in ("left", "right")
    )
    assert [trial.value for trial in left.arms[0].trials] == [
        trial.value for trial in right.arms[0].trials
    ]
    assert [run.test_cells for run in left.arms[0].finalists[0].runs] == [
        run.test_cells for run in right.arms[0].finalists[0].runs
    ]


def test_a_stop_keeps_the_budget_exact_and_trains_nothing_twice(tmp_path: Path) -> None:
    text = (
        STUDY.replace("trials: 3", "trials: 4")
        .replace("rows: 4000", "rows: 8000")
        .replace("seeds: 2", "seeds: 1")
    )
    write_study(tmp_path, text)
    first = typed(tmp_path, "launch", "small.yaml")

    def two_are_done() -> bool:
        assert first.poll() is None, first.said.read_text()
        return _finished(tmp_path / ".hinet-search" / "studies.sqlite3") >= 2

    wait_until(two_are_done)
    first.send_signal(signal.SIGINT)
    code, err = first.wait(timeout=LIMIT_SECONDS), first.said.read_text()
    assert code == 130, err
    assert re.search(
        r"stopped: \d finished trials kept[^.]*\. Best so far: (shared_bottom|mmoe)/\d \.\d{4} \(valid\)",
        err,
    )
    assert re.search(r"resume: hinet-search .*launch small\.yaml", err)
    kept = hinet_search.load("small", output=tmp_path / ".hinet-search")
    assert kept.state == "stopped"
    values = {
        (arm.name, trial.number): trial.value
        for arm in kept.arms
        for trial in arm.trials
        if trial.value
    }
    assert 1 <= len(values) < 8
    assert typed(tmp_path, "launch", "small.yaml").wait(timeout=LIMIT_SECONDS) == 0
    done = hinet_search.load("small", output=tmp_path / ".hinet-search")
    assert done.state == "done"
    assert {arm.name: [trial.number for trial in arm.trials] for arm in done.arms} == {
        "shared_bottom": [0, 1, 2, 3],
        "mmoe": [0, 1, 2, 3],
    }
    after = {(arm.name, trial.number): trial for arm in done.arms for trial in arm.trials}
    assert all(
        after[key].value == value and after[key].attempt == 1 for key, value in values.items()
    )


def _finished(database: Path) -> int:
    """How many trials are complete; none while the database is being made."""
    with (
        suppress(sqlite3.OperationalError),
        closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as reading,
    ):
        (number,) = reading.execute(
            "SELECT count(*) FROM hs_trial WHERE state = 'complete'"
        ).fetchone()
        return int(number)
    return 0


def test_no_process_outlives_a_launch(finished: StudyRecord) -> None:
    running = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    children = [
        pid for pid in running if _parent(pid) == os.getpid() and b"spawn_main" in _words(pid)
    ]
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
