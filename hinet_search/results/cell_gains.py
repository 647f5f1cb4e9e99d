"""Cell gains: the absolute and relative gains of one arm over another in every cell on test.

The intervals of absolute gains hold for all cells together.
RelaImpr of a cell is (AUC - .5) / (AUC of the other - .5) - 1: the relative growth of the AUC above
chance (Yan et al., ICML 2014). The multi-task gain of a set of cells is the mean of gain / value of
the other, where the other trains a model per cell (Maninis et al., CVPR 2019); PLE's authors call
the gain of a single cell MTL gain (Tang et al., RecSys 2020).
Shape legend: D resamplings, C cells.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from hinet_search.results.cells import CellName
from hinet_search.results.finalist_values import (
    cell_by_seed,
    cells_of,
    chosen,
    luck,
    measure,
    missing,
)
from hinet_search.results.metrics import Metric
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import ArmRecord, FinalistRecord
from hinet_search.results.statistics.paired_difference import Difference
from hinet_search.results.statistics.simultaneous import joint_level
from hinet_search.results.statistics.welch import (
    ArmValues,
    Estimate,
    difference_of_means,
    estimate,
    lacking,
)
from hinet_search.results.study_record import StudyRecord

CHANCE = 0.5


@dataclass(frozen=True)
class CellDifference:
    """The gain in one cell; `reason` says why the gain or its interval is missing."""

    scenario: str
    task: str
    difference: Difference | None
    reason: str = ""

    @property
    def name(self) -> CellName:
        """(scenario, task)."""
        return self.scenario, self.task


@dataclass(frozen=True)
class ReferenceGains:
    """Gains of one arm over the reference; `seesaw` counts losing cells if another cell gains."""

    cells: tuple[CellDifference, ...]
    smallest: CellDifference | None
    seesaw: int


def cell_gains(
    record: StudyRecord, left: ArmRecord, right: ArmRecord
) -> tuple[CellDifference, ...]:
    """Compute the gain of `left` over `right` in every cell on test; larger is better.

    Errors are those of seeds and users (Welch); intervals hold for all cells together. A cell that
    lacks a class in some resampling of the users has a gain without an interval, because it has too
    few rows of that class. With too few seeds, without resamplings, or with one order of rows for
    all seeds, every gain is an observation.
    """
    cells = cells_of(record)
    pair = (chosen(left), chosen(right))
    left_sides, right_sides = (_sides(record, arm) for arm in (left, right))
    known = [cell for cell in cells if left_sides[cell].values and right_sides[cell].values]
    estimates: dict[CellName, Estimate] = {}
    for cell in known:
        estimated = estimate(left_sides[cell], right_sides[cell])
        if estimated and _has_user_error(pair, estimated):
            estimates[cell] = estimated
    level = _level(left_sides, right_sides, estimates)

    def gain_in(cell: CellName) -> CellDifference:
        if cell in estimates:
            lack = lacking(left_sides[cell], right_sides[cell])
            return CellDifference(*cell, _with_interval(estimates[cell], level, lack))
        if cell in known:
            few = "amounts that differ" if cell[1] in record.data.units else "of one class"
            difference, reason = _without_interval(left_sides[cell], right_sides[cell], few)
            return CellDifference(*cell, difference, reason)
        without_value = pair[1] if left_sides[cell].values else pair[0]
        return CellDifference(*cell, None, missing(record, without_value, cell))

    return tuple(gain_in(cell) for cell in cells)


def _sides(record: StudyRecord, arm: ArmRecord) -> dict[CellName, ArmValues]:
    """Return every cell's values by seed and resampling, signed so that larger is better."""
    cells = cells_of(record)
    sign = 1.0 if measure(record).maximize else -1.0
    finalist = chosen(arm)
    if finalist is None:
        return dict.fromkeys(cells, ArmValues(()))
    sides: dict[CellName, ArmValues] = {}
    for cell in cells:
        by_seed = cell_by_seed(record, finalist, "test", cell)
        sides[cell] = ArmValues(
            tuple(sign * value for value in by_seed.values()),
            one_order=record.shared_batches,
            luck=luck(arm),
            is_root=objective_named(record.objective).metric.is_root,
        )
    if finalist.summary is None:
        return sides
    resamplings = finalist.summary.resampled
    for cell, resampled in zip(cells, resamplings.cells, strict=True):
        values = tuple(sign * value for value in resampled)
        sides[cell] = replace(
            sides[cell],
            resampled=values,
            num_units=resamplings.num_units,
            by_rows=resamplings.by_rows,
        )
    return sides


def _has_user_error(pair: Sequence[FinalistRecord | None], estimated: Estimate) -> bool:
    """Whether the users' error is known, or unknown only because there are no resamplings."""
    drawn = [finalist.summary for finalist in pair if finalist is not None and finalist.summary]
    are_alike = len(drawn) == 2 and len({each.resampled.by_rows for each in drawn}) == 1
    return estimated.user_error is not None or not are_alike


def _level(
    left_sides: Mapping[CellName, ArmValues],
    right_sides: Mapping[CellName, ArmValues],
    estimates: Mapping[CellName, Estimate],
) -> float:
    """Return the level at which the intervals of all estimated cells hold together."""
    if any(estimated.user_error is None for estimated in estimates.values()):
        return joint_level(np.empty((0, len(estimates))), np.zeros(len(estimates)))
    differences = [
        np.subtract(left_sides[cell].resampled, right_sides[cell].resampled) for cell in estimates
    ]
    return joint_level(
        np.stack(differences, axis=1) if differences else np.empty((0, 0)),
        np.array([estimated.seed_error**2 for estimated in estimates.values()]),
    )


def _with_interval(estimated: Estimate, level: float, lack: str) -> Difference:
    low, high = estimated.interval(level)
    return Difference(estimated.mean, low, high, estimated.deviation, min(estimated.seeds), lack)


def _without_interval(left: ArmValues, right: ArmValues, few: str) -> tuple[Difference, str]:
    seeds = min(len(left.values), len(right.values))
    reason = "one seed" if seeds < 2 else f"too few {few} to resample"
    mean = difference_of_means(left, right)
    return Difference(mean, None, None, None, seeds, lacking(left, right)), reason


def seesaw(cells: Sequence[CellDifference]) -> int:
    """Count the cells with a negative mean gain if another cell has a positive one, else 0."""
    means = [cell.difference.mean for cell in cells if cell.difference is not None]
    return sum(mean < 0 for mean in means) if any(mean > 0 for mean in means) else 0


def against_reference(record: StudyRecord, arm: ArmRecord) -> ReferenceGains | None:
    """Return the gains over the reference arm per cell; None if there is none or it is `arm`."""
    reference = next((other for other in record.arms if other.name == record.reference), None)
    if reference is None or reference.name == arm.name:
        return None
    cells = cell_gains(record, arm, reference)
    known = [(cell.difference.mean, cell) for cell in cells if cell.difference is not None]
    smallest = min(known, key=lambda pair: pair[0])[1] if known else None
    return ReferenceGains(cells, smallest, seesaw(cells))


@dataclass(frozen=True)
class RelativeGain:
    """Relative gains of one cell, from means over seeds on test.

    None if a value is missing or the divisor is zero.
    """

    scenario: str
    task: str
    rela_impr: float | None
    share: float | None  # gain / value of the other, larger is better


@dataclass(frozen=True)
class RelativeGains:
    """Relative gains of all cells, and their means over the cells that have one."""

    cells: tuple[RelativeGain, ...]
    rela_impr: float | None
    multi_task_gain: float | None


def rela_impr(area: float, other: float) -> float | None:
    """Return the relative growth of the area above .5; None if `other` is not above .5."""
    return (area - CHANCE) / (other - CHANCE) - 1 if other > CHANCE else None


def relative_gains(record: StudyRecord, left: ArmRecord, right: ArmRecord) -> RelativeGains:
    """Return the relative gains of the chosen finalist of `left` over that of `right`."""
    cell_measure = measure(record)
    means = [_means(record, arm) for arm in (left, right)]
    cells = tuple(
        _cell_gain(cell_measure, cell, means[0].get(cell), means[1].get(cell))
        for cell in cells_of(record)
    )
    return RelativeGains(
        cells, _mean(cell.rela_impr for cell in cells), _mean(cell.share for cell in cells)
    )


def over_reference(record: StudyRecord, arm: ArmRecord) -> RelativeGains | None:
    """Return the relative gains over the reference arm; None if there is none or it is `arm`."""
    reference = next((other for other in record.arms if other.name == record.reference), None)
    if reference is None or reference.name == arm.name:
        return None
    return relative_gains(record, arm, reference)


def _means(record: StudyRecord, arm: ArmRecord) -> dict[tuple[str, str], float]:
    finalist = chosen(arm)
    if finalist is None:
        return {}
    by_cell = {cell: cell_by_seed(record, finalist, "test", cell) for cell in cells_of(record)}
    return {cell: fmean(values.values()) for cell, values in by_cell.items() if values}


def _cell_gain(
    cell_measure: Metric, cell: tuple[str, str], value: float | None, other: float | None
) -> RelativeGain:
    if value is None or other is None:
        return RelativeGain(*cell, None, None)
    sign = 1 if cell_measure.maximize else -1
    share = sign * (value - other) / other if other else None
    improvement = rela_impr(value, other) if cell_measure.is_half_by_chance else None
    return RelativeGain(*cell, improvement, share)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
