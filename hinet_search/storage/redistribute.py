"""Redistribute: earlier draws of an arm become draws from the distributions that its parameters have now.

Wider ones, or choices in another order: Optuna refuses choices that differ, its group-wise TPE samples for good from the
first range that a parameter had, and its other samplers drop a parameter with two ranges from joint sampling.
"""

from collections.abc import Mapping

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from sqlalchemy import Connection, and_, or_, select, update

from hinet_search.storage.optuna_tables import parameters, studies, trials


def redistribute(connection: Connection, optuna_study: str, now: Mapping[str, BaseDistribution]) -> None:
    """Every draw keeps its value, which the distribution of its parameter must still have."""
    drawn, written = parameters.c, {name: distribution_to_json(distribution) for name, distribution in now.items()}
    others = [and_(drawn.param_name == name, drawn.distribution_json != text) for name, text in written.items()]
    found = (
        select(drawn.param_id, drawn.param_name, drawn.param_value, drawn.distribution_json)
        .join(trials, trials.c.trial_id == drawn.trial_id)
        .join(studies, studies.c.study_id == trials.c.study_id)
        .where(studies.c.study_name == optuna_study, or_(False, *others))
    )
    for row in connection.execute(found).all():
        value = json_to_distribution(row.distribution_json).to_external_repr(row.param_value)
        changed = {
            "param_value": now[row.param_name].to_internal_repr(value),
            "distribution_json": written[row.param_name],
        }
        connection.execute(update(parameters).where(drawn.param_id == row.param_id).values(changed))
