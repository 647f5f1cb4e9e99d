"""Taught contrasts: compare each student with its own arm, and the ensemble with the focus.

They are no part of the comparison of arms. Students are compared like arms, and Holm's procedure
covers the students alone. An ensemble has no seeds: its interval is over users only, so it is
always an observation.
"""

from hinet_search.results.contrasts import Contrast, arm_values, judged
from hinet_search.results.ensemble_records import EnsembleRecord
from hinet_search.results.finalist_values import chosen, headline, signed_values, values_by
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.paired_difference import Difference, without_interval
from hinet_search.results.statistics.simultaneous import LEVEL
from hinet_search.results.statistics.welch import (
    ArmValues,
    Estimate,
    difference_of_means,
    errors_of_users,
    estimate_of_fixed,
    lacking,
)
from hinet_search.results.study_record import StudyRecord

USERS_ONLY = "over users only"


def untaught(record: StudyRecord, student: ArmRecord) -> ArmRecord | None:
    """Return the arm whose finalist a student learns as."""
    name = student.student_of.rpartition("/")[0]
    return next((arm for arm in record.arms if arm.name == name), None)


def student_contrasts(record: StudyRecord) -> tuple[Contrast, ...]:
    """Return the gain of every student over its own arm, in the headline measure on test.

    Here `arm` of a contrast names the student. Students without a value on test are left out.
    """
    pairs = []
    for student in record.students:
        arm = untaught(record, student)
        ours = arm_values(record, student)
        if arm is not None and ours.values:
            pairs.append((student.name, ours, arm_values(record, arm)))
    return judged(pairs, _units(record))


def ensemble_contrast(
    record: StudyRecord, ensemble: EnsembleRecord, arm: ArmRecord
) -> Contrast | None:
    """Return the gain of an ensemble over an arm in the headline measure on test.

    Its 95 % interval is that of the same resamplings of users for both. None unless both have
    values on test.
    """
    ours = _ensemble_values(record, ensemble)
    theirs = arm_values(record, arm)
    if not ours.values or not theirs.values:
        return None
    seeds = (1, len(theirs.values))
    errors = errors_of_users(ours, theirs)
    if errors is None:
        lacks = "users not counted"
        return Contrast(arm.name, without_interval(ours, theirs, lacks), lacks, seeds=seeds)
    mean = difference_of_means(ours, theirs)
    reach = errors.reach(LEVEL)
    return Contrast(
        arm.name,
        Difference(mean, mean - reach, mean + reach, None, 1, USERS_ONLY),
        user_error=errors.user_error,
        seeds=seeds,
        units=_units(record),
    )


def gain_of_ensemble(
    record: StudyRecord, ensemble: EnsembleRecord, arm: ArmRecord
) -> Estimate | None:
    """Return the gain of an ensemble over an arm on test, with an error of seeds too.

    The ensemble is the one model that it is; the arm's value is a mean over seeds. None if the arm
    lacks what a claim needs, or the ensemble has no values on test.
    """
    ours = _ensemble_values(record, ensemble)
    theirs = arm_values(record, arm)
    if not ours.values or lacking(theirs, theirs):
        return None
    return estimate_of_fixed(ours, theirs)


def _ensemble_values(record: StudyRecord, ensemble: EnsembleRecord) -> ArmValues:
    """Return the ensemble's headline on test as that of one seed, signed: larger is better."""
    value = values_by(headline(record.objective))(ensemble.test_cells or ())
    if value is None:
        return ArmValues(())
    return signed_values(record, [value], ensemble.resampled)


def _units(record: StudyRecord) -> str:
    """Return the resampled users in words; empty without resamplings."""
    for arm in (*record.students, *record.arms):
        finalist = chosen(arm)
        if finalist is not None and finalist.summary is not None:
            return finalist.summary.resampled.units_in_words
    return ""
