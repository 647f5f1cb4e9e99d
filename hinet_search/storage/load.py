"""Load: read a stored study as the record that reports use."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Select, Table, literal, select

from hinet_search.results.ensemble_records import EnsembleRecord
from hinet_search.results.records import EvaluationRecord, FinalistRecord, Start
from hinet_search.results.study_record import PairedRun, StudyRecord
from hinet_search.results.trade_offs import needs_cells
from hinet_search.storage import row_mapping, tables
from hinet_search.storage.damage import AnyRow, row_of
from hinet_search.storage.engine import Database
from hinet_search.storage.lease import state_now
from hinet_search.storage.listing import find_study
from hinet_search.storage.row_mapping import StudyRow, configurations, shared_batches, to_json
from hinet_search.storage.test_accesses import count_looks, count_test_accesses

NO_CELLS = to_json(row_mapping.CELLS, ())
_Evaluations = Mapping[tuple[str, int], tuple[EvaluationRecord, ...]]


def load_record(database: Database, study: str, *, trial_cells: bool = False) -> StudyRecord:
    """Load the current state of a study; ConfigurationError when the database has no such study.

    `trial_cells=False` leaves out the cells of trials' evaluations: they are many, and reports read
    them only for further objectives that are metrics. Finalists' evaluations keep theirs.
    """
    with database.reading() as connection:
        row = row_mapping.study_from_row(find_study(connection, study))
        row = replace(row, state=state_now(connection, study, row.state))
        arm_rows = _rows(connection, tables.arm, study, "position")
        arms = [row_mapping.arm_from_row(arm_row) for arm_row in arm_rows]
        with_cells = trial_cells or needs_cells(row.other_objectives)
        evaluations = _evaluations(_evaluation_rows(connection, study, trial_cells=with_cells))
        trials = defaultdict(list)
        for trial_row in _rows(connection, tables.trial, study, "arm", "number"):
            trial = row_mapping.trial_from_row(trial_row)
            of_trial = evaluations.get((trial_row.arm, trial.number), ())
            trials[trial_row.arm].append(replace(trial, evaluations=of_trial))
        finalists = _finalists(connection, study)
        ensembles = load_ensembles(connection, study)
        paired_runs = load_paired_runs(connection, study)
        test_accesses = count_test_accesses(connection, row.data.fingerprint)
        looks = count_looks(connection, row.data.fingerprint, study)
        with row_of("hs_study", name=study):
            sizes = configurations(row.spec_json, row.budget.trials)
            one_order = shared_batches(row.spec_json)

    records = []
    for arm in arms:
        record = replace(
            arm,
            trials=tuple(trials[arm.name]),
            finalists=tuple(finalists[arm.name]),
            configurations=sizes.get(arm.name),
        )
        records.append(record)
    return _record(
        row,
        arms=tuple(arm for arm in records if not arm.student_of),
        students=tuple(arm for arm in records if arm.student_of),
        test_accesses=test_accesses,
        looks=looks,
        shared_batches=one_order,
        ensembles=ensembles,
        paired_runs=paired_runs,
    )


def _rows(connection: Connection, table: Table, study: str, *order: str) -> Sequence[AnyRow]:
    in_order = [table.c[name] for name in order]
    of_study = select(table).where(table.c.study == study).order_by(*in_order)
    return connection.execute(of_study).all()


def load_ensembles(connection: Connection, study: str) -> tuple[EnsembleRecord, ...]:
    """Load the ensembles of a study, by name."""
    rows = _rows(connection, tables.ensemble, study, "name")
    return tuple(map(row_mapping.ensemble_from_row, rows))


def load_paired_runs(connection: Connection, study: str) -> tuple[PairedRun, ...]:
    """Load the trainings that measured inputs and choices of a study."""
    rows = _rows(connection, tables.input_worth, study, "left_out", "seed")
    return tuple(map(row_mapping.paired_run_from_row, rows))


def load_finalists(database: Database, study: str) -> Mapping[str, tuple[FinalistRecord, ...]]:
    """Load the finalists of every arm that has any, as in the full record."""
    with database.reading() as connection:
        by_arm = _finalists(connection, study)
    return {arm: tuple(finalists) for arm, finalists in by_arm.items()}


def load_starts(database: Database, study: str) -> Mapping[str, tuple[Start, ...]]:
    """Load what every stored arm tries first; nothing for a study that is not stored."""
    with database.reading() as connection:
        arms = map(row_mapping.arm_from_row, _rows(connection, tables.arm, study))
        return {arm.name: arm.starts for arm in arms}


def load_reports(
    connection: Connection, study: str, arm: str, *, cells: bool = False, first: int = 0
) -> Mapping[int, list[EvaluationRecord]]:
    """Load the evaluations of an arm's trials from number `first` on: of all attempts."""
    by_number = defaultdict(list)
    for row in _evaluation_rows(connection, study, trial_cells=cells, arm=arm, first=first):
        by_number[row.number].append(row_mapping.evaluation_from_row(row))
    return by_number


def _evaluation_rows(
    connection: Connection, study: str, *, trial_cells: bool, arm: str | None = None, first: int = 0
) -> Sequence[AnyRow]:
    columns = tables.evaluation.c
    cells = columns.cells_json if trial_cells else literal(NO_CELLS).label("cells_json")
    others = [column for column in columns if column.name != "cells_json"]
    statement: Select[Any] = select(*others, cells).where(columns.study == study)
    if arm is not None:
        statement = statement.where(columns.arm == arm, columns.number >= first)
    return connection.execute(statement.order_by(columns.arm, columns.number, columns.step)).all()


def _evaluations(rows: Sequence[AnyRow]) -> _Evaluations:
    """Group evaluations by arm and trial; drop steps that only an older attempt reached."""
    by_trial = {}
    for key, group in groupby(rows, key=lambda row: (row.arm, row.number)):
        steps = [(row_mapping.evaluation_from_row(row), row.attempt) for row in group]
        newest = max(attempt for _, attempt in steps)
        last = max(evaluation.step for evaluation, attempt in steps if attempt == newest)
        by_trial[key] = tuple(evaluation for evaluation, _ in steps if evaluation.step <= last)
    return by_trial


def _finalists(connection: Connection, study: str) -> Mapping[str, list[FinalistRecord]]:
    rows = _rows(connection, tables.finalist, study, "arm", "trial_number", "seed")
    by_arm = defaultdict(list)
    for (arm, _), group in groupby(rows, key=lambda row: (row.arm, row.trial_number)):
        by_arm[arm].append(row_mapping.finalist_from_rows(list(group)))
    return by_arm


def _record(row: StudyRow, **known: Any) -> StudyRecord:
    """Make the record of what it shares with the study's row, and what else is known."""
    names = {field.name for field in fields(StudyRecord)}
    shared = {name: value for name, value in vars(row).items() if name in names}
    return StudyRecord(**shared, **known)
