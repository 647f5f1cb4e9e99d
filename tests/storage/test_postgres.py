"""PostgreSQL: the same study makes the same record there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from hinet_search.common.errors import StudyConflict
from hinet_search.results.study_record import StudyRecord
from hinet_search.storage.engine import Database, connect
from hinet_search.storage.load import load_record
from hinet_search.storage.store import StudyStore
from tests.postgres import emptied
from tests.storage.small_study import small_study

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def database(url: str) -> Iterator[Database]:
    """The small study, on the server."""
    opened = small_study(url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def url(postgres: Any) -> str:
    """An empty database, in which the tests of this file make the tables."""
    return emptied(postgres)


def test_a_database_without_our_tables_is_refused(url: str) -> None:
    with pytest.raises(StudyConflict, match="table hs_schema is missing\nlaunch a study first"):
        connect(url)


def test_a_study_makes_the_same_record_as_on_sqlite(database: Database, tmp_path: Path) -> None:
    records = [
        load_record(place, "small", trial_cells=True)
        for place in (database, small_study(tmp_path / "h.db"))
    ]
    assert _timeless(records[0]) == _timeless(records[1])


def test_sessions_are_in_utc(database: Database) -> None:
    with database.reading() as connection:
        assert connection.execute(text("SHOW timezone")).scalar().lower() == "utc"


def test_reading_sees_one_state_of_the_database(database: Database) -> None:
    with database.reading() as reader:
        before = reader.execute(text("SELECT state FROM hs_study")).scalar()
        StudyStore(database, "small").set_state("stopped")
        assert reader.execute(text("SELECT state FROM hs_study")).scalar() == before == "done"


def _timeless(record: StudyRecord) -> StudyRecord:
    arms = tuple(
        replace(arm, trials=tuple(replace(trial, started="", finished="") for trial in arm.trials))
        for arm in record.arms
    )
    return replace(record, arms=arms, updated="")
