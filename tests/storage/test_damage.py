"""Damage: a row that differs from what was written is reported with its table and keys, whatever is wrong with it."""

import random
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from sqlalchemy import text

from hinet_search.common.errors import EnvironmentFault, HinetSearchError, TransientError
from hinet_search.storage import tables
from hinet_search.storage.engine import Database, connect
from hinet_search.storage.lease import Holder, acquire
from hinet_search.storage.listing import list_studies, read_change_marker
from hinet_search.storage.load import load_record
from hinet_search.storage.store import StudyStore
from tests.postgres import emptied
from tests.storage.small_study import copy_arm, small_study

OURS = [table.name for table in tables.metadata.sorted_tables]
OPTUNAS = ["studies", "trials", "trial_params", "trial_values"]
WRONG = (None, "garbage", -5, 2**63 - 1, 1e308, b"\xff\xfe", "[]", '{"a": [1]}')
FLIPS = 15


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of two studies, in one file."""
    path = tmp_path_factory.mktemp("whole") / "h.db"
    for name in ("small", "other"):
        small_study(path, name).close()
    with closing(connect(str(path), create=True)) as database:
        with database.writing() as connection:
            acquire(connection, "small", Holder("far", 5, "boot"))
        with database.writing() as connection:
            connection.execute(text("UPDATE hs_lease SET heartbeat = 1.0"))  # it died long ago
    return path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    return Path(tmp_path / "h.db").write_bytes(whole.read_bytes()) and tmp_path / "h.db"


def change(path: Path, *statements: str, values: tuple[object, ...] = ()) -> None:
    """Run statements on a database whose tables take anything."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema=1")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') WHERE type = 'table'"
        )
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints=1")
        for statement in statements:
            connection.execute(statement, values)


def status(path: Path) -> None:
    with closing(connect(str(path))) as database:
        list_studies(database)


def report(path: Path) -> None:
    with closing(connect(str(path))) as database:
        read_change_marker(database, "small")
        load_record(database, "small")


def go_on(path: Path) -> None:
    """Resume a stored study, as a launch does."""
    with closing(connect(str(path), create=True)) as database:
        store = StudyStore(database, "small")
        store.acquire_lease()
        store.load_study()
        copy_arm(store, "hinet")
        store.finalists()
        store.accessed_seeds("abc123", "hinet", 1)
        replace(store, leased=True).set_state("done")


def refuse_in_words(use: Callable[[Path], None], path: Path) -> HinetSearchError | None:
    """Use a damaged database; return its error, if any, which must be one of ours and not be retried."""
    try:
        use(path)
    except TransientError as error:
        raise AssertionError("damage does not pass") from error
    except HinetSearchError as error:
        return error
    return None


def columns_of(path: Path, table: str) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


@pytest.mark.parametrize("table", [*OURS, *OPTUNAS])
def test_a_wrong_value_in_any_column_is_reported_in_words(
    table: str, path: Path, whole: Path
) -> None:
    draw = random.Random(table)
    for column in columns_of(whole, table):
        path.write_bytes(whole.read_bytes())
        row = f"rowid = (SELECT max(rowid) FROM {table})"
        with suppress(
            sqlite3.IntegrityError, sqlite3.OperationalError, OverflowError
        ):  # a key that takes no such value
            change(
                path, f"UPDATE {table} SET {column} = ? WHERE {row}", values=(draw.choice(WRONG),)
            )
        for use in draw.sample((status, report, go_on), 2):
            refuse_in_words(use, path)


@pytest.mark.parametrize("use", [status, report])
@pytest.mark.parametrize(
    "table", ["hs_study", "hs_arm", "hs_trial", "hs_evaluation", "hs_finalist", "trials", "studies"]
)
def test_a_table_that_is_gone_is_reported_by_name_without_retries(
    table: str, use: Callable[[Path], None], path: Path
) -> None:
    change(path, f"DROP TABLE {table}")
    said = refuse_in_words(use, path)
    if said is not None:  # who does not read the table does not miss it
        assert isinstance(said, EnvironmentFault)
        assert re.search(
            rf"^database sqlite:///{path} is not usable: no such table: (main\.)?{table}", str(said)
        )
        assert "restore a copy of it" in said.remedy


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "UPDATE hs_study SET budget_json = '{' WHERE name = 'small'",
            "table hs_study, name 'small': column budget_json must hold what was written, but: Invalid JSON",
        ),
        (
            "UPDATE hs_study SET name = CAST(x'ff41' AS TEXT) WHERE name = 'small'",
            r"table hs_study, name '\udcffA': column name must hold a text, got '\udcffA'",
        ),
        (
            "UPDATE hs_study SET updated = 'long ago' WHERE name = 'small'",
            "column updated must hold a time in ISO 8601 with its zone, got 'long ago'",
        ),
        (
            "UPDATE hs_trial SET attempt = 0 WHERE study = 'small' AND arm = 'hinet' AND number = 2",
            "table hs_trial, study 'small', arm 'hinet', number 2: column attempt must hold >= 1, got 0",
        ),
        (
            "UPDATE hs_finalist SET summary_json = '[1]' WHERE study = 'small'",
            "trial_number 0, seed 1: column summary_json must hold what was written, but: ",
        ),
        (
            "UPDATE hs_trial SET value = NULL WHERE study = 'small' AND arm = 'hinet' AND number = 0",
            "number 0: a complete trial must have a value",
        ),
    ],
)
def test_a_damaged_row_is_reported_with_database_table_keys_and_column(
    statement: str, words: str, path: Path
) -> None:
    change(path, statement)
    with pytest.raises(EnvironmentFault) as caught:
        report(path)
    assert str(caught.value).startswith(f"database sqlite:///{path} is damaged: table ")
    assert words in caught.value.problems[0]
    assert caught.value.remedy.startswith(
        "restore a copy of it, delete what is damaged, or name another database"
    )


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "UPDATE hs_trial SET parameters_json = '[{\"x\": 1}]' WHERE study = 'small' AND number = 1",
            "table hs_trial, number 1: 'x'",
        ),
        (
            "UPDATE hs_trial SET parameters_json = '[{\"train.learning_rate\": 7}]' WHERE study = 'small' AND number = 1",
            "table hs_trial, number 1: ",
        ),
        (
            "DELETE FROM hs_trial WHERE study = 'small' AND number = 0",
            "from 0 without a gap, and 0 is missing",
        ),
    ],
)
def test_a_damaged_trial_ends_the_launch_that_resumes_it(
    statement: str, words: str, path: Path
) -> None:
    change(path, statement)
    said = refuse_in_words(go_on, path)
    assert isinstance(said, EnvironmentFault)
    assert words in said.problems[0]


def test_a_damaged_trial_of_optuna_ends_the_launch_that_resumes_it(path: Path) -> None:
    change(path, "UPDATE trial_params SET distribution_json = '[]' WHERE trial_id = 1")
    said = refuse_in_words(go_on, path)
    assert isinstance(said, EnvironmentFault)
    assert "table trials, study_name 'small/hinet'" in said.problems[0]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trial_values SET value = 0.1 WHERE trial_id = 1",
        "DELETE FROM trial_values WHERE trial_id = 1",
        "UPDATE trial_params SET param_value = 0.0005 WHERE trial_id = 1",
        "UPDATE trials SET state = 'FAIL' WHERE trial_id = 1",
        "UPDATE trials SET number = 7 WHERE trial_id = 1",
    ],
)
def test_a_change_in_optunas_copy_changes_no_result_and_is_mended(
    statement: str, path: Path
) -> None:
    with closing(connect(str(path))) as database:
        before = (
            load_record(database, "small"),
            [study.trials for study in optuna_studies(database)],
        )
    change(path, *statement.split(";"))
    go_on(path)
    with closing(connect(str(path))) as database:
        after = load_record(database, "small"), [study.trials for study in optuna_studies(database)]
    assert replace(after[0], updated=before[0].updated) == before[0]
    assert [[(t.number, t.state, t.value, t.params) for t in trials] for trials in after[1]] == [
        [(t.number, t.state, t.value, t.params) for t in trials] for trials in before[1]
    ]


def optuna_studies(database: Database) -> list[optuna.Study]:
    return [
        optuna.load_study(study_name=name, storage=database.storage)
        for name in ("small/hinet", "small/single")
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE hs_study SET budget_json = '[]' WHERE name = 'small'",
        "UPDATE hs_study SET name = x'ff736d616c6c' WHERE name = 'small'",
        "UPDATE hs_study SET state = 'running' WHERE name = 'small'; UPDATE hs_lease SET heartbeat = 'late'",
        "UPDATE hs_trial SET value = 'high' WHERE study = 'small' AND arm = 'hinet' AND number = 0",
    ],
)
def test_the_other_studies_of_the_database_are_listed(statement: str, path: Path) -> None:
    change(path, *statement.split(";"))
    with closing(connect(str(path))) as database:
        other, small = list_studies(database)
    assert (other.name, other.state, other.done, other.damage) == ("other", "done", 5, "")
    assert (small.name, small.state) in (("small", "damaged"), (r"b'\xffsmall'", "damaged"))
    assert small.damage.startswith(f"database sqlite:///{path} is damaged: table ")


def test_flipped_bits_anywhere_in_the_file_are_reported_in_words(path: Path, whole: Path) -> None:
    draw = random.Random(14)
    for _ in range(FLIPS):
        content = bytearray(whole.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        for use in (status, report, go_on):
            refuse_in_words(use, path)


@pytest.mark.parametrize("share", [0.001, 0.02, 0.3, 0.7, 0.9])
def test_a_file_that_is_cut_off_is_reported_in_words(share: float, path: Path) -> None:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    for use in (status, report, go_on):
        said = refuse_in_words(use, path)
        assert said is not None
        assert f"database sqlite:///{path} is not usable: " in said.problems[0]


def test_a_schema_whose_text_is_no_utf_8_is_reported_in_words(path: Path, whole: Path) -> None:
    path.write_bytes(
        whole.read_bytes().replace(b"CREATE TABLE hs_lease", b"CREATE TABLE\x80hs_lease")
    )
    with pytest.raises(EnvironmentFault, match=r"database .* is not usable: "):
        connect(str(path)).close()


@pytest.mark.postgres
@pytest.mark.parametrize("use", ["a table", "a column"])
def test_what_a_server_misses_is_not_waited_for(use: str, postgres: object) -> None:
    url = emptied(postgres)
    database = small_study(url)
    change = (
        "DROP TABLE hs_evaluation"
        if use == "a table"
        else "ALTER TABLE hs_evaluation DROP COLUMN epochs"
    )
    with database.writing() as connection:
        connection.execute(text(change))
    with pytest.raises(EnvironmentFault, match=r'is not usable: .*"?hs_evaluation') as caught:
        load_record(database, "small")
    assert not isinstance(caught.value, TransientError)
    database.close()
