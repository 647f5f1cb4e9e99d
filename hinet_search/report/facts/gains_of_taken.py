"""Gains on test of the model to take: over trees or the reference, and of a student over its arm.

A gain is a claim only where the verdict or the comparison of students makes it one. Any other is an
observation: no correction covers that pair.
"""

from dataclasses import replace

from hinet_search.results.best_model import is_fully_tested
from hinet_search.results.contrasts import Contrast, arm_values, judged
from hinet_search.results.ensemble_records import ENSEMBLE
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import ArmRecord
from hinet_search.results.shipping import Offer
from hinet_search.results.statistics.paired_difference import Difference
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.taught_contrasts import ensemble_contrast, student_contrasts, untaught
from hinet_search.results.verdict import Verdict

ALONE = "one pair, uncorrected"

Gain = tuple[ArmRecord, Contrast]  # the arm compared with, and the gain over it


def over_baseline(record: StudyRecord, outcome: Verdict, taken: Offer) -> Gain | None:
    """Return the gain over trees, or over the reference if no arm is of trees; None without."""
    others = [arm for arm in record.arms if arm.name != taken.name and is_fully_tested(arm)]
    trees = [arm for arm in others if arm.model == "trees"]
    baselines = trees or [arm for arm in others if arm.name == record.reference]
    if not baselines:
        return None
    contrast = _over(record, outcome, taken, baselines[0])
    return None if contrast is None else (baselines[0], contrast)


def over_own_arm(record: StudyRecord, taken: Offer) -> Gain | None:
    """Return the gain of a student over the arm that it learns as; None of other models."""
    students = {student.name: student for student in record.students}
    for contrast in student_contrasts(record):
        arm = untaught(record, students[contrast.arm])
        if contrast.arm == taken.name and arm is not None:
            return arm, contrast
    return None


def _over(record: StudyRecord, outcome: Verdict, taken: Offer, other: ArmRecord) -> Contrast | None:
    ensemble = record.ensemble(ENSEMBLE)
    if taken.kind == "ensemble" and ensemble is not None:
        return ensemble_contrast(record, ensemble, other)
    for contrast in outcome.contrasts:
        if (taken.name, other.name) == (outcome.focus, contrast.arm):
            return contrast
        if (taken.name, other.name) == (contrast.arm, outcome.focus) and contrast.difference:
            return replace(contrast, arm=other.name, difference=_turned(contrast.difference))
    model = next(arm for arm in record.arms_and_students if arm.name == taken.name)
    finalist = chosen(model)
    units = finalist.summary.resampled.units_in_words if finalist and finalist.summary else ""
    pair = other.name, arm_values(record, model), arm_values(record, other)
    (contrast,) = judged([pair], units)
    if contrast.difference is None or contrast.lacks:
        return contrast
    return replace(contrast, difference=replace(contrast.difference, lacks=ALONE))


def _turned(difference: Difference) -> Difference:
    """Return the difference seen from the other side."""
    low = None if difference.high is None else -difference.high
    high = None if difference.low is None else -difference.low
    return replace(difference, mean=-difference.mean, low=low, high=high)
