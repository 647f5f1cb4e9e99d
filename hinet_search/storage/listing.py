"""Listing: one line per study, counted by the database without loading a trial."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection, Select, String, and_, case, cast, func, select

from hinet_search.records import Budget
from hinet_search.storage import tables
from hinet_search.storage.codec import from_json
from hinet_search.storage.columns import AnyRow
from hinet_search.storage.engine import Database
from hinet_search.storage.lease import held_studies, state_now
from hinet_search.storage.names import optuna_name
from hinet_search.storage.optuna_tables import studies, trials, values
from hinet_search.storage.rows import StudySummary


def list_studies(database: Database) -> tuple[StudySummary, ...]:
    """All studies of the database, by name."""
    with database.reading() as connection:
        ours = connection.execute(select(tables.study).order_by(tables.study.c.name)).all()
        arms = _counts_by_study(connection)
        held = held_studies(connection)
    return tuple(
        replace(_summary(study, arms[study.name]), state=state_now(study.state, study.name, held)) for study in ours
    )


def _counts_by_study(connection: Connection) -> Mapping[str, list[AnyRow]]:
    found = defaultdict(list)
    for row in connection.execute(_counts()):
        found[row.study].append(row)
    return found


def _counts() -> Select[tuple[object, ...]]:
    """Per arm: trained trials that ended, the lowest and the highest value of the complete ones."""
    arm, ours = tables.arm, tables.trial
    state = cast(trials.c.state, String)  # an enumeration type on PostgreSQL
    # The same rule as TrialRecord.counts.
    outside = func.coalesce(ours.c.cause, "").like("duplicate%") | func.coalesce(ours.c.cause, "").like("too large%")
    ended = and_(state.in_(["COMPLETE", "PRUNED", "FAIL"]), ~outside)
    is_value = and_(state == "COMPLETE", cast(values.c.value_type, String) == "FINITE")
    value = case((is_value, values.c.value))
    is_own = and_(ours.c.study == arm.c.study, ours.c.arm == arm.c.arm, ours.c.number == trials.c.number)
    joined = (
        arm.outerjoin(studies, studies.c.study_name == arm.c.study + optuna_name("", "") + arm.c.arm)
        .outerjoin(trials, trials.c.study_id == studies.c.study_id)
        .outerjoin(ours, is_own)
        .outerjoin(values, and_(values.c.trial_id == trials.c.trial_id, values.c.objective == 0))
    )
    return (
        select(
            arm.c.study,
            arm.c.arm,
            func.coalesce(func.sum(case((ended, 1), else_=0)), 0).label("done"),
            func.min(value).label("lowest"),
            func.max(value).label("highest"),
        )
        .select_from(joined)
        .group_by(arm.c.study, arm.c.arm, arm.c.position)
        .order_by(arm.c.study, arm.c.position)
    )


def _summary(study: AnyRow, arms: list[AnyRow]) -> StudySummary:
    best = [(arm.highest if study.maximize else arm.lowest, arm.arm) for arm in arms if arm.highest is not None]
    choose = max if study.maximize else min
    best_value, best_arm = choose(best, key=lambda pair: pair[0], default=(None, None))
    budget: Budget = from_json(Budget, study.budget_json)
    return StudySummary(
        name=study.name,
        state=study.state,
        objective=study.objective,
        done=sum(arm.done for arm in arms),
        budget=budget.trials * len(arms),
        best_value=best_value,
        best_arm=best_arm,
        updated=study.updated,
        verdict=study.verdict,
    )
