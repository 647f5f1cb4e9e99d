"""Columns: frozen records to the columns of our tables and back."""

from collections.abc import Mapping

from sqlalchemy import Row

from hinet_search.insight import Insight
from hinet_search.records import (
    Budget,
    CellValue,
    Cost,
    DataRecord,
    EvaluationRecord,
    FinalistRun,
    ParameterRange,
    Scalar,
)
from hinet_search.storage.codec import from_column, from_json, to_column, to_json
from hinet_search.storage.rows import ArmRow, StudyRow, TrialRow

CELLS = tuple[CellValue, ...]
EVALUATIONS = tuple[EvaluationRecord, ...]
RANGES = tuple[ParameterRange, ...]
PARAMETERS = Mapping[str, Scalar]
IMPORTANCES = Mapping[str, float]
VERSIONS = Mapping[str, str]

_PLAIN = (  # columns of hs_study that are fields of StudyRow as they stand
    *(
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
    ),
    *("sampler", "pruner", "seed", "slots", "started", "updated", "seconds", "verdict"),
)

AnyRow = Row[tuple[object, ...]]
TrialKey = tuple[str, str, int]  # study, arm, trial number


def of_study(study: StudyRow) -> dict[str, object]:
    """The columns of hs_study."""
    return {
        **{name: getattr(study, name) for name in _PLAIN},
        "budget_json": to_json(Budget, study.budget),
        "data_json": to_json(DataRecord, study.data),
        "versions_json": to_json(VERSIONS, study.versions),
    }


def to_study(row: AnyRow) -> StudyRow:
    """A row of hs_study."""
    return StudyRow(
        **{name: getattr(row, name) for name in _PLAIN},
        budget=from_json(Budget, row.budget_json),
        data=from_json(DataRecord, row.data_json),
        versions=from_json(VERSIONS, row.versions_json),
    )


def of_arm(study: str, position: int, arm: ArmRow) -> dict[str, object]:
    """The columns of hs_arm."""
    return {
        "study": study,
        "arm": arm.name,
        "position": position,
        "model": arm.model,
        "ranges_json": to_json(RANGES, arm.ranges),
        "fixed_json": to_json(PARAMETERS, arm.fixed),
        "size_of": arm.size_of,
        "importances_json": to_json(IMPORTANCES, arm.importances),
    }


def to_arm(row: AnyRow) -> ArmRow:
    """A row of hs_arm."""
    return ArmRow(
        name=row.arm,
        model=row.model,
        ranges=from_json(RANGES, row.ranges_json),
        fixed=from_json(PARAMETERS, row.fixed_json),
        importances=from_json(IMPORTANCES, row.importances_json),
        size_of=row.size_of,
    )


def of_trial(study: str, arm: str, trial: TrialRow) -> dict[str, object]:
    """The columns of hs_trial."""
    return {
        "study": study,
        "arm": arm,
        "number": trial.number,
        "attempt": trial.attempt,
        "config_hash": trial.config_hash,
        "is_default": trial.is_default,
        "cause": trial.cause,
        "cost_json": None if trial.cost is None else to_json(Cost, trial.cost),
    }


def to_trial(row: AnyRow) -> TrialRow:
    """A row of hs_trial."""
    return TrialRow(
        number=row.number,
        attempt=row.attempt,
        config_hash=row.config_hash,
        is_default=row.is_default,
        cause=row.cause,
        cost=None if row.cost_json is None else from_json(Cost, row.cost_json),
    )


def of_evaluation(key: TrialKey, attempt: int, evaluation: EvaluationRecord) -> dict[str, object]:
    """The columns of hs_evaluation."""
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


def to_evaluation(row: AnyRow) -> EvaluationRecord:
    """A row of hs_evaluation."""
    return EvaluationRecord(
        step=row.step,
        passes=from_column(row.passes),
        objective=from_column(row.objective),
        train_loss=from_column(row.train_loss),
        seconds=from_column(row.seconds),
        cells=from_json(CELLS, row.cells_json),
    )


def of_finalist(
    key: TrialKey, parameters: Mapping[str, Scalar], run: FinalistRun, *, is_default: bool
) -> dict[str, object]:
    """The columns of hs_finalist, not chosen."""
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


def to_finalist_run(row: AnyRow) -> FinalistRun:
    """A row of hs_finalist, less what all seeds of the finalist share."""
    return FinalistRun(
        seed=row.seed,
        valid_objective=from_column(row.valid_objective),
        valid_cells=from_json(CELLS, row.valid_cells_json),
        test_cells=None if row.test_cells_json is None else from_json(CELLS, row.test_cells_json),
        evaluations=from_json(EVALUATIONS, row.evaluations_json),
        cost=from_json(Cost, row.cost_json),
        insight=from_json(Insight, row.insight_json),
    )
