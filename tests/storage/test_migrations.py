"""A database of an older hinet-search is migrated to this version, with all it holds and nothing invented."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from optuna.trial import TrialState
from sqlalchemy import Connection, inspect, text

from hinet_search.common.database_url import parse_address
from hinet_search.common.errors import StudyConflict
from hinet_search.common.plugins import names
from hinet_search.results.data_record import RowHashes
from hinet_search.results.study_record import StudyRecord
from hinet_search.storage.engine import Database, _bare_engine, connect, migrate
from hinet_search.storage.load import load_record
from hinet_search.storage.migrations import to_3
from hinet_search.storage.store import StudyStore
from hinet_search.storage.tables import VERSION, metadata
from tests.storage.small_study import (
    HINET,
    open_arm,
    optuna_study,
    run_trial,
    small_study,
    study_row,
)

pytestmark = pytest.mark.usefixtures("as_shipped")

VERSION_1 = (Path(__file__).parent / "version_1.sql").read_text()


@pytest.fixture
def old(either: str) -> str:
    """The address of a database of version 1 that holds the small study."""
    with closing(small_study(either)) as database, database.engine.begin() as connection:
        metadata.drop_all(connection)
        serial = database.engine.name == "postgresql"
        written = (
            VERSION_1.replace("INTEGER NOT NULL PRIMARY KEY", "SERIAL PRIMARY KEY")
            if serial
            else VERSION_1
        )
        for statement in written.split(";\n"):
            connection.execute(text(statement.replace(":", r"\:")))
    return either


def test_every_version_after_the_first_has_its_step() -> None:
    assert sorted(names("hinet_search.storage.migrations")) == sorted(
        f"to_{n}" for n in range(2, VERSION + 1)
    )


def test_a_reader_of_older_tables_is_referred_to_the_migration(old: str) -> None:
    with pytest.raises(
        StudyConflict, match="has tables of version 1, this hinet-search reads version"
    ) as caught:
        connect(old)
    assert caught.value.remedy.startswith(
        "hinet-search migrate (with the same --storage or --output)"
    )


def test_a_migrated_database_has_the_tables_of_a_new_one(old: str) -> None:
    migrate(old, lambda _: None)
    with closing(connect(old)) as migrated, migrated.reading() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_name": _is_ours}
        assert (
            compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        )
        of_migrated = _described(connection)
    with closing(connect(old, create=True)) as database:
        with database.engine.begin() as connection:
            metadata.drop_all(connection)
            metadata.create_all(connection)
        with database.reading() as connection:
            assert of_migrated == _described(connection)


def test_a_migrated_study_is_the_study_that_it_was(old: str, tmp_path: Path) -> None:
    migrate(old, lambda _: None)
    with closing(connect(old)) as migrated, closing(small_study(tmp_path / "new.db")) as new:
        before, now = (
            load_record(database, "small", trial_cells=True) for database in (migrated, new)
        )
        assert _timeless(before) == _timeless(now)
        with migrated.reading() as connection:
            assert (
                connection.execute(
                    text("SELECT count(*) FROM hs_study WHERE length(uuid) = 32")
                ).scalar()
                == 1
            )


def test_openings_of_before_count_for_studies_of_the_same_rows(old: str) -> None:
    migrate(old, lambda _: None)
    with closing(connect(old, create=True)) as migrated:
        assert load_record(migrated, "small").test_accesses == 1
        data = replace(load_record(migrated, "small").data, test_rows=RowHashes("rows", None))
        again = replace(study_row("again"), data=data)
        more = replace(study_row("more"), data=replace(data, fingerprint="with one more feature"))
        for row in (again, more):
            StudyStore(migrated, row.name).create_study(row, (HINET,))
        assert [
            load_record(migrated, name).test_accesses for name in ("small", "again", "more")
        ] == [1, 1, 1]


def test_what_optuna_keeps_is_left_alone(old: str) -> None:
    before = _optunas(old)
    migrate(old, lambda _: None)
    assert _optunas(old) == before


def test_a_migrated_study_resumes_with_its_copy_in_optunas_storage(old: str) -> None:
    before = _optunas(old)
    migrate(old, lambda _: None)
    with closing(connect(old, create=True)) as database:
        store = StudyStore(database, "small")
        open_arm(store, "hinet")
        assert _optunas(old) == before
        assert run_trial(store, "hinet", TrialState.COMPLETE, 0.8) == 5


def test_a_trial_that_only_optuna_had_is_kept_when_it_had_ended(old: str) -> None:
    """Older versions wrote Optuna's number first, and our row once all was drawn."""
    with closing(_raw(old)) as raw, raw.writing() as connection:
        connection.execute(text("DELETE FROM hs_trial WHERE arm = 'hinet' AND number IN (1, 4)"))
        connection.execute(text("UPDATE trials SET state = 'RUNNING' WHERE trial_id = 5"))
    migrate(old, lambda _: None)
    with closing(connect(old, create=True)) as database:
        trials = load_record(database, "small").arms[0].trials
        assert [trial.number for trial in trials] == [0, 1, 2, 3]
        assert (trials[1].value, trials[1].attempt, trials[1].cost) == (0.75, 1, None)
        store = StudyStore(database, "small")
        open_arm(store, "hinet")
        assert len(optuna_study(store, "hinet").trials) == 4


@pytest.mark.parametrize("gone", ["its trials", "all of it"])
def test_an_arm_that_was_deleted_in_optuna_dashboard_still_cannot_resume(
    old: str, gone: str
) -> None:
    with closing(_raw(old)) as raw, raw.writing() as connection:
        of_arm = "trial_id IN (SELECT trial_id FROM trials WHERE study_id = 1)"
        for table in ("trial_params", "trial_values", "trial_intermediate_values", "trials"):
            connection.execute(text(f"DELETE FROM {table} WHERE {of_arm}"))
        for table in (
            ("study_directions", "study_system_attributes", "studies")
            if gone == "all of it"
            else ()
        ):
            connection.execute(text(f"DELETE FROM {table} WHERE study_id = 1"))
    migrate(old, lambda _: None)
    with closing(connect(old, create=True)) as database:
        assert load_record(database, "small").arms[0].trials == ()
        with pytest.raises(
            StudyConflict, match="'small/hinet' was deleted in optuna-dashboard or by Optuna"
        ):
            open_arm(StudyStore(database, "small"), "hinet")


def test_a_launch_brings_tables_forward_and_says_so_once(old: str) -> None:
    said: list[str] = []
    with closing(connect(old, create=True, say=said.append)) as database:
        StudyStore(database, "further").create_study(study_row("further"), (HINET,))
    connect(old, create=True, say=said.append).close()
    assert [line.partition(": ")[2] for line in said] == [
        f"tables brought from version 1 to {VERSION}"
    ]


def test_of_several_that_come_at_once_one_brings_the_tables_forward(old: str) -> None:
    said: list[str] = []
    with ThreadPoolExecutor(4) as pool:
        for opened in pool.map(lambda _: connect(old, create=True, say=said.append), range(4)):
            opened.close()
    assert len(said) == 1


def test_tables_are_not_changed_while_a_study_runs(old: str) -> None:
    with closing(_raw(old)) as raw, raw.writing() as connection:
        held = {
            "study": "small",
            "host": "elsewhere",
            "pid": 1,
            "boot_id": "",
            "heartbeat": time.time(),
        }
        connection.execute(metadata.tables["hs_lease"].insert().values(held))
    with pytest.raises(
        StudyConflict, match="is in use by the hinet-search that made it: small\nwait until"
    ):
        migrate(old, lambda _: None)
    assert _version(old) == 1


def test_a_step_that_fails_leaves_the_tables_as_they_were(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(operations: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(to_3, "upgrade", fails)
    with pytest.raises(OSError, match="no"):
        migrate(old, lambda _: None)
    assert _version(old) == 1
    monkeypatch.undo()
    migrate(old, lambda _: None)
    assert _version(old) == VERSION


def test_a_database_of_another_program_is_not_migrated(tmp_path: Path) -> None:
    (tmp_path / "h.db").touch()
    with pytest.raises(StudyConflict, match="table hs_schema is missing"):
        migrate(str(tmp_path / "h.db"), lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["h.db"]


def test_who_only_reads_does_without_alembic(tmp_path: Path) -> None:
    small_study(tmp_path / "h.db").close()
    code = (
        "import sys; from hinet_search.storage.engine import connect; from hinet_search.storage.listing import list_studies;"
        f"list_studies(connect({str(tmp_path / 'h.db')!r})); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _raw(url: str) -> Database:
    """The database whatever version it has."""
    engine = _bare_engine(parse_address(url), create=True)
    return Database(url, engine, pytest.fail)


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or str(name).startswith("hs_")


def _described(connection: Connection) -> object:
    """Our tables as the database sees them, columns in no order."""
    seen = inspect(connection)
    return {
        table: (
            sorted(
                (column["name"], str(column["type"]), column["nullable"], str(column["default"]))
                for column in seen.get_columns(table)
            ),
            seen.get_pk_constraint(table)["constrained_columns"],
            [
                (key["constrained_columns"], key["referred_table"], key["options"])
                for key in seen.get_foreign_keys(table)
            ],
            [(index["name"], index["column_names"]) for index in seen.get_indexes(table)],
        )
        for table in metadata.tables
    }


def _optunas(url: str) -> tuple[object, ...]:
    with closing(_raw(url)) as database, database.reading() as connection:
        return tuple(
            tuple(connection.execute(text(f"SELECT * FROM {name}")).all())
            for name in (
                "alembic_version",
                "version_info",
                "studies",
                "trials",
                "trial_params",
                "trial_values",
            )
        )


def _version(url: str) -> object:
    with closing(_raw(url)) as database, database.reading() as connection:
        return connection.execute(text("SELECT version FROM hs_schema")).scalar()


def _timeless(record: StudyRecord) -> StudyRecord:
    arms = tuple(
        replace(arm, trials=tuple(replace(trial, started="", finished="") for trial in arm.trials))
        for arm in record.arms
    )
    return replace(record, arms=arms, updated="")
