"""Optuna's tables, as far as we read them ourselves: through its own objects 5,000 trials take seconds.

When a study is launched Optuna checks that the tables are those of the installed version.
"""

from sqlalchemy import DateTime, column, table

studies = table("studies", column("study_id"), column("study_name"))
trials = table(
    "trials",
    column("trial_id"),
    column("study_id"),
    column("number"),
    column("state"),
    column("datetime_start", DateTime),
    column("datetime_complete", DateTime),
)
values = table("trial_values", column("trial_id"), column("objective"), column("value"), column("value_type"))
parameters = table(
    "trial_params",
    column("param_id"),
    column("trial_id"),
    column("param_name"),
    column("param_value"),
    column("distribution_json"),
)
