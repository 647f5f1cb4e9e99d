"""Contrasts: the arm in focus against every baseline, each with its interval at Holm's level."""

from dataclasses import replace

import numpy as np
import pytest

from hinet_search.results.contrasts import (
    USERS_ONLY,
    Contrast,
    claims,
    contrasts,
    ensemble_contrast,
    own_arm,
    resolution,
    smallest_differences,
    student_contrasts,
)
from hinet_search.results.ensemble_records import ENSEMBLE, EnsembleRecord
from hinet_search.results.finalist_values import headline
from hinet_search.results.records import FinalistSummary, Resampled
from hinet_search.results.statistics.paired_difference import magnitude, smallest_shown
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from tests.duels import (
    arm_named,
    chosen_of,
    duel,
    meeting,
    with_chosen,
    with_resampled,
    with_seeds_opened,
    without_users,
)
from tests.report.arms import Shape
from tests.report.distilled import with_ensemble, with_student
from tests.report.nine_arms import few_rows
from tests.report.studies import study
from tests.results.verdict_cases import at

SPREAD = tuple(0.7 + 0.002 * (number % 5) for number in range(200))  # of the users


def of_duel(ours: list[float], theirs: list[float]) -> Contrast:
    (contrast,) = contrasts(duel(ours, theirs))
    return contrast


def against(record: StudyRecord, arm: str) -> Contrast:
    return next(contrast for contrast in contrasts(record) if contrast.arm == arm)


def mean_of(contrast: Contrast) -> float:
    assert contrast.difference is not None
    return contrast.difference.mean


@pytest.mark.parametrize(
    ("objective", "expected"),
    [("mean_auc", "macro_auc"), ("worst_auc", "worst_auc"), ("auc[a/b]", "auc[a/b]")],
)
def test_a_verdict_is_about_macro_auc_where_selection_mixes_it_with_weights(
    objective: str, expected: str
) -> None:
    assert headline(objective) == expected


def test_a_lower_loss_is_a_gain() -> None:
    contrast = against(study(Shape(arms=("ple", "hinet"), objective="logloss")), "ple")
    assert (mean_of(contrast) > 0, contrast.mark) == (True, "better")


def test_an_interval_is_drawn_at_the_level_at_which_holm_judged() -> None:
    record = meeting(star=at(0.7201), mmoe=at(0.7005), ple=at(0.7), hinet=at(0.72))
    levels = {name: against(record, name).level for name in ("ple", "mmoe", "star")}
    assert levels == pytest.approx({"ple": 0.05 / 3, "mmoe": 0.05 / 2, "star": 0.05})


def test_a_difference_that_holm_does_not_reject_has_an_interval_with_0() -> None:
    ours, theirs = at(0.7012), at(0.7)
    alone = of_duel(ours, theirs)
    among = against(meeting(star=at(0.7), mmoe=at(0.7), ple=theirs, hinet=ours), "ple")
    assert (alone.mark, among.mark) == ("better", "unclear")
    assert alone.p == among.p


@pytest.mark.parametrize("gap", [0.0, 0.1, 0.2, 0.3, 0.5, 1.0])
def test_marks_agree_with_holms_p_values(gap: float) -> None:
    for contrast in contrasts(study(Shape(gap=gap))):
        assert contrast.p_holm is not None
        assert (contrast.mark != "unclear") == (contrast.p_holm <= 0.05)


def with_users(record: StudyRecord) -> StudyRecord:
    """Resamplings in which the users favour HiNet now and then."""
    record = with_resampled(record, "hinet", SPREAD, (SPREAD,), num_users=15_803)
    return with_resampled(record, "ple", (0.7,) * 200, ((0.7,) * 200,), num_users=15_803)


def test_users_widen_the_interval() -> None:
    record = duel(at(0.703), at(0.7))
    without, with_them = against(record, "ple"), against(with_users(record), "ple")
    assert (without.mark, with_them.mark) == ("better", "unclear")
    assert with_them.user_error == pytest.approx(0.002 * 2**0.5, rel=0.01)


def test_users_that_are_not_counted_are_said_to_be_not() -> None:
    (contrast,) = contrasts(without_users(duel(at(0.703), at(0.7))))
    assert contrast.counted == "5 seeds an arm; users are not counted"


def test_an_arm_that_is_not_opened_has_a_reason_and_no_part_in_holm() -> None:
    record = meeting(star=at(0.7), ple=at(0.7), hinet=at(0.7012))
    closed = tuple(replace(run, test_cells=None) for run in chosen_of(record, "star").runs)
    record = with_chosen(record, "star", runs=closed)
    assert (against(record, "star").difference, against(record, "star").reason) == (
        None,
        "no value on test",
    )
    assert against(record, "ple").level == 0.05


def test_one_seed_has_a_difference_and_nothing_else() -> None:
    contrast = of_duel([0.75], [0.7])
    assert (mean_of(contrast), contrast.p, contrast.mark, contrast.seeds) == (
        pytest.approx(0.05),
        None,
        "observation",
        (1, 1),
    )


def test_what_lacks_something_has_no_part_in_holm_and_an_interval_of_its_own() -> None:
    record = meeting(star=at(0.7), mmoe=at(0.7), ple=at(0.7), hinet=at(0.7012))
    record = without_users(with_seeds_opened(record, "star", 4), "mmoe")
    by_arm = {name: against(record, name) for name in ("star", "mmoe", "ple")}
    assert [contrast.lacks for contrast in by_arm.values()] == [
        "4 of 5 seeds",
        "users not counted",
        "",
    ]
    assert [
        (contrast.p, contrast.p_holm, contrast.family, contrast.level)
        for contrast in (by_arm["star"], by_arm["mmoe"])
    ] == [(None, None, 0, 0.05)] * 2
    assert (by_arm["ple"].family, by_arm["ple"].level, by_arm["ple"].mark) == (1, 0.05, "better")


def test_without_a_user_column_the_interval_of_rows_is_an_observation() -> None:
    drawn = Resampled("rows", 43_285, SPREAD, (SPREAD,))
    record = duel(at(0.75), at(0.7))
    for name in ("ple", "hinet"):
        record = with_chosen(record, name, summary=FinalistSummary((0, 1, 2, 3, 4), (), (), drawn))
    contrast = against(record, "ple")
    assert contrast.difference is not None
    assert (contrast.difference.direction, contrast.mark) == ("better", "observation")
    assert contrast.lacks == "no user column"
    assert contrast.counted == "5 seeds an arm and 43,285 rows, on these items"
    assert resolution(contrast).startswith("Users are not counted")


def test_a_focus_that_is_chosen_among_all_arms_is_judged_among_all_pairs() -> None:
    record = meeting(star=at(0.70), mmoe=at(0.70), ple=at(0.72))
    assert {contrast.family for contrast in contrasts(record)} == {3}
    assert {
        contrast.family
        for contrast in contrasts(meeting(mmoe=at(0.70), ple=at(0.72), hinet=at(0.7)))
    } == {2}


def test_a_focus_that_is_chosen_among_two_hinets_is_judged_with_the_pairs_of_both() -> None:
    record = meeting(star=at(0.70), ple=at(0.70), wide=at(0.71), hinet=at(0.72))
    arms = (replace(arm, model="hinet") if arm.name == "wide" else arm for arm in record.arms)
    assert {contrast.family for contrast in contrasts(replace(record, arms=tuple(arms)))} == {
        5
    }  # of six pairs, less STAR and PLE


def test_claims_are_the_marked_ones_the_largest_first() -> None:
    record = meeting(star=at(0.70), mmoe=at(0.69), ple=at(0.73), hinet=at(0.72))
    judged = contrasts(record)
    assert (
        [contrast.arm for contrast in claims(judged, "better")],
        [contrast.arm for contrast in claims(judged, "worse")],
    ) == (
        ["mmoe", "star"],
        ["ple"],
    )


def test_the_smallest_difference_is_told_as_a_range_and_the_least_of_any_seeds() -> None:
    contrast = against(with_users(duel(at(0.703), at(0.7))), "ple")
    low, high, least = smallest_differences(contrast) or (0.0, 0.0, 0.0)
    assert contrast.errors is not None
    assert 0 < least <= low < smallest_shown(contrast.errors, contrast.level) < high
    assert resolution(contrast) == (
        f"In four of five studies 5 seeds an arm and 15,803 users show a difference of {magnitude(low)} "
        f"to {magnitude(high)}; no number of seeds shows less than {magnitude(least)}."
    )


def test_no_fewer_seeds_are_counted_on_than_a_claim_needs() -> None:
    contrast = against(with_seeds_opened(duel(at(0.703), at(0.7)), "ple", 4), "ple")
    assert resolution(contrast).startswith("In four of five studies 5 seeds an arm")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (without_users(duel(at(0.703), at(0.7))), "Users are not counted"),
        (duel([0.75], [0.7]), "With one seed"),
    ],
)
def test_without_users_or_a_second_seed_no_smallest_difference_is_known(
    record: StudyRecord, reason: str
) -> None:
    (contrast,) = contrasts(record)
    assert smallest_differences(contrast) is None
    assert resolution(contrast).startswith(reason)


def test_a_later_look_claims_less_of_the_same_values() -> None:
    record = meeting(star=at(0.7), ple=at(0.7), hinet=at(0.7015))
    first, third = against(record, "ple"), against(replace(record, looks=3), "ple")
    assert (first.mark, third.mark) == ("better", "unclear")
    assert (third.level, third.p) == (0.05 / 9 / 2, first.p)


NINE = few_rows()
DISTILLED = with_ensemble(
    with_student(with_student(NINE, "star", test=0.008), "hinet", test=0.0001)
)


def ensemble_of(record: StudyRecord) -> EnsembleRecord:
    ensemble = record.ensemble(ENSEMBLE)
    assert ensemble is not None
    return ensemble


def test_a_student_is_compared_with_the_arm_that_it_was() -> None:
    gains = {
        contrast.arm: contrast.difference and contrast.difference.mean
        for contrast in student_contrasts(DISTILLED)
    }
    assert gains == {
        "distilled_star": pytest.approx(0.008),
        "distilled_hinet": pytest.approx(0.0001),
    }


def test_marks_follow_from_the_interval() -> None:
    assert [contrast.mark for contrast in student_contrasts(DISTILLED)] == ["better", "unclear"]


def test_students_are_a_family_of_their_own() -> None:
    assert {contrast.family for contrast in student_contrasts(DISTILLED)} == {2}
    assert contrasts(DISTILLED) == contrasts(NINE)
    assert verdict(DISTILLED) == verdict(NINE)


def test_a_student_of_few_seeds_is_an_observation() -> None:
    (contrast,) = student_contrasts(with_student(study(Shape(seeds=3)), "hinet"))
    assert (contrast.mark, contrast.lacks) == ("observation", "3 of 5 seeds")


def test_a_student_without_test_values_is_left_out() -> None:
    assert student_contrasts(with_student(study(Shape(opened=False)), "hinet")) == ()
    assert student_contrasts(NINE) == ()


def test_the_arm_of_a_student_is_that_of_its_finalist() -> None:
    arm = replace(arm_named(NINE, "star"), name="with/slash")
    record = with_student(replace(NINE, arms=(arm,)), "with/slash")
    assert own_arm(record, record.students[0]) is record.arms[0]


def test_the_ensemble_is_compared_over_users_only_and_claims_nothing() -> None:
    contrast = ensemble_contrast(DISTILLED, ensemble_of(DISTILLED), arm_named(NINE, "hinet"))
    assert contrast is not None
    assert (contrast.mark, contrast.lacks, contrast.units) == (
        "observation",
        USERS_ONLY,
        "4,800 users",
    )


def test_the_interval_of_the_ensemble_is_that_of_the_same_resamplings() -> None:
    arm, ensemble = arm_named(NINE, "hinet"), ensemble_of(DISTILLED)
    contrast = ensemble_contrast(DISTILLED, ensemble, arm)
    summary = next(each.summary for each in arm.finalists if each.chosen)
    assert contrast is not None
    assert contrast.difference is not None
    assert contrast.difference.low is not None
    assert summary is not None
    assert ensemble.resampled is not None
    drawn = np.subtract(ensemble.resampled.headline, summary.resampled.headline)
    half = 2.0227 * drawn.std(ddof=1)  # Student t of 39 degrees
    assert contrast.difference.mean - contrast.difference.low == pytest.approx(half, rel=1e-3)


def test_without_resamplings_the_ensemble_has_no_interval() -> None:
    bare = replace(ensemble_of(DISTILLED), resampled=None)
    contrast = ensemble_contrast(DISTILLED, bare, arm_named(NINE, "hinet"))
    assert contrast is not None
    assert contrast.difference is not None
    assert (contrast.difference.low, contrast.lacks) == (None, "users not counted")


def test_an_ensemble_that_was_not_opened_is_not_compared() -> None:
    closed = replace(ensemble_of(DISTILLED), test_cells=None)
    assert ensemble_contrast(DISTILLED, closed, arm_named(NINE, "hinet")) is None


def test_a_lower_loss_of_a_student_or_an_ensemble_is_a_gain() -> None:
    record = study(Shape(objective="logloss"))
    record = with_ensemble(with_student(record, "hinet", test=0.01), gain=0.02)
    (contrast,) = student_contrasts(record)
    ensemble = ensemble_contrast(record, ensemble_of(record), arm_named(record, "hinet"))
    assert contrast.difference is not None
    assert contrast.difference.mean == pytest.approx(0.01)
    assert ensemble is not None
    assert ensemble.difference is not None
    assert ensemble.difference.mean > 0.01
