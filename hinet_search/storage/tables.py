"""Tables: define our tables, which share a database with Optuna's, and write rows.

row_mapping.py names their columns after the fields of records. Floats are nullable because SQLite
stores NaN as NULL; row_mapping.py turns NULL back into NaN. A write is one statement on SQLite and
on PostgreSQL, and a repeat changes nothing.
"""

from collections.abc import Collection, Mapping
from functools import cache

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Executable,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects import postgresql, sqlite

VERSION = 13  # one more with every change here, with its step in migrations.py

metadata = MetaData()

schema_version = Table(
    "hs_schema",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("written_by", Text),  # the release that made or last migrated the tables
)

study = Table(
    "hs_study",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("uuid", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("spec_json", Text, nullable=False),  # the study's identity, compared at the next launch
    Column("study_yaml", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("objective", Text, nullable=False),
    Column("maximize", Boolean, nullable=False),
    Column("other_objectives_json", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("sampler", Text, nullable=False),
    Column("pruner", Text, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("budget_json", Text, nullable=False),
    Column("data_json", Text, nullable=False),
    Column("versions_json", Text, nullable=False),
    Column("started", String(32), nullable=False),
    Column("updated", String(32), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("verdict", Text, nullable=False),  # a sentence; empty unless the study is done
)

arm = Table(
    "hs_arm",
    metadata,
    Column("study", ForeignKey("hs_study.name", ondelete="CASCADE"), primary_key=True),
    Column("arm", String(256), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("ranges_json", Text, nullable=False),
    Column("fixed_json", Text, nullable=False),
    Column("size_of", Text, nullable=False),
    Column("student_of", Text, nullable=False),
    Column("importances_json", Text, nullable=False),
    Column("starts_json", Text, nullable=False),
)
_COUNTED = {"preserve_rowcount": True}  # else an INSERT has no row count on PostgreSQL


def _of_arm() -> tuple[Column[str], Column[str], ForeignKeyConstraint]:
    return (
        Column("study", String(64), primary_key=True),
        Column("arm", String(256), primary_key=True),
        ForeignKeyConstraint(["study", "arm"], ["hs_arm.study", "hs_arm.arm"], ondelete="CASCADE"),
    )


trial = Table(
    "hs_trial",
    metadata,
    *_of_arm(),
    Column("number", Integer, primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("value", Float),
    Column("parameters_json", Text, nullable=False),
    Column("started", String(32), nullable=False),
    Column("finished", String(32)),
    Column("cause", Text, nullable=False),
    Column("cost_json", Text),
)

evaluation = Table(
    "hs_evaluation",
    metadata,
    *_of_arm(),
    Column("number", Integer, primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("epochs", Float),
    Column("objective", Float),
    Column("train_loss", Float),
    Column("seconds", Float),
    Column("cells_json", Text, nullable=False),
)

finalist = Table(
    "hs_finalist",
    metadata,
    *_of_arm(),
    Column("trial_number", Integer, primary_key=True),
    Column("seed", BigInteger, primary_key=True),
    Column("is_default", Boolean, nullable=False),
    Column("chosen", Boolean, nullable=False),
    Column("parameters_json", Text, nullable=False),
    Column("valid_objective", Float),
    Column("valid_cells_json", Text, nullable=False),
    Column("test_cells_json", Text),
    Column("evaluations_json", Text, nullable=False),
    Column("cost_json", Text, nullable=False),
    Column("insight_json", Text, nullable=False),
    Column("summary_json", Text),  # over all seeds; the same in every row of a finalist
)

ensemble = Table(
    "hs_ensemble",
    metadata,
    Column("study", ForeignKey("hs_study.name", ondelete="CASCADE"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("record_json", Text, nullable=False),
)

input_worth = Table(
    "hs_input_worth",
    metadata,
    Column("study", ForeignKey("hs_study.name", ondelete="CASCADE"), primary_key=True),
    Column("left_out", Text, primary_key=True),  # groups or choices joined by `+`, or empty
    Column("seed", BigInteger, primary_key=True),
    Column("arm", Text, nullable=False),  # for choices that of the finalist, `hinet/12`
    Column("value", Float),
)

# Test accesses outlive the study: deleting a study does not unsee the split.
test_access = Table(
    "hs_opening",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", String(128), nullable=False, index=True),
    Column("study", String(64), nullable=False),
    Column("arm", String(256), nullable=False),
    Column("trial_number", Integer, nullable=False),
    Column("seeds_json", Text, nullable=False),
    Column("opened", String(32), nullable=False),
)

# The test rows of a fingerprint. Fingerprints with the same test rows share their test accesses,
# even when their other data differ.
test_rows = Table(
    "hs_test_rows",
    metadata,
    Column("fingerprint", String(128), primary_key=True),
    Column("in_order", String(64), nullable=False, index=True),
    Column("by_identity", String(64), index=True),
)

# A lease is taken before its study exists.
lease = Table(
    "hs_lease",
    metadata,
    Column("study", String(64), primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("heartbeat", Float, nullable=False),  # seconds since 1970 by the database's clock
    Column("seconds_left", Float),  # of the launch, as its terminal shows them
)


def upsert(
    connection: Connection, table: Table, row: Mapping[str, object], keep: Collection[str] = ()
) -> bool:
    """Insert the row, or update all columns but `keep` of the row with its primary key.

    In a table with attempts, drop a row of an older attempt than the stored one. Return whether the
    row was written.
    """
    statement = _statement(connection.dialect.name, table, tuple(row), tuple(keep))
    return connection.execute(statement, row, execution_options=_COUNTED).rowcount > 0


@cache
def _statement(
    dialect: str, table: Table, names: tuple[str, ...], keep: tuple[str, ...]
) -> Executable:
    """Build the statement; cached because building it takes longer than running it."""
    insert = {"postgresql": postgresql, "sqlite": sqlite}[dialect].insert
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {
        name: statement.excluded[name] for name in names if name not in keys and name not in keep
    }
    is_current = statement.excluded["attempt"] >= table.c.attempt if "attempt" in table.c else None
    upsert_statement: Executable = statement.on_conflict_do_update(
        index_elements=keys, set_=changed, where=is_current
    )
    return upsert_statement


def insert_if_absent(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    """Insert the row unless its primary key exists; return whether it was inserted.

    Wait for a concurrent insert of the same key.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = (
        dialect.insert(table).values(**row).on_conflict_do_nothing().returning(*table.primary_key)
    )
    return connection.execute(statement).first() is not None
