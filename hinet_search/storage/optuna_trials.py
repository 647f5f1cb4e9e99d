"""Trials of Optuna, read from its tables."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from optuna.distributions import BaseDistribution, json_to_distribution
from sqlalchemy import Connection, String, cast, select

from hinet_search.records import Scalar
from hinet_search.storage.optuna_tables import parameters, studies, trials, values

_INFINITE = {"INF_POS": math.inf, "INF_NEG": -math.inf}


@dataclass(frozen=True)
class OptunaTrial:
    """A trial as Optuna keeps it. `state` is its word, COMPLETE or PRUNED say; times are naive and in UTC."""

    number: int
    state: str
    value: float | None
    parameters: Mapping[str, Scalar]
    started: datetime | None
    finished: datetime | None


def read_trials(connection: Connection, study_name: str) -> Iterator[OptunaTrial]:
    """All trials of one of Optuna's studies, by number; none where there is no such study."""
    drawn = _parameters(connection, study_name)
    of_study = trials.join(studies, studies.c.study_id == trials.c.study_id)
    with_value = of_study.outerjoin(values, (values.c.trial_id == trials.c.trial_id) & (values.c.objective == 0))
    chosen = (
        select(
            trials.c.trial_id,
            trials.c.number,
            cast(trials.c.state, String).label("state"),  # an enumeration type on PostgreSQL
            values.c.value,
            cast(values.c.value_type, String).label("value_type"),
            trials.c.datetime_start,
            trials.c.datetime_complete,
        )
        .select_from(with_value)
        .where(studies.c.study_name == study_name)
        .order_by(trials.c.number)
    )
    for row in connection.execute(chosen):
        value = _INFINITE.get(row.value_type, row.value)
        yield OptunaTrial(row.number, row.state, value, drawn[row.trial_id], row.datetime_start, row.datetime_complete)


def _parameters(connection: Connection, study_name: str) -> Mapping[int, dict[str, Scalar]]:
    found: Mapping[int, dict[str, Scalar]] = defaultdict(dict)
    of_study = parameters.join(trials, trials.c.trial_id == parameters.c.trial_id).join(
        studies, studies.c.study_id == trials.c.study_id
    )
    chosen = (
        select(parameters.c.trial_id, parameters.c.param_name, parameters.c.param_value, parameters.c.distribution_json)
        .select_from(of_study)
        .where(studies.c.study_name == study_name)
        .order_by(parameters.c.param_id)
    )
    for row in connection.execute(chosen):
        found[row.trial_id][row.param_name] = _distribution(row.distribution_json).to_external_repr(row.param_value)
    return found


@lru_cache(maxsize=4096)
def _distribution(text: str) -> BaseDistribution:
    return json_to_distribution(text)
