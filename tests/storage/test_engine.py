"""Engine: how a SQLite database is made, opened and guarded."""

import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
from sqlalchemy import text

from hinet_search.common.errors import EnvironmentFault, StudyConflict
from hinet_search.storage import sqlite_file, tables
from hinet_search.storage.engine import Database, connect
from hinet_search.storage.store import StudyStore
from tests.storage.small_study import HINET, copy_arm, new_store, study_row, trial_row

pytestmark = pytest.mark.usefixtures("as_shipped")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return connect(str(tmp_path / "h.db"), create=True)


def test_optuna_writes_with_the_lock_taken_at_once(database: Database) -> None:
    seen = _statements(database)
    optuna.create_study(storage=database.storage, study_name="s")
    assert {line for line in seen if line.startswith("BEGIN")} == {"BEGIN IMMEDIATE"}


def test_a_reader_never_takes_the_write_lock(database: Database) -> None:
    optuna.create_study(storage=database.storage, study_name="s")
    reader = connect(_path(database))
    seen = _statements(reader)
    reader.storage.get_all_studies()
    with reader.reading() as connection:
        connection.execute(text("SELECT 1"))
    assert {line for line in seen if line.startswith("BEGIN")} == {"BEGIN"}


def test_reading_continues_while_another_connection_writes(database: Database) -> None:
    reader = connect(_path(database))
    with database.writing(), reader.reading() as connection:
        assert connection.execute(text("SELECT version FROM hs_schema")).scalar() == tables.VERSION


def test_our_reading_on_a_coordinators_database_takes_no_write_lock(database: Database) -> None:
    other = connect(_path(database), create=True)
    with database.reading() as connection:
        connection.execute(text("SELECT version FROM hs_schema"))
        with other.writing() as writer:
            assert writer.execute(text("SELECT 1")).scalar() == 1


def test_a_failed_write_leaves_nothing(database: Database) -> None:
    with suppress(KeyError), database.writing() as connection:
        connection.execute(text("DELETE FROM hs_schema"))
        raise KeyError
    with database.reading() as connection:
        assert connection.execute(text("SELECT version FROM hs_schema")).scalar() == tables.VERSION


def test_creating_makes_the_folder(tmp_path: Path) -> None:
    connect(f"sqlite:///{tmp_path}/a/b/h.db", create=True)
    assert (tmp_path / "a" / "b" / "h.db").is_file()


def test_opening_what_is_not_there_says_what_to_do_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"no database at .*h\.db\nlaunch a study first"):
        connect(str(tmp_path / "a" / "h.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "h.db") as foreign:
        foreign.execute("CREATE TABLE theirs (x)")
    foreign.close()
    before = (tmp_path / "h.db").read_bytes()
    with pytest.raises(
        StudyConflict, match="holds no hinet-search study: table hs_schema is missing"
    ):
        connect(str(tmp_path / "h.db"))
    assert (tmp_path / "h.db").read_bytes() == before


def test_a_creation_that_was_cut_off_is_finished_by_the_next(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(text("DELETE FROM hs_schema"))
        connection.execute(text("DROP TABLE hs_lease"))
    StudyStore(connect(_path(database), create=True), "small").acquire_lease()


def test_a_file_that_is_no_database_is_a_fault_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "h.db").write_text("name,value\n" * 1000)
    with pytest.raises(EnvironmentFault, match=r"h\.db is not usable: file is not a database"):
        connect(str(tmp_path / "h.db"), create=True)


def test_a_folder_that_cannot_be_made_is_a_fault_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFault, match="cannot be made: "):
        connect(str(tmp_path / "file" / "sub" / "h.db"), create=True)


def test_a_locked_database_is_a_fault_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)
    first, second = (connect(str(tmp_path / "h.db"), create=True) for _ in range(2))
    with (
        first.writing(),
        pytest.raises(EnvironmentFault, match=r"h\.db is not usable: database is locked"),
    ):
        StudyStore(second, "small").create_study(study_row(), (HINET,))


def test_optuna_on_a_locked_database_is_a_fault_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = new_store(tmp_path / "h.db")
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)
    other = StudyStore(connect(str(tmp_path / "h.db"), create=True), "small")
    store.record_trial("hinet", trial_row(0))
    with store.database.writing(), pytest.raises(EnvironmentFault, match="database is locked"):
        copy_arm(other, "hinet")


def test_a_missing_postgres_driver_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(EnvironmentFault, match=r"pip install '\.\[postgres\]'") as caught:
        connect("postgresql://ann:secret@127.0.0.1:1/studies")
    assert "secret" not in str(caught.value)


def test_an_unreachable_postgres_is_a_fault_that_shows_no_password() -> None:
    with pytest.raises(
        EnvironmentFault, match=r"postgresql\+psycopg://ann:\*\*\*@127.0.0.1:1/studies is not"
    ) as caught:
        connect("postgresql://ann:secret@127.0.0.1:1/studies", create=True)
    assert "secret" not in str(caught.value)


def _statements(database: Database) -> list[str]:
    """A list that fills with what SQLite runs from here on."""
    seen: list[str] = []
    with database.engine.connect() as connection:
        connection.connection.driver_connection.set_trace_callback(seen.append)
    seen.clear()
    return seen


def _path(database: Database) -> str:
    return str(database.engine.url.database)


def test_a_second_connection_of_a_process_leaves_the_locks_of_the_first_as_they_are(
    tmp_path: Path,
) -> None:
    """Otherwise another process that leaves takes itself for the last one and removes the log in use."""
    path = tmp_path / "h.db"
    database = connect(str(path), create=True)
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE seen (x)"))
    connect(str(path), create=True).close()
    count = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); print(*c.execute('SELECT count(*) FROM seen')); c.close()"
    subprocess.run([sys.executable, "-c", count, str(path)], check=True, capture_output=True)
    with database.writing() as connection:
        connection.execute(text("INSERT INTO seen VALUES (1)"))
    said = subprocess.run(
        [sys.executable, "-c", count, str(path)], check=True, capture_output=True, text=True
    ).stdout
    database.close()
    assert said == "(1,)\n"
