"""Optuna's tables, as far as we read and write them ourselves: through its own objects 5,000 trials take seconds, and a
trial takes forty transactions.

When a study is launched Optuna checks that the tables are those of the installed version. A key here is what tells two
rows apart; Optuna has serial numbers beside it.
"""

from sqlalchemy import Column, DateTime, Enum, Float, Integer, MetaData, String, Table, Text

_not_ours = MetaData()  # Optuna makes these tables

studies = Table(
    "studies",
    _not_ours,
    Column("study_id", Integer, primary_key=True),
    Column("study_name", String),
)
trials = Table(
    "trials",
    _not_ours,
    Column("trial_id", Integer, primary_key=True),
    Column("study_id", Integer),
    Column("number", Integer),
    Column("state", Enum("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING", name="trialstate")),
    Column("datetime_start", DateTime),  # UTC, without saying so
    Column("datetime_complete", DateTime),
)
values = Table(
    "trial_values",
    _not_ours,
    Column("trial_id", Integer, primary_key=True),
    Column("objective", Integer, primary_key=True),
    Column("value", Float),
    Column("value_type", Enum("FINITE", "INF_POS", "INF_NEG", name="trialvaluetype")),
)
intermediate_values = Table(
    "trial_intermediate_values",
    _not_ours,
    Column("trial_id", Integer, primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("intermediate_value", Float),
    Column("intermediate_value_type", Enum("FINITE", "INF_POS", "INF_NEG", "NAN", name="trialintermediatevaluetype")),
)
parameters = Table(
    "trial_params",
    _not_ours,
    Column("param_id", Integer),
    Column("trial_id", Integer, primary_key=True),
    Column("param_name", String, primary_key=True),
    Column("param_value", Float),
    Column("distribution_json", Text),
)
system_attributes = Table(
    "trial_system_attributes",
    _not_ours,
    Column("trial_id", Integer, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value_json", Text),
)
