"""Contrasts: the arm in focus against every baseline, each with its interval at Holm's level."""

from dataclasses import replace

import pytest

from hinet_search.results.contrasts import Contrast, claims, contrasts, resolution, seeds_needed
from hinet_search.results.finalist_values import headline, headline_by_seed
from hinet_search.results.objectives import Objective
from hinet_search.results.records import FinalistSummary, Resampled
from hinet_search.results.study_record import StudyRecord
from tests.duels import (
    chosen_of,
    duel,
    meeting,
    with_chosen,
    with_resampled,
    with_seeds_opened,
    without_users,
)
from tests.report.arms import Shape
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


def test_the_headline_by_seed_is_that_of_the_test_cells() -> None:
    record = study(Shape(arms=("ple", "hinet"), seeds=2))
    finalist = chosen_of(record, "hinet")
    expected = {run.seed: Objective("macro_auc")(run.test_cells or ()) for run in finalist.runs}
    assert headline_by_seed(record, finalist, "test") == expected


def test_every_other_arm_has_a_contrast_in_the_order_of_the_study() -> None:
    assert [
        contrast.arm for contrast in contrasts(study(Shape(arms=("single", "hinet", "ple"))))
    ] == [
        "single",
        "ple",
    ]


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


def test_what_an_interval_counts_is_said() -> None:
    record = duel(at(0.703), at(0.7))
    assert against(with_users(record), "ple").counted == "5 seeds an arm and 15,803 users"


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


def test_rows_that_were_resampled_count_as_users_do() -> None:
    drawn = Resampled("rows", 43_285, SPREAD, (SPREAD,))
    record = duel(at(0.75), at(0.7))
    for name in ("ple", "hinet"):
        record = with_chosen(record, name, summary=FinalistSummary((0, 1, 2, 3, 4), (), (), drawn))
    contrast = against(record, "ple")
    assert (contrast.mark, contrast.counted) == ("better", "5 seeds an arm and 43,285 rows")


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


def test_without_a_finalist_there_is_no_contrast() -> None:
    assert contrasts(study(Shape(finalists=False))) == ()


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


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"deviation": 0.0005},
            "These 5 seeds show a difference of .001 in at least four of five studies.",
        ),
        (
            {"deviation": 0.003},
            "About 73 seeds of each arm would show a difference of .001; there are 5.",
        ),
    ],
)
def test_whether_the_seeds_show_a_small_gain_is_said(
    changes: dict[str, float], sentence: str
) -> None:
    contrast = of_duel(at(0.703), at(0.7))
    assert contrast.difference is not None
    assert (
        resolution(replace(contrast, difference=replace(contrast.difference, **changes)))
        == sentence
    )  # type: ignore[arg-type]  # floats, all of them


def test_users_that_hide_a_small_gain_are_said_to() -> None:
    contrast = against(with_users(duel(at(0.703), at(0.7))), "ple")
    assert resolution(contrast) == (
        "No number of seeds would show a difference of .001: the error of 15,803 users alone is .0028."
    )


def test_seeds_are_not_counted_where_users_are_not() -> None:
    (contrast,) = contrasts(without_users(duel(at(0.703), at(0.7))))
    assert (seeds_needed(contrast), resolution(contrast)) == (
        None,
        "Without the users' part of the error it is not known how many seeds would show a difference of .001.",
    )


def test_no_fewer_seeds_than_a_claim_needs_are_said_to_be_enough() -> None:
    contrast = against(with_seeds_opened(duel(at(0.703), at(0.7)), "ple", 4), "ple")
    assert contrast.difference is not None
    sure = replace(contrast, difference=replace(contrast.difference, deviation=0.0001))
    assert (
        resolution(sure)
        == "About 5 seeds of each arm would show a difference of .001; there are 4."
    )


def test_with_one_seed_nothing_is_known_of_how_small_a_gain_would_be_seen() -> None:
    contrast = of_duel([0.75], [0.7])
    assert seeds_needed(contrast) is None
    assert resolution(contrast).startswith("Without a second seed nothing is known")
