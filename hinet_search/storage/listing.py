"""Listing: summarise studies, and tell whether one has changed, without loading a trial."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Select, and_, case, func, or_, select

from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.results.records import UNCOUNTED_CAUSES
from hinet_search.storage import row_mapping, tables
from hinet_search.storage.damage import AnyRow, DamagedRow, check_value, printable, row_of
from hinet_search.storage.engine import Database
from hinet_search.storage.lease import heartbeat, state_now
from hinet_search.storage.row_mapping import StudyRow, StudySummary, configurations

DAMAGED = "damaged"  # the state of a study that cannot be read


def list_studies(database: Database) -> tuple[StudySummary, ...]:
    """Summarise all studies of the database, by name; a damaged study has only its damage."""
    with database.reading() as connection:
        rows = connection.execute(select(tables.study).order_by(tables.study.c.name)).all()
        counts = defaultdict(list)
        for arm in connection.execute(_counts()):
            counts[arm.study].append(arm)
        return tuple(_listed(connection, row, counts[row.name], database.url) for row in rows)


def _listed(connection: Connection, row: AnyRow, counts: list[AnyRow], url: str) -> StudySummary:
    try:
        study = row_mapping.study_from_row(row)
        with row_of("hs_study", name=study.name):
            sizes = configurations(study.spec_json, study.budget.trials)
        with row_of("hs_trial", study=study.name):
            summary = _summary(study, counts, sizes)
        summary = replace(summary, inputs=_inputs(connection, study, has_trials=summary.done > 0))
        return replace(summary, state=state_now(connection, study.name, study.state))
    except DamagedRow as error:
        damage = f"database {url} is damaged: {error}"
        return StudySummary(printable(row.name), DAMAGED, "", 0, 0, None, None, "", damage=damage)


def _counts() -> Select[tuple[object, ...]]:
    """Select per arm how many trials began and ended, and the extreme values of complete trials.

    Students are left out: what they do stands on the arms, and is outside the budget.
    """
    arm = tables.arm
    trial = tables.trial
    outside = or_(*(trial.c.cause.startswith(cause) for cause in UNCOUNTED_CAUSES))
    begun = and_(trial.c.state.is_not(None), ~outside)
    ended = and_(trial.c.state.in_(["complete", "pruned", "failed"]), ~outside)
    value = case((trial.c.state == "complete", trial.c.value))
    joined = arm.outerjoin(trial, and_(trial.c.study == arm.c.study, trial.c.arm == arm.c.arm))
    return (
        select(
            arm.c.study,
            arm.c.arm,
            func.coalesce(func.sum(case((begun, 1), else_=0)), 0).label("begun"),
            func.coalesce(func.sum(case((ended, 1), else_=0)), 0).label("done"),
            func.min(value).label("lowest"),
            func.max(value).label("highest"),
        )
        .select_from(joined)
        .where(arm.c.student_of == "")
        .group_by(arm.c.study, arm.c.arm, arm.c.position)
        .order_by(arm.c.study, arm.c.position)
    )


def _summary(study: StudyRow, arms: list[AnyRow], sizes: Mapping[str, int]) -> StudySummary:
    """Summarise a study; ValueError for a value that is not a number."""
    best_value = best_arm = None
    for arm in arms:
        value = arm.highest if study.maximize else arm.lowest
        if value is None:
            continue
        if not isinstance(value, float):
            # Not a TypeError: the content is wrong, not the call.
            problem = f"a value of arm {arm.arm} must be a number, got {value!r}"
            raise ValueError(problem)  # noqa: TRY004
        sign = 1 if study.maximize else -1
        if best_value is None or sign * value > sign * best_value:
            best_value = value
            best_arm = arm.arm
    return StudySummary(
        name=study.name,
        state=study.state,
        objective=study.objective,
        done=sum(arm.done for arm in arms),
        budget=sum(max(sizes.get(arm.arm, study.budget.trials), arm.begun) for arm in arms),
        best_value=best_value,
        best_arm=best_arm,
        updated=study.updated,
        verdict=study.verdict,
        searched_on=study.data.searched_on,
    )


def _inputs(connection: Connection, study: StudyRow, *, has_trials: bool) -> str:
    """Say what groups of inputs are worth; empty while they are measured, or if they are not."""
    of_study = select(tables.input_worth).where(tables.input_worth.c.study == study.name)
    stored = [row_mapping.paired_run_from_row(row) for row in connection.execute(of_study)]
    runs = [run for run in stored if not run.is_of_choices]
    if not runs:
        return ""
    # Only here: intervals need scipy, which most studies do not.
    from hinet_search.results.ablation import choose_inputs, follows, sentence

    arms = connection.execute(select(tables.arm).where(tables.arm.c.study == study.name)).all()
    choice = choose_inputs(runs, study.objective, study.budget.margin)
    fixed = [row_mapping.arm_from_row(arm).fixed for arm in arms]
    is_followed = any(follows(each, choice, tuple(study.data.groups)) for each in fixed)
    return sentence(choice, is_followed=is_followed) if is_followed or has_trials else ""


def find_study(connection: Connection, study: str) -> AnyRow:
    """Return the row of a study; ConfigurationError lists the known studies when there is none.

    DamagedRow when there is none, and the name of another one is damaged: it may be the one.
    """
    name = tables.study.c.name
    row = connection.execute(select(tables.study).where(name == study)).one_or_none()
    if row is None:
        known = connection.execute(select(name).order_by(name)).scalars().all()
        for each in known:
            with row_of("hs_study", name=each):
                check_value(name, each)
        raise ConfigurationError(
            f"study {study!r} is not in this database, which has {', '.join(known) or 'none'}"
            f"{did_you_mean(study, known)}"
        )
    return row


@dataclass(frozen=True)
class ChangeMarker:
    """The change marker of a study.

    `seconds_since_heartbeat` and `seconds_left` are of its holder, if any. The other fields change
    when the study's record does, but a second change within the same second may leave them as
    they are.
    """

    state: str
    updated: str
    evaluations: int
    seconds_since_heartbeat: float | None
    seconds_left: float | None


def read_change_marker(database: Database, name: str) -> ChangeMarker:
    """Read the change marker of a study; ConfigurationError when the database has no such study."""
    evaluations = (
        select(func.count()).select_from(tables.evaluation).where(tables.evaluation.c.study == name)
    )
    with database.reading() as connection:
        row = find_study(connection, name)
        silent, left = heartbeat(connection, name)
        return ChangeMarker(
            state=state_now(connection, name, row.state),
            updated=row.updated,
            evaluations=connection.execute(evaluations).scalar_one(),
            seconds_since_heartbeat=silent,
            seconds_left=left,
        )
