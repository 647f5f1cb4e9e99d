"""Migrations: tables of an older release are brought up to date by whoever opens them first."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from hinet_search.common.errors import EnvironmentFault, StudyConflict
from hinet_search.results.study_record import StudyRecord
from hinet_search.storage import migrations
from hinet_search.storage.engine import connect
from hinet_search.storage.load import load_record
from hinet_search.storage.tables import VERSION, schema_version
from tests.storage.small_study import small_study

pytestmark = pytest.mark.usefixtures("as_shipped")

RELEASE = migrations._this_release()
_BACK = (  # to version 10
    "ALTER TABLE hs_schema DROP COLUMN written_by",
    "ALTER TABLE hs_lease DROP COLUMN seconds_left",
    "ALTER TABLE hs_evaluation RENAME COLUMN epochs TO passes",
    """UPDATE hs_study SET budget_json = REPLACE(budget_json, 'epochs"', 'passes"')""",
    """UPDATE hs_arm SET fixed_json = REPLACE(fixed_json, 'epochs"', 'passes"')""",
)


@pytest.fixture
def older(either: str) -> tuple[str, StudyRecord]:
    """A database whose tables are of version 10, and the record of its study before that."""
    with closing(small_study(either)) as database:
        record = load_record(database, "small", trial_cells=True)
        with database.writing() as connection:
            for statement in _BACK:
                connection.execute(text(statement))
            connection.execute(text("UPDATE hs_schema SET version = 10"))
    return either, record


def version_of(url: str) -> tuple[Any, ...]:
    with closing(connect(url)) as database, database.reading() as connection:
        return tuple(connection.execute(schema_version.select()).one())


@pytest.mark.parametrize("create", [False, True])
def test_a_reader_or_a_launch_migrates_and_every_row_stays(
    older: tuple[str, StudyRecord], *, create: bool
) -> None:
    url, record = older
    with closing(connect(url, create=create)) as database:
        loaded = load_record(database, "small", trial_cells=True)
    assert (loaded.arms, loaded.budget) == (record.arms, record.budget)
    assert version_of(url) == (VERSION, RELEASE)


def test_readers_that_come_at_once_migrate_once(older: tuple[str, StudyRecord]) -> None:
    url, _ = older
    with ThreadPoolExecutor(4) as threads:
        for database in threads.map(lambda _: connect(url), range(4)):
            database.close()
    assert version_of(url) == (VERSION, RELEASE)


def test_a_step_that_fails_leaves_the_tables_as_they_were(
    older: tuple[str, StudyRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _ = older
    steps = dict(migrations._STEPS)

    def breaks(operations: Any) -> None:
        steps[10](operations)
        raise KeyError

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "_STEPS", steps | {10: breaks})
        with pytest.raises(KeyError):
            connect(url)
        with pytest.raises(KeyError):
            connect(url, create=True)
    assert version_of(url) == (VERSION, RELEASE)  # else the column would be there already


def test_a_file_that_may_not_be_written_is_not_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "h.db")
    connect(path, create=True).close()
    _set_version(path, 10)
    may: Callable[..., bool] = os.access
    monkeypatch.setattr(os, "access", lambda file, mode: not mode & os.W_OK and may(file, mode))
    with pytest.raises(EnvironmentFault, match="cannot be written"):
        connect(path)


def test_tables_of_a_newer_release_are_refused_by_its_name(either: str) -> None:
    connect(either, create=True).close()
    _set_version(either, VERSION + 1, "9.8.7")
    for create in (False, True):
        with pytest.raises(StudyConflict) as caught:
            connect(either, create=create)
        assert str(caught.value).partition(" has ")[2] == (
            f"tables of version {VERSION + 1}, of hinet-search 9.8.7; "
            f"hinet-search {RELEASE} reads version {VERSION}\n"
            "install hinet-search 9.8.7, or name another database with --storage or --output"
        )


def test_tables_older_than_the_first_step_are_refused(either: str) -> None:
    connect(either, create=True).close()
    _set_version(either, migrations.OLDEST - 1)
    for create in (False, True):
        with pytest.raises(StudyConflict, match="version 9, older than 10, the first that is"):
            connect(either, create=create)


def test_every_version_has_a_step_to_the_next() -> None:
    assert list(migrations._STEPS) == list(range(migrations.OLDEST, VERSION))


def _set_version(url: str, version: int, release: str = RELEASE) -> None:
    with closing(connect(url, create=True)) as database, database.writing() as connection:
        connection.execute(schema_version.update().values(version=version, written_by=release))
