"""Rows: frozen records as columns of our tables and back, nested ones as JSON; a study's own row.

A field of a record is in the column of its name, or, as JSON, in the column of its name and
`_json`. SQLite stores NaN as NULL, so NULL is read as NaN where a number must be.
JSON has no NaN and infinity, so they are written as the strings "NaN" and "Infinity" and read back
as numbers. (In a free scalar, such as a parameter's value, they would stay strings; validation
allows only finite parameters.) The identity that a study was launched with (`spec_json`) is written
by search/identity.py and read here.
"""

import json
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from types import GenericAlias
from typing import Any, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from sqlalchemy import Table

from hinet_search.results.data_record import AND, DataRecord
from hinet_search.results.ensemble_records import EnsembleRecord
from hinet_search.results.records import (
    ArmRecord,
    CellValue,
    EvaluationRecord,
    FinalistRecord,
    FinalistRun,
    ParameterRange,
    Scalar,
    TrialRecord,
)
from hinet_search.results.study_record import Budget, PairedRun
from hinet_search.storage import tables
from hinet_search.storage.damage import AnyRow, checked_row, reads
from hinet_search.study.distributions import Distribution
from hinet_search.study.load_study import Arm
from hinet_search.study.search_space import SearchSpace, parents_first

CELLS = tuple[CellValue, ...]
PARAMETERS = Mapping[str, Scalar]
IMPORTANCES = Mapping[str, float]

_NULL_OF: Mapping[Hashable, object] = {float: math.nan, str: ""}  # what NULL stands for, by type
_PARAMETERS: TypeAdapter[dict[str, Distribution]] = TypeAdapter(dict[str, Distribution])
Record = TypeVar("Record")


@dataclass(frozen=True)
class StudyRow:
    """A study as launched. `spec_json` is its identity, compared at the next launch of the name.

    `state` is running, stopped or done; `started` and `updated` are ISO 8601 in UTC. `uuid` is
    unique: a study of the same name in another database, or in this one after a deletion, has
    another one.
    """

    name: str
    uuid: str
    state: str
    spec_json: str
    study_yaml: str
    command: str
    description: str
    objective: str
    maximize: bool
    sampler: str
    pruner: str
    seed: int
    slots: int
    budget: Budget
    data: DataRecord
    versions: Mapping[str, str]
    started: str
    updated: str
    seconds: float = 0.0
    reference: str = "single"  # the arm that gains are measured against
    verdict: str = ""  # the verdict's sentence; empty unless the study is done
    other_objectives: tuple[str, ...] = ()  # after the first


@dataclass(frozen=True)
class StudySummary:
    """One line of a list of studies.

    `done` counts the trained trials of all arms, `budget` the trials that they may have.
    """

    name: str
    state: str
    objective: str
    done: int
    budget: int
    best_value: float | None
    best_arm: str | None
    updated: str
    verdict: str = ""  # the verdict's sentence; empty unless the study is done
    inputs: str = ""  # what groups of inputs are worth, in a sentence; empty if not measured
    searched_on: str = ""  # the rows of its sample, in words; empty if all rows
    # The problem of its rows; then the state is "damaged", and nothing else is known.
    damage: str = ""


def new_arm(arm: Arm, ranges: tuple[ParameterRange, ...]) -> ArmRecord:
    """Return the record of an arm before its search over these ranges."""
    fixed: dict[str, Scalar] = {}
    for name, value in arm.space.fixed.items():
        fixed[name] = "-".join(map(str, value)) if isinstance(value, tuple) else value
    return ArmRecord(
        name=arm.name,
        model=arm.model,
        ranges=ranges,
        fixed=fixed,
        trials=(),
        finalists=(),
        importances={},
        size_of=arm.size_of,
        student_of=arm.student_of,
        starts=arm.starts,
    )


def utc_now() -> str:
    """Return the current time."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def to_row(table: Table, record: object, **others: object) -> dict[str, object]:
    """Convert a record to columns of the table; `others` are columns that it has no field for."""
    row: dict[str, object] = {}
    made_by: Callable[..., object] = type(record)
    for column, name, kind in _fields(table, made_by):
        value = getattr(record, name)
        if column != name and value is not None:
            value = to_json(kind, value)
        is_nan = isinstance(value, float) and math.isnan(value)
        is_empty = value == "" and table.c[column].nullable
        row[column] = None if is_nan or is_empty else value
    return {**row, **others}


def from_row(record: Callable[..., Record], table: Table, row: AnyRow, **others: object) -> Record:
    """Convert a row of the table to a record; `others` are fields that it has no column for."""
    values: dict[str, object] = {}
    for column, name, kind in _fields(table, record):
        value = getattr(row, column)
        if value is None:
            value = _NULL_OF.get(kind)
        elif column != name:
            value = _json(kind, row, column)
        values[name] = value
    return record(**{**values, **others})


@cache
def _fields(table: Table, record: Callable[..., object]) -> Sequence[tuple[str, str, Hashable]]:
    """Return the columns of a table that hold a field of a record: column, field, its type."""
    kinds = get_type_hints(record)
    fields = []
    for column in table.columns.keys():  # noqa: SIM118  no mapping
        name = column if column in kinds else column.removesuffix("_json")
        if name in kinds:
            fields.append((column, name, kinds[name]))
    return fields


@reads(tables.study)
def study_from_row(row: AnyRow) -> StudyRow:
    """Convert a row of hs_study."""
    study = from_row(StudyRow, tables.study, row)
    if study.budget.trials < 1:
        raise ValueError(f"column budget_json must hold trials >= 1, got {study.budget.trials}")
    return study


@reads(tables.ensemble)
def ensemble_from_row(row: AnyRow) -> EnsembleRecord:
    """Convert a row of hs_ensemble."""
    record: EnsembleRecord = _json(EnsembleRecord, row, "record_json")
    return record


@reads(tables.input_worth)
def paired_run_from_row(row: AnyRow) -> PairedRun:
    """Convert a row of hs_input_worth."""
    left_out = tuple(row.left_out.split(AND)) if row.left_out else ()
    return from_row(PairedRun, tables.input_worth, row, left_out=left_out)


@reads(tables.arm)
def arm_from_row(row: AnyRow) -> ArmRecord:
    """Convert a row of hs_arm, without trials and finalists."""
    return from_row(ArmRecord, tables.arm, row, name=row.arm, trials=(), finalists=())


@reads(tables.trial)
def trial_from_row(row: AnyRow) -> TrialRecord:
    """Convert a row of hs_trial, without evaluations."""
    if row.state == "complete" and row.value is None:
        raise ValueError("a complete trial must have a value")
    return from_row(TrialRecord, tables.trial, row, evaluations=())


@reads(tables.evaluation)
def evaluation_from_row(row: AnyRow) -> EvaluationRecord:
    """Convert a row of hs_evaluation."""
    return from_row(EvaluationRecord, tables.evaluation, row)


@reads(tables.finalist)
def finalist_run_from_row(row: AnyRow) -> FinalistRun:
    """Convert a row of hs_finalist, without what all seeds of the finalist share."""
    return from_row(FinalistRun, tables.finalist, row)


def finalist_from_rows(rows: Sequence[AnyRow]) -> FinalistRecord:
    """Convert the rows of hs_finalist of one finalist; each row is one seed."""
    runs = tuple(map(finalist_run_from_row, rows))
    with checked_row(rows[0], tables.finalist):
        return from_row(FinalistRecord, tables.finalist, rows[0], runs=runs)


def _json(kind: Hashable, row: AnyRow, column: str) -> Any:
    """Read the value in a column of JSON; ValueError names the column and the problem."""
    try:
        return from_json(kind, getattr(row, column))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join([column, *(str(part) for part in first["loc"][1:])])
        raise ValueError(
            f"column {place} must hold what was written, but: {first['msg']}"
        ) from error


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    # Inside a tuple, because pydantic does not apply this configuration to an outermost dataclass.
    shape: Any = GenericAlias(tuple, (kind,))
    return TypeAdapter(shape, config=ConfigDict(ser_json_inf_nan="strings"))


def to_json(kind: Hashable, value: object) -> str:
    """Write `value`, of type `kind`, as JSON without the fields that have their default."""
    return str(_adapter(kind).dump_json((value,), exclude_defaults=True), "utf-8")


def from_json(kind: Hashable, text: str) -> Any:
    """Read the value of type `kind` that `to_json` wrote."""
    return _adapter(kind).validate_json(text)[0]


def shared_batches(spec_json: str) -> bool:
    """Whether all seeds of a finalist see the rows in one order."""
    return bool(json.loads(spec_json).get("shared_batches", False))


@lru_cache(maxsize=64)
def configurations(spec_json: str, trials: int) -> Mapping[str, int]:
    """Count the configurations of each arm whose space has at most `trials`; keys are arm names."""
    arms = json.loads(spec_json).get("arms", {})
    sizes = {}
    for name, arm in arms.items():
        fixed = dict(arm["fixed"])
        for key, value in fixed.items():
            if isinstance(value, list):
                fixed[key] = tuple(value)
        parameters = parents_first(_PARAMETERS.validate_python(arm["parameters"]), fixed, {})
        size = SearchSpace(name, parameters, fixed, None, {}).size(trials + 1)
        if size <= trials:
            sizes[name] = size
    return sizes
