"""A process that dies at any named moment costs nothing: the next one makes of it what would have been."""

import re
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import hinet_search
from hinet_search import faults
from hinet_search.executors import Ended, Job
from hinet_search.records import StudyRecord
from hinet_search.storage.engine import connect
from hinet_search.storage.load import load_record
from tests.chaos.deaths import exit_code, launched
from tests.search.pretended import RATE, Pretender, Studio

FEW_RATES = f"parameters:\n  {RATE}: {{kind: categorical, choices: [0.001, 0.002, 0.004, 0.008], default: 0.001}}\n"
DATABASE = "out/studies.sqlite3"


@dataclass
class DiesOnce(Pretender):
    """The process of the second trial dies at its first attempt."""

    coming: list = field(default_factory=list)

    def submit(self, job: Job) -> None:
        super().submit(job)
        if (job.key, job.attempt) == ("mmoe/1", 1):
            self.coming[-1] = replace(Ended(job.key, job.attempt, "its process died"), died=True)


def launch(studio: Studio) -> None:
    """A study that refuses draws, tries a trial again, prunes nothing, and opens a finalist."""
    (studio.folder / "few.yaml").write_text(FEW_RATES)
    studio.launch(DiesOnce(), arms="{mmoe: {space: few}}")


def stored(folder: Path) -> StudyRecord:
    database = connect(str(folder / DATABASE))
    try:
        return load_record(database, "s")
    finally:
        database.close()


def told(record: StudyRecord) -> object:
    """All that a study says, but for clocks and attempts."""
    (arm,) = record.arms
    trials = [replace(trial, attempt=0, started="", finished="") for trial in arm.trials]
    return record.state, record.test_openings, trials, arm.finalists, arm.importances


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without any study, for it takes longer to make than a study takes to run."""
    folder = tmp_path_factory.mktemp("empty")
    connect(str(folder / DATABASE), create=True).close()
    return folder


@pytest.fixture(scope="module")
def undisturbed(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> StudyRecord:
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(empty, folder, dirs_exist_ok=True)
    launched(folder, launch)
    return stored(folder)


def test_the_study_passes_what_it_is_to_show(undisturbed: StudyRecord) -> None:
    (arm,) = undisturbed.arms
    assert [trial.counts for trial in arm.trials].count(True) == 4
    assert any("duplicate" in trial.cause for trial in arm.trials)
    assert arm.trials[1].attempt == 2


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("point", faults.COORDINATOR)
def test_a_coordinator_that_dies_there_is_followed_by_one_that_ends_the_study_as_if_nothing_had_been(
    point: str, nth: int, empty: Path, undisturbed: StudyRecord, tmp_path: Path
) -> None:
    shutil.copytree(empty, tmp_path, dirs_exist_ok=True)
    code = exit_code(lambda: launched(tmp_path, launch), f"{point}:{nth}")
    assert code == faults.EXIT_CODE or (code == 0 and nth > 1), "it is passed at least once"
    if code:
        assert exit_code(lambda: launched(tmp_path, launch)) == 0
    assert told(stored(tmp_path)) == told(undisturbed)


def test_every_named_moment_is_somewhere_in_the_program() -> None:
    folder = Path(hinet_search.__file__).parent
    source = "".join(path.read_text() for path in folder.rglob("*.py") if path.name != "faults.py")
    found = re.findall(r'faults\.point\("(\w+)"(?: if \w+ else "(\w+)")?\)', source)
    names = [name for names in found for name in names if name]
    assert sorted(names) == sorted([*faults.COORDINATOR, *faults.SLOT, *faults.CHECKPOINT])


def test_nothing_happens_where_nobody_asks_for_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(faults.VARIABLE, raising=False)
    faults.point("after_end")
    monkeypatch.setenv(faults.VARIABLE, "after_report")
    faults.point("after_end")
