"""Tables: ours, beside Optuna's in the same database. Columns named `..._json` are written by codec.py.

Floats are nullable because SQLite stores NaN as NULL; codec.py turns NULL back into NaN.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

VERSION = 4  # with every change here a step in migrations/

metadata = MetaData()

schema_version = Table("hs_schema", metadata, Column("version", Integer, primary_key=True))

study = Table(
    "hs_study",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("uuid", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("spec_json", Text, nullable=False),  # the study's own frozen form, to compare at the next launch
    Column("study_yaml", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("objective", Text, nullable=False),
    Column("maximize", Boolean, nullable=False),
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
    Column("verdict", Text, nullable=False),  # its sentence; empty until a launch has ended
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
    Column("importances_json", Text, nullable=False),
)


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
    Column("config_hash", Text, nullable=False),
    Column("is_default", Boolean, nullable=False),
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
    Column("passes", Float),
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
    Column("summary_json", Text),  # of all seeds; the same in every row of a finalist
)

# Openings of a test split outlive the study: deleting a study does not unsee the split.
opening = Table(
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

# A lease is taken before its study exists.
lease = Table(
    "hs_lease",
    metadata,
    Column("study", String(64), primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("heartbeat", Float, nullable=False),  # seconds since 1970 by the database's clock
)
