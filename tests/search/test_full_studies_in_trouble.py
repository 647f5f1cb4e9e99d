"""A study that teaches, chooses an ensemble, refits and trades objectives ends as an undisturbed one, whatever happens to its database and clock."""

import multiprocessing
import os
import random
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from hinet_search.common import retry
from hinet_search.common.errors import EnvironmentFault, HinetSearchError, StudyConflict
from hinet_search.executors import Job
from hinet_search.search.coordinator import Coordinator
from hinet_search.storage import lease, row_mapping
from hinet_search.storage.engine import connect
from hinet_search.storage.load import load_record
from tests.chaos.test_fault_points import differences_of_the_copy, files_of, told
from tests.search.pretended import Pretender, Studio

End = tuple[object, list[str], str]
FULL = "teaching: {students: [mmoe], trials: 2}\nensemble: true\n"
TRADED = "objectives: [mean_auc, flops_per_row]\n"
VARIANTS = {"traded": f"{FULL}{TRADED}", "budget": f"{FULL}budget: 10h\n"}
DATABASE = Path("out/studies.sqlite3")
MOMENTS = ("before a statement", "before a commit", "after a commit")


class Failures:
    """The database of the coordinator fails at the chosen moments of one kind, each time once."""

    def __init__(self, moment: str, at: set[int]) -> None:
        self.moment = moment
        self.at = at
        self.count = 0
        self.active = False

    def pass_by(self, moment: str) -> None:
        if self.active and moment == self.moment:
            self.count += 1
            if self.count in self.at:
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR  # as the driver tells it
                raise error

    def install(self, patch: pytest.MonkeyPatch) -> None:
        execute, commit, run = (
            SQLiteDialect_pysqlite.do_execute,
            SQLiteDialect_pysqlite.do_commit,
            Coordinator.run,
        )

        def do_execute(dialect, cursor, statement, parameters, context=None):
            self.pass_by("before a statement")
            return execute(dialect, cursor, statement, parameters, context)

        def do_commit(dialect, connection):
            self.pass_by("before a commit")
            commit(dialect, connection)
            self.pass_by("after a commit")

        def watched(coordinator, executor):
            self.active = True
            try:
                run(coordinator, executor)
            finally:
                self.active = False

        patch.setattr(SQLiteDialect_pysqlite, "do_execute", do_execute)
        patch.setattr(SQLiteDialect_pysqlite, "do_commit", do_commit)
        patch.setattr(Coordinator, "run", watched)
        patch.setattr(retry, "FIRST_PAUSE", 0.001)


def launch(folder: Path, variant: str, pretender: Pretender | None = None) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retry, "FIRST_PAUSE", 0.001)
        studio = Studio(folder, patch)
        finalists = "{top: 1, seeds: 2, refit: true}"
        studio.launch(pretender, more=VARIANTS[variant], finalists=finalists, trials=4)


def end(folder: Path) -> End:
    """What a study left: its results, files and verdict, and that Optuna's copy is like them."""
    with closing(connect(str(folder / DATABASE))) as database:
        record = load_record(database, "s")
    assert differences_of_the_copy(folder) == []
    return told(record), files_of(folder), record.verdict


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    connect(str(folder / DATABASE), create=True).close()
    return folder


@pytest.fixture(scope="module", params=VARIANTS)
def undisturbed(
    request: pytest.FixtureRequest, empty: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, End]:
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(empty, folder, dirs_exist_ok=True)
    launch(folder, request.param)
    return request.param, end(folder)


@pytest.fixture
def folder(empty: Path, tmp_path: Path) -> Path:
    shutil.copytree(empty, tmp_path, dirs_exist_ok=True)
    return tmp_path


@dataclass
class At(Pretender):
    """Does something once a job is submitted, by its number."""

    number: int = 0
    deed: Callable[[], object] = lambda: None

    def submit(self, job: Job) -> None:
        super().submit(job)
        if len(self.jobs) == self.number:
            self.deed()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_database_that_fails_at_any_moment_changes_nothing(
    folder: Path, undisturbed: tuple[str, End], moment: str
) -> None:
    variant, expected = undisturbed
    apart = 100 if moment == "before a statement" else 20
    failures = Failures(moment, set(range(10, 10_000, apart)))
    with pytest.MonkeyPatch.context() as patch:
        failures.install(patch)
        launch(folder, variant)
    assert failures.count > 3 * apart
    assert end(folder) == expected


@pytest.mark.parametrize("job", [14])
def test_a_second_launch_is_refused_and_changes_nothing(
    folder: Path, undisturbed: tuple[str, End], job: int
) -> None:
    variant, expected = undisturbed
    codes: list[int | None] = []
    launch(folder, variant, At(number=job, deed=lambda: codes.append(second(folder, variant))))
    assert codes == [StudyConflict.exit_code]
    assert end(folder) == expected


@pytest.mark.parametrize("job", [14])
def test_a_coordinator_whose_study_was_taken_over_leaves_it_to_the_other(
    folder: Path, undisturbed: tuple[str, End], job: int
) -> None:
    variant, expected = undisturbed
    codes: list[int | None] = []

    def take_over() -> None:
        with closing(sqlite3.connect(folder / DATABASE)) as database, database:
            database.execute("UPDATE hs_lease SET heartbeat = heartbeat - 100, host = 'elsewhere'")
        codes.append(second(folder, variant))

    with pytest.raises(StudyConflict, match="no longer holds study 's'"):
        launch(folder, variant, At(number=job, deed=take_over))
    assert codes == [0]
    # Until its next write, the first one does not know: jobs of its may leave scores of members.
    assert end(folder)[::2] == expected[::2]


def second(folder: Path, variant: str) -> int | None:
    """Launch the study in a process of its own; return the exit code."""

    def run() -> None:
        try:
            launch(folder, variant)
        except HinetSearchError as error:
            os._exit(error.exit_code)
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    return process.exitcode


@pytest.mark.parametrize("deed", ["delete", "replace", "move"])
@pytest.mark.parametrize("job", [20])
def test_a_database_that_is_deleted_or_replaced_ends_the_launch_in_words(
    folder: Path, deed: str, job: int
) -> None:
    file = folder / DATABASE

    def harm() -> None:
        if deed == "replace":
            shutil.copy(file, folder / "copy")
            (folder / "copy").replace(file)
        elif deed == "move":
            file.replace(folder / "moved")
        else:
            for path in file.parent.glob(f"{file.name}*"):
                path.unlink()

    with pytest.raises(
        EnvironmentFault, match=r"studies\.sqlite3 was deleted, moved or replaced while"
    ):
        launch(folder, "traded", At(number=job, deed=harm))
    assert file.exists() == (deed == "replace"), "no empty database takes its place"


def test_a_clock_that_jumps_changes_nothing(
    folder: Path, undisturbed: tuple[str, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    variant, expected = undisturbed
    draws, real_time, real_lease_time = random.Random(0), time.time, lease._now
    ahead = [0.0]

    def jumping() -> float:
        if draws.random() < 0.1:
            ahead[0] = draws.choice([-1, 1]) * draws.choice([5.0, 3600.0, 86_400.0, 3e7])
        return real_time() + ahead[0]

    def utc_now() -> str:
        return datetime.fromtimestamp(jumping(), UTC).isoformat(timespec="seconds")

    ours = [module for name, module in sys.modules.items() if name.startswith("hinet_search.")]
    for module in ours:
        if getattr(module, "utc_now", None) is row_mapping.utc_now and module is not row_mapping:
            monkeypatch.setattr(module, "utc_now", utc_now)
    monkeypatch.setattr(time, "time", jumping)
    monkeypatch.setattr(
        lease, "_now", lambda connection: real_lease_time(connection) + jumping() - real_time()
    )
    launch(folder, variant)
    assert end(folder) == expected


@pytest.mark.parametrize("commit", [40])
def test_a_disk_that_stays_full_ends_the_launch_and_the_next_one_ends_the_study(
    folder: Path, undisturbed: tuple[str, End], commit: int
) -> None:
    variant, expected = undisturbed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retry, "LONGEST_WAIT", 0.05)
        Failures("before a commit", set(range(commit, 100_000))).install(patch)
        with pytest.raises(EnvironmentFault, match="is not usable"):
            launch(folder, variant)
    launch(folder, variant)
    assert end(folder) == expected
