"""A study ends normally if its database fails at any moment, before or after it did what was asked."""

import sqlite3

import pytest
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from hinet_search.common import retry
from hinet_search.common.errors import DatabaseAway
from hinet_search.search.coordinator import Coordinator
from tests.search.pretended import Listener, Studio

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
