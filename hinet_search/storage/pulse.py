"""Pulse: whether a study moves, and when whoever runs it was heard last; found without loading a trial."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from hinet_search.storage.engine import Database
from hinet_search.storage.lease import held_studies, silence, state_now
from hinet_search.storage.load import find_study
from hinet_search.storage.names import optuna_name
from hinet_search.storage.optuna_tables import studies
from hinet_search.storage.tables import arm, evaluation


@dataclass(frozen=True)
class Pulse:
    """Signs of life of a study. `silent` are seconds since the heartbeat of whoever runs it; None when nobody does.

    What else it has changes with the study's record, though what follows within a second may change nothing here.
    """

    state: str
    updated: str
    evaluations: int
    silent: float | None


def read_pulse(database: Database, name: str) -> Pulse:
    """The pulse of a study; ConfigurationError when the database has none of that name."""
    evaluations = select(func.count()).select_from(evaluation).where(evaluation.c.study == name)
    with database.reading() as connection:
        found = find_study(connection, name)
        return Pulse(
            state=state_now(found.state, name, held_studies(connection)),
            updated=found.updated,
            evaluations=connection.execute(evaluations).scalar_one(),
            silent=silence(connection, name),
        )


def optuna_numbers(database: Database, name: str) -> Mapping[str, int]:
    """Arm -> the number that Optuna gave its study; an arm that has not begun has none."""
    of_arm = studies.join(arm, studies.c.study_name == arm.c.study + optuna_name("", "") + arm.c.arm)
    chosen = select(arm.c.arm, studies.c.study_id).select_from(of_arm).where(arm.c.study == name)
    with database.reading() as connection:
        return {row.arm: row.study_id for row in connection.execute(chosen)}
