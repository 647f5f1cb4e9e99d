"""A process that dies at any named moment costs nothing: the next process ends the study as if it had not died."""

import re
import shutil
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

import hinet_search
from hinet_search.common import crash_points
from hinet_search.executors import Job, JobEnd
from hinet_search.results.study_record import StudyRecord
from hinet_search.storage.engine import connect
from hinet_search.storage.load import load_record
from tests.chaos.deaths import exit_code, launched
from tests.search.pretended import RATE, Pretender, Studio

FEW_RATES = f"parameters:\n  {RATE}: {{kind: categorical, choices: [0.001, 0.002, 0.004, 0.008], default: 0.001}}\n"
MORE = "inputs: {seeds: 2}\nteaching: {students: [mmoe], trials: 2}\nensemble: true\n"
GROUPED = "{categorical: [user_id], numeric: [age, price], groups: {who: [age], what: [price]}}"
FINALISTS = "{top: 1, seeds: 2, refit: true}"
DATABASE = "out/studies.sqlite3"


@dataclass
class DiesOnce(Pretender):
    """The process of the second trial dies at its first attempt."""

    coming: list = field(default_factory=list)

    def submit(self, job: Job) -> None:
        super().submit(job)
        if (job.key, job.attempt) == ("mmoe/1", 1):
            self.coming[-1] = replace(JobEnd(job.key, job.attempt, "its process died"), died=True)


def launch(studio: Studio) -> None:
    """Launch a study that chooses inputs, refuses draws, retries a trial, and scores a finalist on test."""
    (studio.folder / "few.yaml").write_text(FEW_RATES)
    arms = "{mmoe: {space: few}}"
    studio.launch(DiesOnce(), MORE, arms, FINALISTS, features=GROUPED)


def stored(folder: Path) -> StudyRecord:
    database = connect(str(folder / DATABASE))
    try:
        return load_record(database, "s")
    finally:
        database.close()


def differences_of_the_copy(folder: Path) -> list[str]:
    """Return the differences between the record and Optuna's copy, which its dashboard shows."""
    record, database = stored(folder), connect(str(folder / DATABASE))
    try:
        copy = optuna.load_study(study_name="s/mmoe", storage=database.storage).trials
    finally:
        database.close()
    ours = [
        (
            trial.number,
            trial.parameters,
            trial.value,
            {step.step: step.objective for step in trial.evaluations},
        )
        for trial in record.arms[0].trials
    ]
    theirs = [
        (
            trial.number,
            trial.params,
            trial.value if trial.state == TrialState.COMPLETE else None,
            trial.intermediate_values,
        )
        for trial in copy
    ]
    states = [
        (trial.state, other.state.name.lower())
        for trial, other in zip(record.arms[0].trials, copy, strict=False)
    ]
    return [
        f"{our_trial} {their_trial}"
        for our_trial, their_trial in zip_longest(ours, theirs)
        if our_trial != their_trial
    ] + [
        f"{our_state} {their_state}"
        for our_state, their_state in states
        if not our_state.startswith(their_state)
    ]


def told(record: StudyRecord) -> object:
    """Return all of a study's record except times and attempts."""
    arms = []
    for arm in (*record.arms, *record.students):
        trials = [replace(trial, attempt=0, started="", finished="") for trial in arm.trials]
        arms.append((trials, arm.finalists, arm.importances, arm.fixed))
    return record.state, record.test_accesses, arms, record.ensembles, record.input_runs


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without a study; making one takes longer than running a study."""
    folder = tmp_path_factory.mktemp("empty")
    connect(str(folder / DATABASE), create=True).close()
    return folder


def files_of(folder: Path) -> list[str]:
    """Return the files of weights and scores, refits among them."""
    artifacts = folder / "out" / "artifacts"
    return sorted(str(path.relative_to(folder)) for path in artifacts.rglob("*.safetensors"))


@pytest.fixture(scope="module")
def undisturbed_folder(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(empty, folder, dirs_exist_ok=True)
    launched(folder, launch)
    return folder


@pytest.fixture(scope="module")
def undisturbed(undisturbed_folder: Path) -> StudyRecord:
    return stored(undisturbed_folder)


def test_the_study_passes_what_it_is_to_show(undisturbed: StudyRecord) -> None:
    (arm,) = undisturbed.arms
    assert [trial.counts for trial in arm.trials].count(True) == 4
    assert any("duplicate" in trial.cause for trial in arm.trials)
    assert arm.trials[1].attempt == 2


def test_the_study_chooses_its_inputs(undisturbed: StudyRecord) -> None:
    assert len(undisturbed.input_runs) == 2 * 4, "all, without each group, and without both"
    assert undisturbed.arms[0].fixed["features.groups"] == "none"


def test_the_study_leaves_a_refit_of_what_it_ships(undisturbed_folder: Path) -> None:
    assert sum(".refit.safetensors" in name for name in files_of(undisturbed_folder)) == 2


@pytest.mark.parametrize("point", [*crash_points.COORDINATOR, "after_trial_row:2"])
def test_a_relaunch_after_a_crash_there_gives_the_results_of_an_uninterrupted_study(
    point: str,
    empty: Path,
    undisturbed: StudyRecord,
    undisturbed_folder: Path,
    tmp_path: Path,
) -> None:
    shutil.copytree(empty, tmp_path, dirs_exist_ok=True)
    code = exit_code(lambda: launched(tmp_path, launch), point)
    assert code == crash_points.EXIT_CODE, "it is passed"
    assert exit_code(lambda: launched(tmp_path, launch)) == 0
    assert told(stored(tmp_path)) == told(undisturbed)
    assert differences_of_the_copy(tmp_path) == []
    assert files_of(tmp_path) == files_of(undisturbed_folder)


def test_every_named_moment_is_somewhere_in_the_program() -> None:
    folder = Path(hinet_search.__file__).parent
    source = "".join(
        path.read_text() for path in folder.rglob("*.py") if path.name != "crash_points.py"
    )
    calls = re.findall(r'crash_points\.point\("(\w+)"(?: if \w+ else "(\w+)")?\)', source)
    names = [name for names in calls for name in names if name]
    assert sorted(names) == sorted(
        [*crash_points.COORDINATOR, *crash_points.SLOT, *crash_points.CHECKPOINT]
    )


def test_a_crash_point_does_nothing_unless_a_fault_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(crash_points.VARIABLE, raising=False)
    crash_points.point("after_end")
    monkeypatch.setenv(crash_points.VARIABLE, "after_draw")
    crash_points.point("after_end")
