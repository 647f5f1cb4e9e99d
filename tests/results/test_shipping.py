"""Shipping: one model without limits, the best on validation within them, and test only rules out."""

import re
from dataclasses import replace

import pytest

from hinet_search.results.decision import NOTHING_TESTED, decision
from hinet_search.results.ensemble_records import ENSEMBLE
from hinet_search.results.opened_models import Decision, Offer
from hinet_search.results.serving_costs import cost_of_runs
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from tests.duels import duel, meeting
from tests.report.arms import Shape
from tests.report.distilled import all_runs, with_costs, with_ensemble, with_limits, with_student
from tests.report.edits import each_run
from tests.report.studies import empty, failed_only, study
from tests.results.verdict_cases import at

ALIKE = with_costs(duel(at(0.70), at(0.70)), hinet=(100, 4.0), ple=(60, 2.0))
WON = with_costs(duel(at(0.75), at(0.70)), hinet=(100, 4.0), ple=(60, 2.0))


def shipped(record: StudyRecord) -> Decision:
    return decision(record, verdict(record))


def without_loss(why: str) -> str:
    """The reason without the size of the loss, which is below the margin."""
    loss = re.search(r"at most (0\.\d+)", why)
    assert loss is not None
    assert float(loss[1]) < 0.002
    return why.replace(loss[0], "at most LOSS")


def taken(record: StudyRecord) -> str | None:
    offer = shipped(record).taken
    return offer.name if offer else None


def offer_of(record: StudyRecord, name: str) -> Offer:
    return next(offer for offer in shipped(record).offers if offer.name == name)


def test_every_arm_student_and_ensemble_is_offered_with_its_kind() -> None:
    record = with_ensemble(with_student(WON, "ple"))
    assert [(offer.name, offer.kind) for offer in shipped(record).offers] == [
        ("ple", "arm"),
        ("hinet", "arm"),
        ("distilled_ple", "student"),
        ("ensemble", "ensemble"),
    ]


def test_a_student_that_is_better_on_validation_is_taken() -> None:
    record = with_student(WON, "hinet", valid=0.0123)
    assert taken(record) == "distilled_hinet"
    assert shipped(record).why == (
        "0.0123 ahead of HiNet, the best arm, on validation, at no higher cost, "
        "and not shown to be worse on test"
    )


def test_a_student_that_is_not_better_on_validation_is_not_taken() -> None:
    assert taken(with_student(WON, "hinet", valid=-0.0001, test=0.0005)) == "hinet"


def test_an_arm_that_test_shows_to_be_worse_than_a_student_of_its_cost_gives_way() -> None:
    record = with_student(WON, "hinet", valid=-0.0001, test=0.01)
    assert taken(record) == "distilled_hinet"
    assert shipped(record).why == "HiNet, the best arm on validation, is shown to be worse on test"


def test_a_student_that_test_shows_to_be_worse_than_the_best_arm_is_not_taken() -> None:
    record = with_student(
        WON, "ple", valid=0.08, test=0.03
    )  # better than its arm, worse than HiNet
    assert (taken(record), taken(with_limits(record, flops=1000))) == ("hinet", "hinet")
    assert shipped(record).why.endswith("ahead of it on validation, but shown to be worse on test")


def test_a_dearer_student_that_is_not_shown_to_be_better_on_test_is_not_taken() -> None:
    record = with_student(with_costs(ALIKE, ple=(300, 12.0)), "ple", valid=0.05, test=0.0003)
    assert (taken(record), taken(with_limits(record, flops=1000))) == ("hinet", "hinet")
    assert shipped(record).why.endswith(
        "; Distilled PLE is 0.0460 ahead of it on validation, but takes 3.0 times the time of HiNet "
        "and is not shown to be better on both splits"
    )


def test_a_dearer_student_that_is_shown_to_be_better_on_both_splits_is_taken() -> None:
    record = with_student(with_costs(ALIKE, ple=(300, 12.0)), "ple", valid=0.05, test=0.01)
    assert taken(record) == "distilled_ple"
    assert "at 3.0 times its time, and shown to be better on test" in shipped(record).why


def test_losses_of_two_steps_do_not_add_up() -> None:
    record = with_student(WON, "hinet", valid=0.01, test=-0.001)
    record = with_student(record, "ple", valid=0.0, test=0.0475)
    record = with_costs(record, ple=(60, 2.0), distilled_ple=(60, 2.0))
    level_with_best = with_student(WON, "hinet", valid=0.01)
    level_with_best = with_student(level_with_best, "ple", valid=0.0, test=0.05)
    assert taken(level_with_best) == "distilled_ple"
    assert (
        taken(record) == "distilled_hinet"
    )  # PLE's student is 0.0015 below it and 0.0025 below HiNet


def test_a_model_of_nearly_the_same_time_is_not_cheaper() -> None:
    record = with_student(with_costs(WON, ple=(60, 3.5)), "ple", valid=0.0, test=0.05)
    assert taken(record) == "hinet"
    assert taken(with_costs(record, distilled_ple=(60, 3.2))) == "distilled_ple"


def test_of_models_of_nearly_the_least_time_the_best_on_validation_is_taken() -> None:
    record = meeting(star=at(0.70), ple=at(0.70), hinet=at(0.70))
    record = with_costs(record, star=(10, 2.0), ple=(60, 2.2), hinet=(100, 4.0))
    assert taken(record) == "ple"
    assert taken(with_costs(record, star=(10, 1.0))) == "star"


def test_where_a_model_was_not_timed_flops_decide_what_is_cheaper() -> None:
    record = with_student(with_costs(WON, ple=(60, None)), "ple", valid=0.0, test=0.05)
    assert shipped(record).why.startswith("it needs 60 % of the FLOPs of HiNet")


def test_times_of_two_kinds_of_device_are_not_compared() -> None:
    record = with_student(WON, "ple", valid=0.0, test=0.05)
    (student,) = record.students
    student = each_run(student, lambda run: replace(run, cost=replace(run.cost, device="cuda:0")))
    assert shipped(record).why.startswith("it takes 50 % of the time of HiNet")
    record = replace(record, students=(student,))
    assert shipped(record).why.startswith("it needs 60 % of the FLOPs of HiNet")


def test_a_student_of_the_size_of_its_arm_costs_the_same_however_times_differ() -> None:
    record = with_costs(with_student(WON, "hinet", valid=0.001), distilled_hinet=(100, 8.0))
    assert taken(record) == "distilled_hinet"


def test_trees_that_were_timed_are_compared_like_any_model() -> None:
    record = with_costs(ALIKE, ple=(0, 1.0))
    assert shipped(record).why.startswith("it takes 25 % of the time of HiNet")
    assert taken(with_costs(ALIKE, ple=(0, None))) == "hinet"
    (ple, hinet) = record.arms
    on_gpu = each_run(hinet, lambda run: replace(run, cost=replace(run.cost, device="cuda:0")))
    assert taken(replace(record, arms=(ple, on_gpu))) == "hinet"


def test_a_student_that_test_shows_to_be_worse_than_its_arm_is_not_taken() -> None:
    record = with_student(WON, "hinet", valid=0.01, test=-0.01)
    assert taken(record) == "hinet"
    assert taken(with_limits(record, flops=1000)) == "hinet"


def test_a_student_that_was_not_opened_on_test_is_not_taken() -> None:
    record = with_student(WON, "hinet", valid=0.01)
    (student,) = record.students
    closed = tuple(replace(run, test_cells=None) for run in student.finalists[0].runs)
    student = replace(student, finalists=(replace(student.finalists[0], runs=closed),))
    record = replace(record, students=(student,))
    assert taken(record) == "hinet"
    assert offer_of(record, "distilled_hinet").test is None


def test_a_cheaper_student_is_taken_if_its_loss_is_shown_to_be_below_the_margin() -> None:
    record = with_student(WON, "ple", valid=0.0, test=0.05)  # on test as good as HiNet
    assert taken(record) == "distilled_ple"
    assert without_loss(shipped(record).why) == (
        "it takes 50 % of the time of HiNet (better than every other arm on test) "
        "and is shown to lose at most LOSS, less than the margin of 0.002"
    )


def test_a_cheaper_student_that_may_lose_more_than_the_margin_is_not_taken() -> None:
    assert taken(with_student(WON, "ple", valid=0.0, test=0.047)) == "hinet"


def test_a_cheaper_arm_is_compared_with_the_best_student_and_with_the_best_arm() -> None:
    record = with_student(ALIKE, "hinet", valid=0.01)
    assert taken(record) == "ple"
    assert without_loss(shipped(record).why) == (
        "it takes 50 % of the time of Distilled HiNet (0.0100 ahead of HiNet, the best arm, on "
        "validation, at no higher cost, and not shown to be worse on test) and is shown to lose "
        "at most LOSS against Distilled HiNet and HiNet, less than the margin of 0.002"
    )


def test_without_limits_no_ensemble_is_taken_however_good() -> None:
    assert taken(with_ensemble(WON, gain=0.1)) == "hinet"


def test_within_limits_the_best_on_validation_is_taken_with_the_ensemble_among_them() -> None:
    record = with_ensemble(with_student(WON, "hinet", valid=0.001), gain=0.1)
    assert taken(with_limits(record, flops=1e9)) == ENSEMBLE
    assert taken(with_limits(record, flops=100)) == "distilled_hinet"
    assert taken(with_limits(record, flops=60)) == "ple"


def test_an_ensemble_that_is_not_better_on_validation_is_not_taken_within_limits() -> None:
    assert taken(with_limits(with_ensemble(WON, gain=-0.1), flops=1e9)) == "hinet"


def test_an_ensemble_that_was_not_opened_on_test_is_not_taken() -> None:
    record = with_ensemble(WON, gain=0.1, test_cells=None, resampled=None)
    assert taken(with_limits(record, flops=1e9)) == "hinet"


def test_a_selected_ensemble_is_worth_its_cross_fitted_value() -> None:
    record = with_ensemble(WON, members=all_runs(WON)[:4])
    ensemble = record.ensemble(ENSEMBLE)
    assert ensemble is not None
    assert ensemble.gain is not None
    assert offer_of(record, ENSEMBLE).valid == ensemble.gain.selected_value
    assert ensemble.gain.selected_value < ensemble.valid_objective


def test_it_is_said_how_many_meet_the_limits() -> None:
    record = with_ensemble(WON)
    assert shipped(with_limits(record, flops=100)).why == (
        "the best within the serving limits, which 2 of 3 meet (better than every other arm on test)"
    )
    assert "which all meet (" in shipped(with_limits(record, flops=1e9)).why


def test_an_ensemble_that_is_not_shown_to_be_better_on_test_is_not_taken_within_limits() -> None:
    record = with_ensemble(WON, gain=0.0005)
    assert taken(with_limits(record, flops=1e9)) == "hinet"
    assert "but costs as much as 30 models and is not shown" in (
        shipped(with_limits(record, flops=1e9)).why
    )


def test_within_limits_an_arm_that_another_is_shown_to_beat_is_not_taken() -> None:
    record = meeting(star=at(0.60), ple=at(0.75), hinet=at(0.70))
    record = with_costs(record, star=(50, 1.0), ple=(60, 1.0), hinet=(60, 1.0))
    assert verdict(record).status == "worse"
    assert taken(with_limits(record, flops=100)) == "ple"


def test_an_arm_that_cannot_be_served_rules_out_none_that_can() -> None:
    record = meeting(star=at(0.60), ple=at(0.75), hinet=at(0.70))
    record = with_costs(record, star=(50, 1.0), ple=(200, 1.0), hinet=(60, 1.0))
    assert taken(with_limits(record, flops=100)) == "hinet"


def test_if_nothing_meets_the_limits_the_nearest_is_named_with_what_it_needs() -> None:
    record = with_limits(WON, flops=40, milliseconds=1.6)
    assert taken(record) is None
    assert shipped(record).why == (
        "nothing meets the serving limits; PLE is nearest and takes 1.50 times what they allow: "
        "search smaller models, or raise `serving.max_flops_per_row` to 60 "
        "and `serving.max_ms_per_100_rows` to 2"
    )


def test_only_the_limit_that_is_missed_is_named() -> None:
    why = shipped(with_limits(WON, flops=40, milliseconds=100.0)).why
    assert why.endswith("or raise `serving.max_flops_per_row` to 60")


def test_an_unknown_time_meets_no_limit_of_time() -> None:
    record = with_costs(WON, hinet=(100, None))
    assert taken(with_limits(record, milliseconds=100.0)) == "ple"
    record = with_costs(record, ple=(60, None))
    assert taken(with_limits(record, milliseconds=100.0)) is None
    assert "launch the study again" in shipped(with_limits(record, milliseconds=100.0)).why


def test_an_ensemble_costs_as_much_as_all_of_its_members() -> None:
    members = (*all_runs(WON, "ple")[:2], *all_runs(WON, "hinet")[:1])
    offer = offer_of(with_limits(with_ensemble(WON, members=members), flops=110), ENSEMBLE)
    assert (offer.flops_per_row, offer.milliseconds, offer.members) == (220, 8.0, 3)
    assert offer.share == pytest.approx(2.0)


def test_the_time_of_an_ensemble_is_unknown_if_that_of_a_member_is() -> None:
    record = with_costs(WON, ple=(60, None))
    assert cost_of_runs(record, all_runs(record)).milliseconds_per_100 is None
    assert cost_of_runs(record, all_runs(record, "hinet")).milliseconds_per_100 == 60.0


def test_if_less_is_better_the_student_with_the_lower_loss_is_taken() -> None:
    record = study(Shape(arms=("ple", "hinet"), objective="logloss"))
    arm = taken(record)
    assert arm is not None
    better = with_student(record, arm, valid=0.01)
    worse = with_student(record, arm, valid=-0.01)
    assert offer_of(better, f"distilled_{arm}").valid < offer_of(better, arm).valid
    assert (taken(better), taken(worse)) == (f"distilled_{arm}", arm)


def test_if_less_is_better_the_ensemble_with_the_lower_loss_is_taken_within_limits() -> None:
    record = study(Shape(arms=("ple", "hinet"), objective="logloss"))
    better, worse = with_ensemble(record, gain=0.05), with_ensemble(record, gain=-0.05)
    assert taken(with_limits(better, flops=1e12)) == ENSEMBLE
    assert taken(with_limits(worse, flops=1e12)) != ENSEMBLE


@pytest.mark.parametrize(
    "record", [empty(), failed_only(), study(Shape(finalists=False, opened=False))]
)
def test_nothing_is_offered_without_finalists(record: StudyRecord) -> None:
    assert shipped(record) == Decision((), None, NOTHING_TESTED)
    assert shipped(with_limits(record, flops=1.0)).taken is None


def test_nothing_is_taken_before_test_is_opened() -> None:
    record = study(Shape(opened=False))
    for each in (record, with_limits(record, flops=1e12)):
        assert (taken(each), shipped(each).why) == (None, NOTHING_TESTED)
        assert {offer.test for offer in shipped(each).offers} == {None}
