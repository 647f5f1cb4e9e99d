"""Widening: earlier draws of a parameter become draws from a wider distribution.

Optuna's group-wise TPE samples for good from the first distribution that a parameter had, so that nothing would come from
a wider one, and the other samplers drop a parameter with two distributions from joint sampling.
"""

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from sqlalchemy import Connection, select, update

from hinet_search.storage.optuna_tables import parameters, studies, trials


def widen(connection: Connection, optuna_study: str, name: str, wider: BaseDistribution) -> None:
    """Every draw of the parameter in that Optuna study, with the value that it has."""
    drawn = (
        select(parameters.c.param_id, parameters.c.param_value, parameters.c.distribution_json)
        .join(trials, trials.c.trial_id == parameters.c.trial_id)
        .join(studies, studies.c.study_id == trials.c.study_id)
        .where(studies.c.study_name == optuna_study, parameters.c.param_name == name)
    )
    for row in connection.execute(drawn).all():
        value = json_to_distribution(row.distribution_json).to_external_repr(row.param_value)
        written = {"param_value": wider.to_internal_repr(value), "distribution_json": distribution_to_json(wider)}
        connection.execute(update(parameters).where(parameters.c.param_id == row.param_id).values(written))
