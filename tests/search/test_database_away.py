"""A study ends normally if its database fails at any moment, before or after it did what was asked."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from hinet_search.common import retry
from hinet_search.common.errors import DatabaseAway
from hinet_search.results.study_record import StudyRecord
from hinet_search.search.coordinator import Coordinator
from tests.search.pretended import Listener, Studio

MOMENTS = ("before a statement", "before a commit", "after a commit")
SAMPLED = 2  # of all moments of a kind


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


def run(studio: Studio, failures: Failures) -> tuple[StudyRecord, list[str]]:
    heard = Listener()
    with pytest.MonkeyPatch.context() as patch:
        failures.install(patch)
        record, _ = studio.launch(watcher=heard)
    return record, heard.said("waiting")


def in_order(record: StudyRecord) -> None:
    """Check that the budget is exact, every number has one result, nothing runs, and chosen finalists were tested with every seed."""
    (arm,) = record.arms
    assert record.state == "done"
    assert [trial.number for trial in arm.trials] == list(range(len(arm.trials)))
    assert {trial.state for trial in arm.trials} <= {"complete", "pruned"}
    assert sum(trial.counts for trial in arm.trials) == 4
    assert all(len(trial.evaluations) == 1 for trial in arm.trials if trial.counts)
    (chosen,) = [finalist for finalist in arm.finalists if finalist.chosen]
    assert len(chosen.runs) == 2
    assert all(run.test_cells for run in chosen.runs)
    assert chosen.summary is not None
    assert record.test_accesses == 1


def moments(folder: Path, moment: str) -> Iterator[int]:
    """Some of all moments of a study; the first and the last among them."""
    counting = Failures(moment, set())
    (folder / "counted").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        run(Studio(folder / "counted", patch), counting)
    yield from sorted(
        {1, counting.count, *random.Random(0).sample(range(2, counting.count), SAMPLED)}
    )


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_failure_at_any_moment_changes_no_budget_and_loses_no_result(
    moment: str, tmp_path: Path
) -> None:
    for number in moments(tmp_path, moment):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            record, said = run(Studio(folder, patch), Failures(moment, {number}))
        in_order(record)
        away = f"database sqlite:///{folder}/out/studies.sqlite3 is not usable: disk I/O error"
        told = [text.split(";")[0].split(" after")[0] for text in said]
        assert told in ([away, "the database is back"], []), (
            f"{moment} {number}"
        )  # Optuna has a way around some


def test_a_database_that_stays_away_is_waited_for_once(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.05)
    heard = Listener()
    failures = Failures("before a statement", set(range(100, 100_000)))
    failures.install(monkeypatch)
    with pytest.raises(DatabaseAway, match="disk I/O error"):
        studio.launch(watcher=heard)
    assert [event.text.split("; ")[1] for event in heard.events if event.kind == "waiting"] == [
        "waiting for it, training continues (at most 0 s)"
    ]
