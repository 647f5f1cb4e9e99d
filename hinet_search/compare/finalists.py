"""Finalists of a study by seed: what an arm reached on a split, and which arms meet in the verdict.

An arm stands for its chosen finalist.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hinet_search.compare.weighted import metric_of
from hinet_search.errors import ConfigurationError
from hinet_search.objective import DEFAULT, objective_named
from hinet_search.records import ArmRecord, CellValue, FinalistRecord, StudyRecord

Split = Literal["valid", "test"]
CellMetric = Callable[[Sequence[CellValue]], float | None]


@dataclass(frozen=True)
class Measure:
    """What is compared in one cell; `of` is None where the cell has no value."""

    name: str
    maximize: bool
    of: Callable[[CellValue], float | None]


_MEASURES = {
    "auc": Measure("AUC", maximize=True, of=lambda cell: cell.auc),
    "gauc": Measure("grouped AUC", maximize=True, of=lambda cell: cell.gauc),
    "logloss": Measure("log loss", maximize=False, of=lambda cell: cell.logloss),
    "ece": Measure("calibration error", maximize=False, of=lambda cell: cell.ece),
}


def measure(record: StudyRecord) -> Measure:
    """What the cells of this study are compared by: AUC, unless the objective is another measure."""
    return _MEASURES[metric_of(record.objective)]


def headline(objective: str) -> str:
    """The objective that a verdict is about: macro AUC for `mean_auc`, whose mix serves selection; else the same."""
    return "macro_auc" if objective == DEFAULT else objective


def chosen(arm: ArmRecord) -> FinalistRecord | None:
    """The finalist that stands for the arm."""
    return next((finalist for finalist in arm.finalists if finalist.chosen and finalist.runs), None)


def by_seed(finalist: FinalistRecord, split: Split, value: CellMetric) -> dict[int, float]:
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
    return by_seed(finalist, split, values_by(record.objective))


def headline_by_seed(record: StudyRecord, finalist: FinalistRecord, split: Split) -> dict[int, float]:
    """Seed -> what the verdict is about; seeds whose cells give none are left out."""
    return by_seed(finalist, split, values_by(headline(record.objective)))


def values_by(name: str) -> CellMetric:
    """The objective of that name as a function of cells, None where no cell can give a value."""
    objective = objective_named(name)

    def value(cells: Sequence[CellValue]) -> float | None:
        try:
            return objective(cells)
        except ConfigurationError:  # no cell of the objective has both classes: a missing value, not a fault
            return None

    return value


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


def compared(record: StudyRecord) -> tuple[ArmRecord, ...]:
    """The arms that meet: in a study that is done those for which a finalist stands, before that all."""
    return tuple(arm for arm in record.arms if record.state != "done" or chosen(arm) is not None)


def pair_of(record: StudyRecord) -> tuple[ArmRecord | None, ArmRecord | None]:
    """(focus, rival): the best HiNet and the best of the others, or the best two where no arm is a HiNet.

    Where all arms are one model, they are variants of the reference: it is in focus once it has a chosen finalist.
    """
    arms = compared(record)
    reference = [arm for arm in arms if arm.name == record.reference and chosen(arm)]
    if reference and len({arm.model for arm in arms}) == 1:
        others = [arm for arm in arms if arm is not reference[0]]
        return reference[0], best_on_validation(record, others)
    focus = best_on_validation(record, [arm for arm in arms if arm.model == "hinet"])
    others = [arm for arm in arms if arm.model != "hinet"]
    if focus is None or not others:
        focus = best_on_validation(record, arms)
        others = [arm for arm in arms if focus is not None and arm.name != focus.name]
    return focus, best_on_validation(record, others)


def missing(finalist: FinalistRecord | None, cell: tuple[str, str]) -> str:
    """Why a cell has no value on test, in words."""
    tested = [run.test_cells for run in finalist.runs if run.test_cells is not None] if finalist else []
    if not tested:
        return "not opened on test"
    reasons = [found.reason for found in tested[0] if (found.scenario, found.task) == cell]
    if not reasons:
        return "no rows"
    return reasons[0] or "one class"
