"""Trials of Optuna, written into its tables in the transaction of our own rows. Written twice, a trial is there once."""

import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime

from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial
from sqlalchemy import Connection, bindparam, insert, select, update

from hinet_search.errors import StudyConflict
from hinet_search.storage.optuna_tables import (
    intermediate_values,
    parameters,
    studies,
    system_attributes,
    trials,
    values,
)
from hinet_search.storage.upsert import upsert, upsert_all

_NAMED = select(studies.c.study_id).where(studies.c.study_name == bindparam("of_study")).scalar_subquery()
_STUDY = select(studies.c.study_id).where(studies.c.study_name == bindparam("of_study"))
_IS_THIS = (trials.c.study_id == _NAMED) & (trials.c.number == bindparam("of_number"))
_FIND = select(trials.c.trial_id).where(_IS_THIS)
_UPDATE = (
    update(trials)
    .where(_IS_THIS)
    .values(
        state=bindparam("state"),
        datetime_start=bindparam("datetime_start"),
        datetime_complete=bindparam("datetime_complete"),
    )
    .returning(trials.c.trial_id)
)
_INSERT = insert(trials).values(study_id=_NAMED, number=bindparam("of_number")).returning(trials.c.trial_id)


def deleted(study_name: str) -> StudyConflict:
    """What is to be said of a study of Optuna whose trials are gone while ours are there."""
    return StudyConflict(
        f"'{study_name}' was deleted in optuna-dashboard or by Optuna, and what else there is of the study was not",
        remedy="it cannot go on: give the study another name (key 'name')",
    )


def write_trial(connection: Connection, study_name: str, trial: FrozenTrial) -> None:
    """Makes the stored trial of that number like this one."""
    trial_id = _write_state(connection, study_name, trial)
    drawn = [
        {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": distribution.to_internal_repr(trial.params[name]),
            "distribution_json": distribution_to_json(distribution),
        }
        for name, distribution in trial.distributions.items()
    ]
    upsert_all(connection, parameters, drawn)
    if trial.value is not None:
        value, kind = _stored(trial.value)
        upsert(connection, values, {"trial_id": trial_id, "objective": 0, "value": value, "value_type": kind})
    _write_course(connection, trial_id, trial, trial.intermediate_values)


def write_report(connection: Connection, study_name: str, trial: FrozenTrial, step: int) -> None:
    """Writes what a stored trial has reported at one step, and the notes that sampler and pruner keep of it."""
    trial_id = connection.execute(_FIND, {"of_study": study_name, "of_number": trial.number}).scalar()
    if trial_id is None:
        raise deleted(study_name)
    _write_course(connection, trial_id, trial, [step])


def _write_state(connection: Connection, study_name: str, trial: FrozenTrial) -> int:
    """State and times of a trial, which is made where there is none; its key."""
    row = {
        "of_study": study_name,
        "of_number": trial.number,
        "state": trial.state.name,
        "datetime_start": _utc(trial.datetime_start),
        "datetime_complete": _utc(trial.datetime_complete),
    }
    trial_id: int | None = connection.execute(_UPDATE, row).scalar()
    if trial_id is None and connection.execute(_STUDY, row).scalar() is None:
        raise deleted(study_name)
    return connection.execute(_INSERT, row).scalar_one() if trial_id is None else trial_id


def _write_course(connection: Connection, trial_id: int, trial: FrozenTrial, steps: Iterable[int]) -> None:
    notes = [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(note)} for key, note in trial.system_attrs.items()
    ]
    upsert_all(connection, system_attributes, notes)
    reported = [(step, *_stored(trial.intermediate_values[step])) for step in steps]
    rows = [
        {"trial_id": trial_id, "step": step, "intermediate_value": value, "intermediate_value_type": kind}
        for step, value, kind in reported
    ]
    upsert_all(connection, intermediate_values, rows)


def _stored(value: float) -> tuple[float | None, str]:
    if math.isfinite(value):
        return value, "FINITE"
    return None, "NAN" if math.isnan(value) else "INF_POS" if value > 0 else "INF_NEG"


def _utc(moment: datetime | None) -> datetime | None:
    """A moment of Optuna, which is naive and local, as its tables have it: naive and in UTC."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)
