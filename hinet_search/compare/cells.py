"""Cells: the gains of one arm over another in every (scenario, task), with intervals that hold for all cells at once.

Shape legend: D resamplings, C cells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hinet_search.compare.finalists import cell_by_seed, cells_of, chosen, measure, missing
from hinet_search.compare.gains import Difference
from hinet_search.compare.simultaneous import joint_level
from hinet_search.compare.welch import Estimate, Side, difference_of_means, estimate
from hinet_search.records import ArmRecord, FinalistRecord, StudyRecord

Cell = tuple[str, str]


@dataclass(frozen=True)
class CellDifference:
    """The gain in one cell, or None with the reason in words; a gain without an interval may have a reason too."""

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


def cell_gains(record: StudyRecord, left: ArmRecord, right: ArmRecord) -> tuple[CellDifference, ...]:
    """Gain of `left` over `right` in every cell on test, larger is better.

    Errors are those of seeds and users (Welch), intervals hold for all cells at once. A cell that loses a class in some
    resampling of the users has a gain and no interval: it has too few rows of that class.
    """
    cells, pair = cells_of(record), (chosen(left), chosen(right))
    sides = [_sides(record, one) for one in pair]
    known = [cell for cell in cells if sides[0][cell].values and sides[1][cell].values]
    estimates = {cell: one for cell in known if (one := estimate(sides[0][cell], sides[1][cell])) and _whole(pair, one)}
    level = _level(sides, estimates)

    def gain_in(cell: Cell) -> CellDifference:
        if cell in estimates:
            return CellDifference(*cell, _with_interval(estimates[cell], level))
        if cell in known:
            return CellDifference(*cell, *_without_interval(sides[0][cell], sides[1][cell]))
        return CellDifference(*cell, None, missing(pair[1] if sides[0][cell].values else pair[0], cell))

    return tuple(gain_in(cell) for cell in cells)


def _sides(record: StudyRecord, finalist: FinalistRecord | None) -> dict[Cell, Side]:
    """Every cell's values by seed and resampling, turned so that larger is better."""
    cells, sign = cells_of(record), 1.0 if measure(record).maximize else -1.0
    if finalist is None:
        return dict.fromkeys(cells, Side(()))
    sides = {
        cell: Side(tuple(sign * value for value in cell_by_seed(record, finalist, "test", cell).values()))
        for cell in cells
    }
    if finalist.summary is None:
        return sides
    drawn = finalist.summary.resampled
    return {
        cell: replace(side, resampled=tuple(sign * value for value in values), num_units=drawn.num_units)
        for (cell, side), values in zip(sides.items(), drawn.cells, strict=True)
    }


def _whole(pair: Sequence[FinalistRecord | None], found: Estimate) -> bool:
    """Whether nothing that these arms' resamplings should tell is missing in this cell."""
    return found.user_error is not None or any(one is None or one.summary is None for one in pair)


def _level(sides: Sequence[Mapping[Cell, Side]], estimates: Mapping[Cell, Estimate]) -> float:
    if any(found.user_error is None for found in estimates.values()):
        return joint_level(np.empty((0, len(estimates))), np.zeros(len(estimates)))
    differences = [np.subtract(sides[0][cell].resampled, sides[1][cell].resampled) for cell in estimates]
    return joint_level(
        np.stack(differences, axis=1) if differences else np.empty((0, 0)),
        np.array([found.seed_error**2 for found in estimates.values()]),
    )


def _with_interval(found: Estimate, level: float) -> Difference:
    return Difference(found.mean, *found.interval(level), found.deviation, min(found.seeds))


def _without_interval(left: Side, right: Side) -> tuple[Difference, str]:
    seeds = min(len(left.values), len(right.values))
    reason = "one seed" if seeds < 2 else "too few of one class to resample"
    return Difference(difference_of_means(left, right), None, None, None, seeds), reason


def seesaw(cells: Sequence[CellDifference]) -> int:
    """Number of cells that lose while another gains, by their means."""
    means = [cell.difference.mean for cell in cells if cell.difference is not None]
    return sum(mean < 0 for mean in means) if any(mean > 0 for mean in means) else 0


def against_reference(record: StudyRecord, arm: ArmRecord) -> ReferenceGains | None:
    """Gains over the reference arm per cell; None when the study has no such arm, or it is this one."""
    reference = next((other for other in record.arms if other.name == record.reference), None)
    if reference is None or reference.name == arm.name:
        return None
    cells = cell_gains(record, arm, reference)
    known = [(cell.difference.mean, cell) for cell in cells if cell.difference is not None]
    smallest = min(known, key=lambda pair: pair[0])[1] if known else None
    return ReferenceGains(cells, smallest, seesaw(cells))
