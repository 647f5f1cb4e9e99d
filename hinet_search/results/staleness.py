"""Staleness: what older inputs cost on test, by the same weights on the same rows.

The accesses are those of data/derived/inputs.py. Intervals are over seeds, which are paired,
and users, at 95 % for each arm.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from hinet_search.results.finalist_values import chosen, headline, values_by
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import ArmRecord, CellValue, FinalistSummary, Resampled
from hinet_search.results.statistics.paired_difference import Difference
from hinet_search.results.statistics.simultaneous import LEVEL
from hinet_search.results.statistics.welch import ArmValues, estimate_of_same_weights, lacking
from hinet_search.results.study_record import StudyRecord


@dataclass(frozen=True)
class StaleCost:
    """An arm's mean on test with inputs as assumed and with stale ones, in the headline measure.

    `lost` is what it loses; where it lacks something, it is an observation.
    """

    arm: str
    fresh: float
    stale: float
    lost: Difference


def stale_costs(record: StudyRecord, access: str) -> tuple[StaleCost, ...]:
    """What the inputs of an access cost each arm and student that was opened on test."""
    costs = (_cost(record, arm, access) for arm in record.arms_and_students)
    return tuple(cost for cost in costs if cost is not None)


def _cost(record: StudyRecord, arm: ArmRecord, access: str) -> StaleCost | None:
    finalist = chosen(arm)
    if finalist is None or finalist.summary is None:
        return None
    summary = finalist.summary
    if access not in summary.stale:
        return None
    stale = summary.stale[access]
    cells_of = {run.seed: run.test_cells or () for run in finalist.runs}
    of_seeds = [cells_of.get(seed, ()) for seed in summary.seeds]
    pairs = list(_pairs(record, of_seeds, stale.cells))
    if not pairs:
        return None
    sides = (
        _side(record, [pair[0] for pair in pairs], summary, summary.resampled),
        _side(record, [pair[1] for pair in pairs], summary, stale.resampled),
    )
    sign = 1.0 if record.maximize else -1.0
    fresh, old = (sign * fmean(side.values) for side in sides)
    return StaleCost(arm.name, fresh, old, lost_by(*sides))


def _pairs(
    record: StudyRecord,
    fresh: Sequence[Sequence[CellValue]],
    stale: Sequence[Sequence[CellValue]],
) -> Iterator[tuple[float, float]]:
    """Yield the headline of every seed with both inputs, where it has both."""
    measure = values_by(headline(record.objective))
    for new, old in zip(fresh, stale, strict=True):
        values = measure(new), measure(old)
        if values[0] is not None and values[1] is not None:
            yield values[0], values[1]


def _side(
    record: StudyRecord, values: list[float], summary: FinalistSummary, resamplings: Resampled
) -> ArmValues:
    """Values by seed and resampling, signed so that larger is better."""
    sign = 1.0 if record.maximize else -1.0
    same = len(values) == len(summary.seeds)
    return ArmValues(
        tuple(sign * value for value in values),
        resampled=tuple(sign * value for value in resamplings.headline) if same else (),
        num_units=resamplings.num_units,
        by_rows=resamplings.by_rows,
        is_root=objective_named(headline(record.objective)).metric.is_root,
    )


def lost_by(fresh: ArmValues, stale: ArmValues) -> Difference:
    """What the same models lose with stale inputs; `lacks` where that is an observation."""
    lost = estimate_of_same_weights(fresh, stale)
    if lost is None:
        mean = fmean(fresh.values) - fmean(stale.values)
        return Difference(mean, None, None, None, len(fresh.values), "seeds or users not counted")
    low, high = lost.interval(LEVEL)
    lacks = lacking(fresh, stale)
    return Difference(lost.mean, low, high, lost.deviation, len(fresh.values), lacks)
