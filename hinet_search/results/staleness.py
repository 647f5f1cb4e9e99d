"""Staleness: what older inputs cost on test, by the same weights on the same rows.

The accesses are those of data/derived/inputs.py. Intervals are over seeds, which are paired,
and users, at 95 % for each arm.
"""

from dataclasses import dataclass
from statistics import fmean

from hinet_search.results.finalist_values import by_seed, chosen, headline, signed_values, values_by
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.paired_difference import (
    Difference,
    with_interval,
    without_interval,
)
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
    summary = finalist.summary if finalist else None
    if finalist is None or summary is None or access not in summary.stale:
        return None
    stale = summary.stale[access]
    measure = values_by(headline(record.objective))
    fresh = by_seed(finalist, "test", measure)
    new_values = []
    old_values = []
    for seed, old_cells in zip(summary.seeds, stale.cells, strict=True):
        old = measure(old_cells)
        if seed in fresh and old is not None:
            new_values.append(fresh[seed])
            old_values.append(old)
    if not new_values:
        return None
    is_complete = len(new_values) == len(summary.seeds)
    fresh_side = signed_values(record, new_values, summary.resampled if is_complete else None)
    stale_side = signed_values(record, old_values, stale.resampled if is_complete else None)
    lost = lost_by(fresh_side, stale_side)
    return StaleCost(arm.name, fmean(new_values), fmean(old_values), lost)


def lost_by(fresh: ArmValues, stale: ArmValues) -> Difference:
    """What the same models lose with stale inputs; `lacks` where that is an observation."""
    lost = estimate_of_same_weights(fresh, stale)
    if lost is None:
        return without_interval(fresh, stale, "seeds or users not counted")
    return with_interval(lost, LEVEL, lacking(fresh, stale))
