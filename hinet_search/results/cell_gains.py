"""Cell gains: the gains of one arm over another in every cell on test.

Their intervals hold for all cells together.
Shape legend: D resamplings, C cells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hinet_search.results.cells import CellName
from hinet_search.results.finalist_values import arm_values, cells_of, chosen, missing
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.paired_difference import (
    Difference,
    seed_by_seed,
    with_interval,
    without_interval,
)
from hinet_search.results.statistics.simultaneous import joint_level, level_at
from hinet_search.results.statistics.welch import ArmValues, Estimate, estimate, lacking
from hinet_search.results.study_record import StudyRecord


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

    @property
    def mean(self) -> float | None:
        """The mean gain; None without a difference."""
        return self.difference.mean if self.difference is not None else None


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

    Errors are of seeds and users (Welch); intervals hold for all cells together. A cell that
    lacks a class in some resampling of the users has a gain without an interval, because it has too
    few rows of that class. With too few seeds, without resamplings, or with one order of rows for
    all seeds, every gain is an observation.
    """
    cells = cells_of(record)
    our_sides = [arm_values(record, left, *cell) for cell in enumerate(cells)]
    their_sides = [arm_values(record, right, *cell) for cell in enumerate(cells)]
    finalists = chosen(left), chosen(right)
    are_resampled = all(finalist and finalist.summary for finalist in finalists)
    estimates = {}
    for place, (ours, theirs) in enumerate(zip(our_sides, their_sides, strict=True)):
        estimated = estimate(ours, theirs)
        # Without resamplings there are intervals, too: they lack the users' error.
        if estimated and (estimated.user_error is not None or not are_resampled):
            estimates[place] = estimated
    level = _level(our_sides, their_sides, estimates, level_at(record.looks))
    gains = []
    for place, (scenario, task) in enumerate(cells):
        ours = our_sides[place]
        theirs = their_sides[place]
        reason = ""
        difference = None
        if place in estimates:
            by_seed = seed_by_seed(ours, theirs)
            difference = with_interval(estimates[place], level, lacking(ours, theirs), by_seed)
        elif ours.values and theirs.values:
            difference = without_interval(ours, theirs, lacking(ours, theirs))
            few = "amounts that differ" if task in record.data.units else "of one class"
            reason = "one seed" if difference.pairs < 2 else f"too few {few} to resample"
        else:
            reason = missing(record, finalists[1 if ours.values else 0], (scenario, task))
        gains.append(CellDifference(scenario, task, difference, reason))
    return tuple(gains)


def _level(
    our_sides: Sequence[ArmValues],
    their_sides: Sequence[ArmValues],
    estimates: Mapping[int, Estimate],
    level: float,
) -> float:
    """Return the level at which the intervals of all estimated cells hold together."""
    variance_C = np.array([estimated.seed_error**2 for estimated in estimates.values()])
    is_known = all(estimated.user_error is not None for estimated in estimates.values())
    if not is_known or not estimates:
        return joint_level(np.empty((0, len(estimates))), variance_C, level)
    differences = [
        np.subtract(our_sides[place].resampled, their_sides[place].resampled) for place in estimates
    ]
    return joint_level(np.stack(differences, axis=1), variance_C, level)


def seesaw(cells: Sequence[CellDifference]) -> int:
    """Count the cells with a negative mean gain if another cell has a positive one, else 0."""
    means = [cell.mean for cell in cells if cell.mean is not None]
    return sum(mean < 0 for mean in means) if any(mean > 0 for mean in means) else 0


def against_reference(record: StudyRecord, arm: ArmRecord) -> ReferenceGains | None:
    """Return the gains over the reference arm per cell; None if there is none or it is `arm`."""
    others = [other for other in record.arms if other.name != arm.name]
    reference = next((other for other in others if other.name == record.reference), None)
    if reference is None:
        return None
    cells = cell_gains(record, arm, reference)
    known = [(cell.mean, cell) for cell in cells if cell.mean is not None]
    smallest = min(known, key=lambda pair: pair[0])[1] if known else None
    return ReferenceGains(cells, smallest, seesaw(cells))
