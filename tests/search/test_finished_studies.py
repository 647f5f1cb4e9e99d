"""What is done stays done: a finished study keeps its state and verdict, whatever happens to a further launch of it."""

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from hinet_search.common import crash_points
from hinet_search.common.errors import Interrupted
from hinet_search.executors import Job
from hinet_search.search.coordinator import Coordinator
from hinet_search.search.turns import Turns
from hinet_search.storage.engine import connect
from hinet_search.storage.listing import list_studies
from hinet_search.storage.row_mapping import StudySummary
from tests.chaos.deaths import exit_code, launched
from tests.search.pretended import Pretender, Studio

FULL = "teaching: {students: [mmoe], trials: 1}\nensemble: true\n"
FINALISTS = "{top: 1, seeds: 2, refit: true}"
BUDGET = "budget: 10h\n"


def launch(studio: Studio, **options: object) -> None:
    studio.launch(more=FULL, finalists=FINALISTS, **options)


def launch_more(studio: Studio) -> None:
    launch(studio, trials=6)


def listed(folder: Path) -> StudySummary:
    database = connect(str(folder / "out" / "studies.sqlite3"))
    try:
        (summary,) = list_studies(database)
        return summary
    finally:
        database.close()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    launched(folder, launch)
    assert listed(folder).state == "done"
    return folder


@pytest.fixture
def studio(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return Studio(tmp_path, monkeypatch)


def stop_at(monkeypatch: pytest.MonkeyPatch, cls: type, method: str) -> None:
    """Send a signal whenever a method is called."""
    called = getattr(cls, method)

    def stopped(*given: object) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        return called(*given)

    monkeypatch.setattr(cls, method, stopped)


@pytest.mark.parametrize("method", ["_choose_inputs", "_context", "_test", "_runs_of"])
def test_a_launch_that_is_stopped_before_any_job_changes_neither_state_nor_verdict(
    studio: Studio, finished: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    before = listed(finished)
    stop_at(monkeypatch, Coordinator, method)
    with pytest.raises(Interrupted):
        launch(studio)
    after = listed(studio.folder)
    assert (after.state, after.verdict) == ("done", before.verdict)
    assert before.verdict


@pytest.mark.parametrize("point", ["after_lease", "after_choice", "after_phases", "after_state"])
def test_a_launch_that_is_killed_changes_neither_state_nor_verdict(
    studio: Studio, finished: Path, point: str
) -> None:
    assert exit_code(lambda: launched(studio.folder, launch), point) == crash_points.EXIT_CODE
    after = listed(studio.folder)
    assert (after.state, after.verdict) == ("done", listed(finished).verdict)


def test_no_study_is_done_without_a_verdict(tmp_path: Path) -> None:
    assert exit_code(lambda: launched(tmp_path, launch), "after_phases") == crash_points.EXIT_CODE
    assert listed(tmp_path).state == "interrupted"
    assert exit_code(lambda: launched(tmp_path, launch), "after_state") == crash_points.EXIT_CODE
    assert listed(tmp_path).state == "done"
    assert listed(tmp_path).verdict


@pytest.mark.parametrize("point", ["after_lease", "after_trial_row", "after_choice"])
def test_a_study_that_is_launched_with_more_trials_and_killed_is_not_done_until_it_ends(
    studio: Studio, point: str
) -> None:
    assert exit_code(lambda: launched(studio.folder, launch_more), point) == crash_points.EXIT_CODE
    is_untouched = point == "after_lease"
    after = listed(studio.folder)
    assert (after.state == "done", bool(after.verdict)) == (is_untouched, is_untouched)
    launch(studio, trials=6)
    after = listed(studio.folder)
    assert (after.state, after.done, bool(after.verdict)) == ("done", 6, True)


@pytest.mark.parametrize("options", [{"trials": 6}, {"finalist_seeds": 3}])
def test_a_study_that_is_launched_with_more_and_stopped_is_done_again_at_its_end(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, Coordinator, "_context")
        with pytest.raises(Interrupted):
            launch(studio, **options)
    assert (listed(studio.folder).state, listed(studio.folder).verdict) == ("stopped", "")
    launch(studio, **options)
    assert listed(studio.folder).verdict


def test_a_finished_study_with_work_left_runs_again_and_has_no_verdict_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio(tmp_path, monkeypatch)
    studio.launch(Pretender(failing=lambda job: "OSError: no" if " seed " in job.key else ""))
    assert listed(tmp_path).state == "done"
    during = []

    def look(job: Job) -> str:
        during.append((listed(tmp_path).state, bool(listed(tmp_path).verdict)))
        return ""

    studio.launch(Pretender(failing=look))
    assert during[0] == ("done", True), "nothing of its first job is stored yet"
    assert set(during[1:]) == {("running", False)}
    assert (listed(tmp_path).state, bool(listed(tmp_path).verdict)) == ("done", True)


def test_a_finished_study_within_a_budget_of_time_keeps_the_trials_that_it_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio(tmp_path, monkeypatch)
    studio.launch(more=BUDGET, trials=6)
    before = listed(tmp_path)
    assert (before.state, before.budget) == ("done", 6)
    stop_at(monkeypatch, Turns, "_begin")
    with pytest.raises(Interrupted):
        studio.launch(more=BUDGET, trials=6)
    assert replace(listed(tmp_path), updated="") == replace(before, updated="")
