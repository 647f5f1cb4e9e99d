"""Row mapping: convert frozen records to the columns of our tables and back, nested ones as JSON.

JSON has no NaN and infinity, so they are written as the strings "NaN" and "Infinity" and read back
as numbers. (In a free scalar, such as a parameter's value, they would stay strings; validation
allows only finite parameters.) The identity that a study was launched with (`spec_json`) is written
by search/identity.py and read here.
"""

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from functools import cache, lru_cache
from types import GenericAlias
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from hinet_search.results.data_record import DataRecord
from hinet_search.results.ensemble_records import EnsembleRecord
from hinet_search.results.input_groups import AND
from hinet_search.results.paired_runs import PairedRun
from hinet_search.results.records import (
    ArmRecord,
    Budget,
    CellValue,
    Cost,
    EvaluationRecord,
    FinalistRecord,
    FinalistRun,
    FinalistSummary,
    Insight,
    ParameterRange,
    Scalar,
    Start,
    TrialRecord,
)
from hinet_search.storage import tables
from hinet_search.storage.damage import AnyRow, checked_row, reads
from hinet_search.storage.rows import StudyRow
from hinet_search.study.distributions import Distribution
from hinet_search.study.search_space import SearchSpace, parents_first

CELLS = tuple[CellValue, ...]
EVALUATIONS = tuple[EvaluationRecord, ...]
RANGES = tuple[ParameterRange, ...]
STARTS = tuple[Start, ...]
PARAMETERS = Mapping[str, Scalar]
IMPORTANCES = Mapping[str, float]
VERSIONS = Mapping[str, str]
NAMES = tuple[str, ...]

# Columns of hs_study that are fields of StudyRow without conversion.
_PLAIN = [
    "name",
    "uuid",
    "state",
    "spec_json",
    "study_yaml",
    "command",
    "description",
    "objective",
    "maximize",
    "reference",
    "sampler",
    "pruner",
    "seed",
    "slots",
    "started",
    "updated",
    "seconds",
    "verdict",
]

TrialKey = tuple[str, str, int]  # study, arm, trial number
_PARAMETERS: TypeAdapter[dict[str, Distribution]] = TypeAdapter(dict[str, Distribution])


def study_to_row(study: StudyRow) -> dict[str, object]:
    """Convert a study to columns of hs_study."""
    return {
        **{name: getattr(study, name) for name in _PLAIN},
        "budget_json": to_json(Budget, study.budget),
        "data_json": to_json(DataRecord, study.data),
        "versions_json": to_json(VERSIONS, study.versions),
        "other_objectives_json": to_json(NAMES, study.other_objectives),
    }


@reads(tables.study)
def study_from_row(row: AnyRow) -> StudyRow:
    """Convert a row of hs_study."""
    budget: Budget = _json(Budget, row, "budget_json")
    if budget.trials < 1:
        raise ValueError(f"column budget_json must hold trials >= 1, got {budget.trials}")
    return StudyRow(
        **{name: getattr(row, name) for name in _PLAIN},
        budget=budget,
        data=_json(DataRecord, row, "data_json"),
        versions=_json(VERSIONS, row, "versions_json"),
        other_objectives=_json(NAMES, row, "other_objectives_json"),
    )


def arm_to_row(study: str, position: int, arm: ArmRecord) -> dict[str, object]:
    """Convert an arm to columns of hs_arm."""
    return {
        "study": study,
        "arm": arm.name,
        "position": position,
        "model": arm.model,
        "ranges_json": to_json(RANGES, arm.ranges),
        "fixed_json": to_json(PARAMETERS, arm.fixed),
        "size_of": arm.size_of,
        "student_of": arm.student_of,
        "importances_json": to_json(IMPORTANCES, arm.importances),
        "starts_json": to_json(STARTS, arm.starts),
    }


def ensemble_to_row(study: str, ensemble: EnsembleRecord) -> dict[str, object]:
    """Convert an ensemble to columns of hs_ensemble."""
    record_json = to_json(EnsembleRecord, ensemble)
    return {"study": study, "name": ensemble.name, "record_json": record_json}


@reads(tables.ensemble)
def ensemble_from_row(row: AnyRow) -> EnsembleRecord:
    """Convert a row of hs_ensemble."""
    record: EnsembleRecord = _json(EnsembleRecord, row, "record_json")
    return record


def paired_run_to_row(study: str, run: PairedRun) -> dict[str, object]:
    """Convert a training that measures inputs or choices to columns of hs_input_worth."""
    return {
        "study": study,
        "left_out": AND.join(run.left_out),
        "seed": run.seed,
        "arm": run.arm,
        "value": to_column(run.value),
    }


@reads(tables.input_worth)
def paired_run_from_row(row: AnyRow) -> PairedRun:
    """Convert a row of hs_input_worth."""
    left_out = tuple(row.left_out.split(AND)) if row.left_out else ()
    return PairedRun(row.arm, left_out, row.seed, from_column(row.value))


@reads(tables.arm)
def arm_from_row(row: AnyRow) -> ArmRecord:
    """Convert a row of hs_arm, without trials and finalists."""
    return ArmRecord(
        name=row.arm,
        model=row.model,
        ranges=_json(RANGES, row, "ranges_json"),
        fixed=_json(PARAMETERS, row, "fixed_json"),
        trials=(),
        finalists=(),
        importances=_json(IMPORTANCES, row, "importances_json"),
        size_of=row.size_of,
        student_of=row.student_of,
        starts=_json(STARTS, row, "starts_json"),
    )


def trial_to_row(study: str, arm: str, trial: TrialRecord) -> dict[str, object]:
    """Convert a trial to columns of hs_trial; its evaluations are rows of their own."""
    return {
        "study": study,
        "arm": arm,
        "number": trial.number,
        "attempt": trial.attempt,
        "is_default": trial.is_default,
        "state": trial.state,
        "value": trial.value,
        "parameters_json": to_json(PARAMETERS, trial.parameters),
        "started": trial.started,
        "finished": trial.finished or None,
        "cause": trial.cause,
        "cost_json": None if trial.cost is None else to_json(Cost, trial.cost),
    }


@reads(tables.trial)
def trial_from_row(row: AnyRow) -> TrialRecord:
    """Convert a row of hs_trial, without evaluations."""
    if row.state == "complete" and row.value is None:
        raise ValueError("a complete trial must have a value")
    return TrialRecord(
        number=row.number,
        state=row.state,
        value=row.value,
        parameters=_json(PARAMETERS, row, "parameters_json"),
        is_default=row.is_default,
        cause=row.cause,
        evaluations=(),
        cost=None if row.cost_json is None else _json(Cost, row, "cost_json"),
        started=row.started,
        finished=row.finished or "",
        attempt=row.attempt,
    )


def evaluation_to_row(
    key: TrialKey, attempt: int, evaluation: EvaluationRecord
) -> dict[str, object]:
    """Convert an evaluation to columns of hs_evaluation."""
    study, arm, number = key
    return {
        "study": study,
        "arm": arm,
        "number": number,
        "step": evaluation.step,
        "attempt": attempt,
        "passes": to_column(evaluation.passes),
        "objective": to_column(evaluation.objective),
        "train_loss": to_column(evaluation.train_loss),
        "seconds": to_column(evaluation.seconds),
        "cells_json": to_json(CELLS, evaluation.cells),
    }


@reads(tables.evaluation)
def evaluation_from_row(row: AnyRow) -> EvaluationRecord:
    """Convert a row of hs_evaluation."""
    return EvaluationRecord(
        step=row.step,
        passes=from_column(row.passes),
        objective=from_column(row.objective),
        train_loss=from_column(row.train_loss),
        seconds=from_column(row.seconds),
        cells=_json(CELLS, row, "cells_json"),
    )


def finalist_to_row(
    key: TrialKey, parameters: Mapping[str, Scalar], run: FinalistRun, *, is_default: bool
) -> dict[str, object]:
    """Convert one seed of a finalist to columns of hs_finalist; `chosen` is false."""
    study, arm, trial_number = key
    return {
        "study": study,
        "arm": arm,
        "trial_number": trial_number,
        "seed": run.seed,
        "is_default": is_default,
        "chosen": False,
        "parameters_json": to_json(PARAMETERS, parameters),
        "valid_objective": to_column(run.valid_objective),
        "valid_cells_json": to_json(CELLS, run.valid_cells),
        "test_cells_json": None if run.test_cells is None else to_json(CELLS, run.test_cells),
        "evaluations_json": to_json(EVALUATIONS, run.evaluations),
        "cost_json": to_json(Cost, run.cost),
        "insight_json": to_json(Insight, run.insight),
    }


@reads(tables.finalist)
def finalist_run_from_row(row: AnyRow) -> FinalistRun:
    """Convert a row of hs_finalist, without what all seeds of the finalist share."""
    return FinalistRun(
        seed=row.seed,
        valid_objective=from_column(row.valid_objective),
        valid_cells=_json(CELLS, row, "valid_cells_json"),
        test_cells=None if row.test_cells_json is None else _json(CELLS, row, "test_cells_json"),
        evaluations=_json(EVALUATIONS, row, "evaluations_json"),
        cost=_json(Cost, row, "cost_json"),
        insight=_json(Insight, row, "insight_json"),
    )


def finalist_from_rows(rows: Sequence[AnyRow]) -> FinalistRecord:
    """Convert the rows of hs_finalist of one finalist; each row is one seed."""
    runs = tuple(finalist_run_from_row(row) for row in rows)
    first = rows[0]
    with checked_row(first, tables.finalist):
        return FinalistRecord(
            trial_number=first.trial_number,
            is_default=first.is_default,
            chosen=first.chosen,
            parameters=_json(PARAMETERS, first, "parameters_json"),
            runs=runs,
            summary=_json(FinalistSummary, first, "summary_json") if first.summary_json else None,
        )


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


def to_column(number: float) -> float | None:
    """Convert a float to a column's value: NaN becomes NULL."""
    return None if math.isnan(number) else number


def from_column(number: float | None) -> float:
    """Read the float that `to_column` wrote."""
    return math.nan if number is None else number


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
