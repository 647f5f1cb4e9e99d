"""Comparison: the shipped model and the one fit on newer rows, on the same held-out rows.

Shape legend: R held-out rows, T tasks.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.data.columns import Columns
from hinet_search.results.calibration_records import Calibration
from hinet_search.results.objectives import Objective
from hinet_search.results.records import CellValue
from hinet_search.results.statistics.calibrators import apply, calibrate
from hinet_search.serving.members import ExportedMember, average
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.newer.rows import NewerRows
from hinet_search.training.metrics import NonFiniteScores, cell_values

CALIBRATION_SEED = 0  # of the folds by which calibrators are chosen


@dataclass(frozen=True)
class CellChange:
    """A cell of the held-out rows: what both models are worth there.

    `auc` is None if a class is missing, `logloss` and `ece` (calibration error) without rows.
    `rmse` and `mae`, in the unit of the label, are None without rows and in cells without amounts.
    """

    scenario: str
    task: str
    rows: int
    positives: int
    auc_before: float | None
    auc: float | None
    logloss_before: float | None
    logloss: float | None
    ece_before: float | None
    ece: float | None
    rmse_before: float | None = None
    rmse: float | None = None
    mae_before: float | None = None
    mae: float | None = None


@dataclass(frozen=True)
class Comparison:
    """All cells, scenarios outermost, and the objective of the study of both models."""

    objective: Objective
    cells: tuple[CellChange, ...]
    before: float
    after: float

    @property
    def is_worse(self) -> bool:
        """Whether the shipped model is better by the objective."""
        return self.objective.better(self.before, self.after)


@dataclass(frozen=True)
class Measured:
    """A model's value of every cell of the held-out rows, with the calibration made on them."""

    cells: tuple[CellValue, ...]
    calibration: Calibration | None = None


def measure_shipped(exported: ExportedModel, columns: Columns, path: str) -> Measured:
    """Measure a folder as it predicts, calibrated; DataError if a score is not finite."""
    raw_RT = average(exported.members, exported.file, columns)
    file = exported.file
    logits_RT = apply(file.calibrators, file.inputs.cells, raw_RT, columns.scenario_R)
    return Measured(_cells(exported, logits_RT, columns, path))


def measure_fitted(
    exported: ExportedModel,
    members: tuple[ExportedMember, ...],
    columns: Columns,
    path: str,
    *,
    calibrated: bool,
) -> Measured:
    """Measure fitted members of a folder, and calibrate them on the held-out rows.

    In calibrated cells, all errors are cross-fitted: of every row by a calibrator of other users.
    A cell with too few rows keeps its shipped calibrator. AUC is that of the model, which no
    calibrator changes.
    """
    raw_RT = average(members, exported.file, columns)
    cells = _cells(exported, raw_RT, columns, path)
    if not calibrated:
        return Measured(cells)
    fitted = calibrate(
        raw_RT,
        columns.labels_RT,
        columns.scenario_R,
        columns.user_R,
        exported.file.inputs.cells,
        seed=CALIBRATION_SEED,
        kept=exported.file.calibrators,
    )
    calibrated_cells = _cells(exported, fitted.logits_RT, columns, path)
    pairs = zip(cells, calibrated_cells, strict=True)
    return Measured(
        tuple(replace(after, auc=raw.auc, gauc=raw.gauc) for raw, after in pairs),
        fitted.calibration,
    )


def refuse_unmeasured(objective: Objective, measured: Measured, newer: NewerRows) -> None:
    """DataError if the objective has no value on the held-out rows, whose labels are all equal."""
    try:
        objective(measured.cells)
    except ConfigurationError as error:
        raise DataError(
            f"{newer.path}: the {newer.num_held_out:,} held-out rows must have labels of a cell "
            f"that differ, so that {objective.name} can be measured, but have not",
            remedy="use more rows, or hold out more of them with --held-out",
        ) from error


def compare(objective: Objective, before: Measured, after: Measured) -> Comparison:
    """Compare two models that were measured on the same rows."""
    cells = [
        CellChange(
            scenario=old.scenario,
            task=old.task,
            rows=old.rows,
            positives=old.positives,
            auc_before=old.auc,
            auc=new.auc,
            logloss_before=old.logloss,
            logloss=new.logloss,
            ece_before=old.ece,
            ece=new.ece,
            rmse_before=old.rmse,
            rmse=new.rmse,
            mae_before=old.mae,
            mae=new.mae,
        )
        for old, new in zip(before.cells, after.cells, strict=True)
    ]
    return Comparison(objective, tuple(cells), objective(before.cells), objective(after.cells))


def _cells(
    exported: ExportedModel, logits_RT: NDArray[np.float32], columns: Columns, path: str
) -> tuple[CellValue, ...]:
    try:
        return cell_values(logits_RT, columns, exported.file.inputs.cells)
    except NonFiniteScores as error:
        raise DataError(f"{path}: of the held-out rows, {error}") from error
