"""Load: a stored study as the record that reports read, Optuna's trials joined with our rows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Select, Table, literal, select

from hinet_search.errors import ConfigurationError, did_you_mean
from hinet_search.records import ArmRecord, EvaluationRecord, FinalistRecord, FinalistSummary, StudyRecord, TrialRecord
from hinet_search.storage import columns, tables
from hinet_search.storage.clock import utc_text
from hinet_search.storage.codec import from_json, to_json
from hinet_search.storage.columns import AnyRow
from hinet_search.storage.engine import Database
from hinet_search.storage.lease import held_studies, state_now
from hinet_search.storage.names import optuna_name
from hinet_search.storage.openings import count_openings
from hinet_search.storage.optuna_trials import OptunaTrial, read_trials
from hinet_search.storage.rows import StudyRow, TrialRow

_STATES = {
    "COMPLETE": "complete",
    "PRUNED": "pruned",
    "FAIL": "failed",
    "RUNNING": "running",
}  # a waiting trial has not begun and is not yet part of a record

NO_CELLS = to_json(columns.CELLS, ())
_Evaluations = Mapping[tuple[str, int], tuple[EvaluationRecord, ...]]


def load_record(database: Database, study: str, *, trial_cells: bool = False) -> StudyRecord:
    """The study as it stands now; ConfigurationError when the database has none of that name.

    Cells of the evaluations of trials (not of finalists) are many and read by no report, so they are left out unless
    `trial_cells` asks for them.
    """
    with database.reading() as connection:
        row = _study_row(connection, study)
        arms = [columns.to_arm(found) for found in _rows(connection, tables.arm, study, "position")]
        ours = {(r.arm, r.number): columns.to_trial(r) for r in _rows(connection, tables.trial, study, "number")}
        evaluations = _evaluations(_evaluation_rows(connection, study, trial_cells=trial_cells))
        finalists = _finalists(_rows(connection, tables.finalist, study, "arm", "trial_number", "seed"))
        test_openings = count_openings(connection, row.data.fingerprint)
        of_optuna = {arm.name: list(read_trials(connection, optuna_name(study, arm.name))) for arm in arms}
    records = tuple(
        ArmRecord(
            name=arm.name,
            model=arm.model,
            ranges=arm.ranges,
            fixed=arm.fixed,
            trials=tuple(
                _trial(trial, ours.get((arm.name, trial.number)), evaluations.get((arm.name, trial.number), ()))
                for trial in of_optuna[arm.name]
                if trial.state in _STATES
            ),
            finalists=tuple(finalists[arm.name]),
            importances=arm.importances,
            size_of=arm.size_of,
        )
        for arm in arms
    )
    return _record(row, records, test_openings)


def find_study(connection: Connection, study: str) -> AnyRow:
    """The row of a study; ConfigurationError names those that there are when it is not one of them."""
    found = connection.execute(select(tables.study).where(tables.study.c.name == study)).one_or_none()
    if found is None:
        known = connection.execute(select(tables.study.c.name).order_by(tables.study.c.name)).scalars().all()
        raise ConfigurationError(
            f"study {study!r} is not in this database, which has {', '.join(known) or 'none'}"
            f"{did_you_mean(study, known)}"
        )
    return found


def _study_row(connection: Connection, study: str) -> StudyRow:
    row = columns.to_study(find_study(connection, study))
    return replace(row, state=state_now(row.state, study, held_studies(connection)))


def _rows(connection: Connection, table: Table, study: str, *order: str) -> Sequence[AnyRow]:
    chosen = select(table).where(table.c.study == study).order_by(*(table.c[name] for name in order))
    return connection.execute(chosen).all()


def load_finalists(database: Database, study: str) -> Mapping[str, tuple[FinalistRecord, ...]]:
    """The finalists of every arm that has some, as in the whole record."""
    with database.reading() as connection:
        found = _finalists(_rows(connection, tables.finalist, study, "arm", "trial_number", "seed"))
    return {arm: tuple(finalists) for arm, finalists in found.items()}


def _evaluation_rows(connection: Connection, study: str, *, trial_cells: bool) -> Sequence[AnyRow]:
    every = tables.evaluation.c
    cells = every.cells_json if trial_cells else literal(NO_CELLS).label("cells_json")
    chosen: Select[Any] = select(*(one for one in every if one.name != "cells_json"), cells)
    ordered = chosen.where(every.study == study).order_by(every.arm, every.number, every.step)
    return connection.execute(ordered).all()


def _evaluations(rows: Sequence[AnyRow]) -> _Evaluations:
    """By arm and number. Steps that only an older attempt reached, and the newest did not, are no part of the trial."""
    found = {}
    for key, group in groupby(rows, key=lambda row: (row.arm, row.number)):
        steps = list(group)
        newest = max(row.attempt for row in steps)
        last = max(row.step for row in steps if row.attempt == newest)
        found[key] = tuple(columns.to_evaluation(row) for row in steps if row.step <= last)
    return found


def _finalists(rows: Sequence[AnyRow]) -> Mapping[str, list[FinalistRecord]]:
    by_arm = defaultdict(list)
    for (arm, number), group in groupby(rows, key=lambda row: (row.arm, row.trial_number)):
        seeds = list(group)
        by_arm[arm].append(
            FinalistRecord(
                trial_number=number,
                is_default=seeds[0].is_default,
                chosen=seeds[0].chosen,
                parameters=from_json(columns.PARAMETERS, seeds[0].parameters_json),
                runs=tuple(columns.to_finalist_run(row) for row in seeds),
                summary=from_json(FinalistSummary, seeds[0].summary_json) if seeds[0].summary_json else None,
            )
        )
    return by_arm


def _trial(trial: OptunaTrial, ours: TrialRow | None, evaluations: tuple[EvaluationRecord, ...]) -> TrialRecord:
    return TrialRecord(
        number=trial.number,
        state=_STATES[trial.state],
        # Optuna gives a pruned trial its last report as value; only a complete trial has one of its own.
        value=trial.value if trial.state == "COMPLETE" else None,
        parameters=trial.parameters,
        is_default=ours is not None and ours.is_default,
        cause="" if ours is None else ours.cause,
        evaluations=evaluations,
        cost=None if ours is None else ours.cost,
        started=utc_text(trial.started),
        finished=utc_text(trial.finished),
        attempt=1 if ours is None else ours.attempt,
    )


def _record(row: StudyRow, arms: tuple[ArmRecord, ...], test_openings: int) -> StudyRecord:
    return StudyRecord(
        name=row.name,
        description=row.description,
        state=row.state,
        objective=row.objective,
        maximize=row.maximize,
        sampler=row.sampler,
        pruner=row.pruner,
        seed=row.seed,
        slots=row.slots,
        budget=row.budget,
        data=row.data,
        arms=arms,
        study_yaml=row.study_yaml,
        command=row.command,
        versions=row.versions,
        test_openings=test_openings,
        started=row.started,
        updated=row.updated,
        seconds=row.seconds,
        reference=row.reference,
    )
