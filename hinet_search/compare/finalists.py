"""Finalists of a study by seed and cell: what an arm reached, and its gains over another arm in every cell.

An arm stands for its chosen finalist. Intervals of cells hold for all cells at once (Bonferroni).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hinet_search.compare.gains import Difference, gain
from hinet_search.errors import ConfigurationError
from hinet_search.objective import objective_named
from hinet_search.records import ArmRecord, CellValue, FinalistRecord, StudyRecord

Split = Literal["valid", "test"]


@dataclass(frozen=True)
class Measure:
    """What is compared in one cell; `of` is None where the cell has no value."""

    name: str
    maximize: bool
    of: Callable[[CellValue], float | None]


_AUC = Measure("AUC", maximize=True, of=lambda cell: cell.auc)
_MEASURES = {
    "gauc": Measure("grouped AUC", maximize=True, of=lambda cell: cell.gauc),
    "logloss": Measure("log loss", maximize=False, of=lambda cell: cell.logloss),
    "ece": Measure("calibration error", maximize=False, of=lambda cell: cell.ece),
}


@dataclass(frozen=True)
class CellDifference:
    """The gain in one cell, or None with the reason in words."""

    scenario: str
    task: str
    difference: Difference | None
    reason: str = ""


@dataclass(frozen=True)
class ReferenceGains:
    """Gains of one arm over the reference arm. `seesaw` counts cells that lose while another cell gains."""

    cells: tuple[CellDifference, ...]
    smallest: CellDifference | None
    seesaw: int


def measure(record: StudyRecord) -> Measure:
    """What the cells of this study are compared by: AUC, unless the objective is another measure."""
    return _MEASURES.get(record.objective.split("[")[0], _AUC)


def chosen(arm: ArmRecord) -> FinalistRecord | None:
    """The finalist that stands for the arm."""
    return next((finalist for finalist in arm.finalists if finalist.chosen and finalist.runs), None)


def by_seed(
    finalist: FinalistRecord, split: Split, value: Callable[[Sequence[CellValue]], float | None]
) -> dict[int, float]:
    """Seed -> `value` of the cells of that split; seeds without a value are left out."""
    found: dict[int, float] = {}
    for run in finalist.runs:
        cells = run.valid_cells if split == "valid" else run.test_cells
        number = value(cells) if cells else None
        if number is not None:
            found[run.seed] = number
    return found


def objective_by_seed(record: StudyRecord, finalist: FinalistRecord, split: Split) -> dict[int, float]:
    """Seed -> the study's objective; seeds whose cells give none are left out."""
    if split == "valid":
        return {run.seed: run.valid_objective for run in finalist.runs}
    objective = objective_named(record.objective)

    def value(cells: Sequence[CellValue]) -> float | None:
        try:
            return objective(cells)
        except ConfigurationError:  # no cell of the objective has both classes: a missing value, not a fault
            return None

    return by_seed(finalist, split, value)


def cell_by_seed(
    record: StudyRecord, finalist: FinalistRecord, split: Split, cell: tuple[str, str]
) -> dict[int, float]:
    """Seed -> the study's measure in one (scenario, task)."""
    of = measure(record).of
    return by_seed(finalist, split, lambda cells: next((of(c) for c in cells if (c.scenario, c.task) == cell), None))


def cells_of(record: StudyRecord) -> tuple[tuple[str, str], ...]:
    """All (scenario, task), scenarios outside."""
    return tuple((scenario, task) for scenario in record.data.scenarios for task in record.data.tasks)


def best_on_validation(record: StudyRecord, arms: Sequence[ArmRecord]) -> ArmRecord | None:
    """The arm whose chosen finalist has the best mean objective on validation."""
    means = [
        (float(np.mean([run.valid_objective for run in finalist.runs])), arm)
        for arm in arms
        if (finalist := chosen(arm)) is not None
    ]
    if not means:
        return None
    pick = max if record.maximize else min
    return pick(means, key=lambda pair: pair[0])[1]


def cell_gains(record: StudyRecord, left: ArmRecord, right: ArmRecord) -> tuple[CellDifference, ...]:
    """Gain of `left` over `right` in every cell on test; intervals hold for all cells at once."""
    pair = chosen(left), chosen(right)
    cells = cells_of(record)
    found: list[CellDifference] = []
    for scenario, task in cells:
        values = [cell_by_seed(record, one, "test", (scenario, task)) if one else {} for one in pair]
        if values[0].keys() & values[1].keys():
            difference = gain(values[0], values[1], maximize=measure(record).maximize, comparisons=len(cells))
            found.append(CellDifference(scenario, task, difference))
        else:
            found.append(CellDifference(scenario, task, None, missing(pair[0], (scenario, task))))
    return tuple(found)


def missing(finalist: FinalistRecord | None, cell: tuple[str, str]) -> str:
    """Why a cell has no value on test, in words."""
    tested = [run.test_cells for run in finalist.runs if run.test_cells is not None] if finalist else []
    if not tested:
        return "not opened on test"
    reasons = [found.reason for found in tested[0] if (found.scenario, found.task) == cell]
    if not reasons:
        return "no rows"
    return reasons[0] or "one class"


def against_reference(record: StudyRecord, arm: ArmRecord) -> ReferenceGains | None:
    """Gains over the reference arm per cell; None when the study has no such arm, or it is this one."""
    reference = next((other for other in record.arms if other.name == record.reference), None)
    if reference is None or reference.name == arm.name:
        return None
    cells = cell_gains(record, arm, reference)
    known = [(cell.difference.mean, cell) for cell in cells if cell.difference is not None]
    losing = sum(mean < 0 for mean, _ in known)
    gaining = any(mean > 0 for mean, _ in known)
    smallest = min(known, key=lambda pair: pair[0])[1] if known else None
    return ReferenceGains(cells, smallest, losing if gaining else 0)
