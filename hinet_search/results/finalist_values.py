"""Finalist values: an arm's values by seed on a split, and the arms that the verdict compares.

An arm has the values of its chosen finalist.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import cache
from statistics import fmean
from typing import Literal

import numpy as np
from scipy.special import ndtri

from hinet_search.common.errors import ConfigurationError
from hinet_search.results.cells import CellName
from hinet_search.results.families import BERNOULLI, POISSON
from hinet_search.results.metrics import Metric, metric_named
from hinet_search.results.objectives import DEFAULT, metric_of, objective_named
from hinet_search.results.records import ArmRecord, CellValue, FinalistRecord, Resampled
from hinet_search.results.statistics.welch import ArmValues
from hinet_search.results.study_record import StudyRecord

NUM_NODES = 100_000  # of the mean

Split = Literal["valid", "test"]
CellMetric = Callable[[Sequence[CellValue]], float | None]


def measure(record: StudyRecord) -> Metric:
    """Return the metric by which cells are compared: the objective's, AUC by default."""
    return metric_named(metric_of(record.objective))


def headline(objective: str) -> str:
    """Return the objective that the verdict is about.

    It is macro AUC for `mean_auc`, whose mix is only for selection; otherwise the objective itself.
    """
    return "macro_auc" if objective == DEFAULT else objective


def chosen(arm: ArmRecord | None) -> FinalistRecord | None:
    """Return the chosen finalist of an arm; None without arm, without one, or without runs."""
    if arm is None:
        return None
    return next((finalist for finalist in arm.finalists if finalist.chosen and finalist.runs), None)


def mean_of(values: Collection[float]) -> float | None:
    """Return the mean of the values; None if there are none."""
    return fmean(values) if values else None


def by_seed(finalist: FinalistRecord | None, split: Split, value: CellMetric) -> dict[int, float]:
    """Map each seed to `value` of its cells on that split; seeds without a value are left out.

    The result is empty without a finalist, here and in the functions below.
    """
    if finalist is None:
        return {}
    values: dict[int, float] = {}
    for run in finalist.runs:
        cells = run.valid_cells if split == "valid" else run.test_cells
        number = value(cells) if cells else None
        if number is not None:
            values[run.seed] = number
    return values


def objective_by_seed(
    record: StudyRecord, finalist: FinalistRecord | None, split: Split
) -> dict[int, float]:
    """Map each seed to the study's objective; seeds without a value are left out."""
    if finalist is not None and split == "valid":
        return {run.seed: run.valid_objective for run in finalist.runs}
    return by_seed(finalist, split, values_by(record.objective))


def headline_by_seed(
    record: StudyRecord, finalist: FinalistRecord | None, split: Split
) -> dict[int, float]:
    """Map each seed to the headline objective; seeds without a value are left out."""
    return by_seed(finalist, split, values_by(headline(record.objective)))


def values_by(name: str) -> CellMetric:
    """Return the objective as a function of cells that gives None instead of an error."""
    objective = objective_named(name)

    def value(cells: Sequence[CellValue]) -> float | None:
        try:
            return objective(cells)
        except ConfigurationError:  # no cell has both classes: a missing value, not an error
            return None

    return value


def cell_by_seed(
    record: StudyRecord, finalist: FinalistRecord | None, split: Split, cell: tuple[str, str]
) -> dict[int, float]:
    """Map each seed to the study's measure in one (scenario, task)."""
    return by_seed(finalist, split, metric_in(cell, metric_of(record.objective)))


def metric_in(cell: CellName, metric: str) -> CellMetric:
    """Return a metric of one cell as a function of cells; it gives None without a value."""

    def value(cells: Sequence[CellValue]) -> float | None:
        return next((each.value(metric) for each in cells if each.name == cell), None)

    return value


def signed_values(
    record: StudyRecord,
    values: Iterable[float],
    resampled: Resampled | None,
    cell: int | None = None,
) -> ArmValues:
    """Return values by seed and resampling, signed so that larger is better.

    They are of the headline, or of the cell of that number.
    """
    drawn: Sequence[float] = ()
    if resampled is not None:
        drawn = resampled.headline if cell is None else resampled.cells[cell]
    return ArmValues(
        tuple(record.sign * value for value in values),
        resampled=tuple(record.sign * value for value in drawn),
        num_units=resampled.num_units if resampled else 0,
        is_root=measure(record).is_root,
        of_users=resampled is None or resampled.unit == "users",
    )


def arm_values(
    record: StudyRecord, arm: ArmRecord, place: int | None = None, cell: CellName = ("", "")
) -> ArmValues:
    """Return an arm's values on test by seed and resampling, signed so that larger is better.

    They are of the headline, or of a cell, which is at a place among all.
    """
    finalist = chosen(arm)
    if finalist is None:
        return ArmValues(())
    if place is None:
        values = headline_by_seed(record, finalist, "test")
    else:
        values = cell_by_seed(record, finalist, "test", cell)
    resampled = finalist.summary.resampled if finalist.summary else None
    side = signed_values(record, values.values(), resampled, place)
    return replace(side, one_order=record.shared_batches, selection_bias=selection_bias(arm))


def cells_of(record: StudyRecord) -> tuple[tuple[str, str], ...]:
    """Return all (scenario, task) that the data have, with scenarios in the outer loop."""
    return tuple(cell.name for cell in record.data.cells)


def best_on_validation(record: StudyRecord, arms: Sequence[ArmRecord]) -> ArmRecord | None:
    """Return the arm whose chosen finalist has the best mean objective on validation."""
    means = []
    for arm in arms:
        finalist = chosen(arm)
        if finalist is not None:
            mean = float(np.mean([run.valid_objective for run in finalist.runs]))
            means.append((record.sign * mean, arm))
    return max(means, key=lambda pair: pair[0])[1] if means else None


def selection_bias(arm: ArmRecord) -> float:
    """Return by how many standard errors the chosen finalist's mean on test may be too good.

    Validation chose it by the same seeds, among the finalists that have as many.
    """
    finalist = chosen(arm)
    if finalist is None:
        return 0.0
    among = [other for other in arm.finalists if len(other.runs) >= len(finalist.runs)]
    return largest_selection_bias(len(among))


def is_tested(arm: ArmRecord) -> bool:
    """Whether a seed of the arm's chosen finalist has test values."""
    finalist = chosen(arm)
    return finalist is not None and finalist.is_opened


def is_fully_tested(arm: ArmRecord) -> bool:
    """Whether the arm has a chosen finalist with test values for all of its seeds."""
    finalist = chosen(arm)
    return finalist is not None and all(run.test_cells is not None for run in finalist.runs)


def compared(record: StudyRecord) -> tuple[ArmRecord, ...]:
    """Return the arms to compare: all while a study runs, then those tested.

    If fewer than two were tested, return those with a finalist.
    """
    if record.state != "done":
        return record.arms
    tested = tuple(arm for arm in record.arms if is_tested(arm))
    if len(tested) > 1:
        return tested
    return tuple(arm for arm in record.arms if chosen(arm) is not None)


def foci(record: StudyRecord) -> tuple[ArmRecord, ...]:
    """Return the candidates for the focus: the HiNets, or all arms if there is none.

    The best of them on validation becomes the focus. If all arms have one model, they are variants
    of the reference, and the reference is the focus once it has a chosen finalist.
    """
    arms = compared(record)
    models = {arm.model for arm in arms}
    with_finalist = [arm for arm in arms if chosen(arm)]
    preferred = tuple(arm for arm in with_finalist if arm.model == "hinet")
    if len(models) == 1:
        preferred = tuple(arm for arm in with_finalist if arm.name == record.reference)
    return preferred or arms


def pair_of(record: StudyRecord) -> tuple[ArmRecord | None, ArmRecord | None]:
    """Return (focus, rival), each the best of its candidates on validation.

    The rival of a HiNet has another model if there is one.
    """
    focus = best_on_validation(record, foci(record))
    if focus is None:
        return None, None
    others = [arm for arm in compared(record) if arm.name != focus.name]
    if focus.model == "hinet":
        others = [arm for arm in others if arm.model != "hinet"] or others
    return focus, best_on_validation(record, others)


def missing(record: StudyRecord, finalist: FinalistRecord | None, cell: tuple[str, str]) -> str:
    """Say why a cell has no value on test."""
    runs = finalist.runs if finalist else ()
    tested = [run.test_cells for run in runs if run.test_cells is not None]
    if not tested:
        return "not opened on test"
    reasons = [value.reason for value in tested[0] if value.name == cell]
    if not reasons:
        return "no rows"
    is_amount = cell[1] in record.data.units
    if not measure(record).reads(POISSON if is_amount else BERNOULLI):
        return "amounts" if is_amount else "no amounts"
    return reasons[0] or "one class"


@cache
def largest_selection_bias(num_finalists: int) -> float:
    """Return the selection bias in standard errors of a mean: 0 for one finalist, 1.03 for four."""
    share = (np.arange(NUM_NODES) + 0.5) / NUM_NODES
    return float(ndtri(share ** (1 / num_finalists)).mean())
