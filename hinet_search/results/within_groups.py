"""Within groups: the AUC within groups of arms on test, and gains split by groups.

Give every row the mean score of its group (metrics/between_auc.py): the gain of such scores is the
part of a gain *between* groups, and what is left of it is the part *within* groups, that of the
differences of scores inside groups. So the parts sum to the gain. A split by pairs of rows would
sum up too, but of a thousand equal groups one pair in a thousand is within a group: it would call
every gain one between groups. The order inside groups alone is what the AUC within groups has.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from hinet_search.results.contrasts import Contrast, contrasts, own_arm, student_contrasts
from hinet_search.results.finalist_values import (
    CellMetric,
    arm_values,
    by_seed,
    chosen,
    headline,
    headline_by_seed,
    mean_of,
    pair_of,
    values_by,
)
from hinet_search.results.metrics import metric_named
from hinet_search.results.objectives import (
    BETWEEN_GROUPS,
    WITHIN_GROUPS,
    Objective,
    objective_named,
)
from hinet_search.results.records import ArmRecord, CellValue
from hinet_search.results.statistics.welch import ArmValues, Estimate, estimate_of_mean
from hinet_search.results.study_record import StudyRecord


def values_within(record: StudyRecord, arm: ArmRecord) -> ArmValues:
    """Return an arm's AUC within groups on test, by seed and resampling."""
    finalist = chosen(arm)
    values = by_seed(finalist, "test", values_by(WITHIN_GROUPS)).values()
    drawn = finalist.summary.resampled.within if finalist and finalist.summary else ()
    side = arm_values(record, arm)
    return replace(side, values=tuple(values), resampled=drawn, is_root=False)


def own_values(record: StudyRecord, arm: ArmRecord | None) -> tuple[Estimate, Estimate] | None:
    """Estimate headline and AUC within groups of an arm by itself, with errors of seeds and users.

    None without an arm, several seeds, groups or resampled users.
    """
    finalist = chosen(arm)
    if arm is None or finalist is None or finalist.summary is None:
        return None
    drawn = finalist.summary.resampled
    side = values_within(record, arm)
    values = tuple(headline_by_seed(record, finalist, "test").values())
    of_all = estimate_of_mean(replace(side, values=values, resampled=drawn.headline_alone))
    within = estimate_of_mean(replace(side, resampled=drawn.within_alone))
    if of_all is None or within is None or within.user_error is None:
        return None
    return of_all, within


@dataclass(frozen=True)
class GroupGain:
    """A gain in the headline on test, its part between groups, and the gain in AUC within them."""

    gain: float
    between: float
    contrast: Contrast

    @property
    def within(self) -> float:
        """The part of the gain within groups."""
        return self.gain - self.between


def group_gains(record: StudyRecord) -> Iterator[GroupGain]:
    """Split the gains of the focus over every other arm, and of students over their own arms.

    There are none without groups, or where the headline is no AUC.
    """
    arms = {arm.name: arm for arm in record.arms_and_students}
    objective = objective_named(headline(record.objective))
    focus, _ = pair_of(record)
    compared: list[tuple[ArmRecord | None, ArmRecord | None, Contrast]] = []
    for contrast in contrasts(record, values_within):
        compared += [(focus, arms[contrast.arm], contrast)]
    for contrast in student_contrasts(record, values_within):
        student = arms[contrast.arm]
        compared.append((student, own_arm(record, student), contrast))
    for ours, theirs, contrast in compared:
        gain = _difference(ours, theirs, values_by(headline(record.objective)))
        between = _difference(ours, theirs, partial(_between, objective))
        if gain is not None and between is not None:
            yield GroupGain(gain, between, contrast)


def _difference(
    ours: ArmRecord | None, theirs: ArmRecord | None, value: CellMetric
) -> float | None:
    left = mean_of(by_seed(chosen(ours), "test", value).values())
    right = mean_of(by_seed(chosen(theirs), "test", value).values())
    return None if left is None or right is None else left - right


def _between(objective: Objective, cells: Sequence[CellValue]) -> float | None:
    """Return an objective of AUC for the mean scores of groups; None where none was measured."""
    values = [cell.value(BETWEEN_GROUPS) for cell in cells]
    if objective.metric is not metric_named("auc") or set(values) == {None}:
        return None
    for place, cell in enumerate(cells):
        if values[place] is None:  # no row is in a group
            values[place] = cell.auc
    return objective.value([cell.name for cell in cells], [cell.rows for cell in cells], values)
