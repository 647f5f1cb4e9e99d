"""Winner: validation chooses, test rules out, and a cheaper arm wins only if its loss is shown to be small."""

from dataclasses import replace

import pytest

from hinet_search.results.decision import decision
from hinet_search.results.finalist_values import is_fully_tested
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from tests.duels import (
    NOISE,
    chosen_of,
    duel,
    in_seconds,
    meeting,
    with_chosen,
    with_seeds_opened,
    without_users,
)

AHEAD = meeting(
    star=[0.76 + n for n in NOISE], ple=[0.75 + n for n in NOISE], hinet=[0.70 + n for n in NOISE]
)
ALIKE = duel([0.70 + n for n in NOISE], [0.70 + n for n in NOISE])
WIDE = [0.006, -0.006, 0.003, -0.003, 0.0]  # a spread of seeds in which a loss of 0.002 is lost


def with_flops(record: StudyRecord, **flops: int) -> StudyRecord:
    for name, number in flops.items():
        runs = chosen_of(record, name).runs
        counted = (replace(run, cost=replace(run.cost, flops_per_row=number)) for run in runs)
        record = with_chosen(record, name, runs=tuple(counted))
    return record


def around(mean: float, noise: list[float] = NOISE) -> list[float]:
    return [mean + n for n in noise]


def taken(record: StudyRecord) -> tuple[str, str]:
    decided = decision(record, verdict(record))
    assert decided.taken is not None
    return decided.taken.name, decided.why


@pytest.mark.parametrize(
    ("record", "name", "why"),
    [
        (duel(around(0.75), around(0.70)), "hinet", "better than every other arm on test"),
        (duel(around(0.70), around(0.75)), "ple", "better than HiNet on test"),
        (duel([0.75, 0.751], [0.7, 0.701]), "hinet", "the best on validation"),
        (
            meeting(star=around(0.69), ple=around(0.70, WIDE), hinet=around(0.70, WIDE)),
            "hinet",
            (
                "the best on validation; PLE needs 86 % of its FLOPs, but may lose up to 0.0069, more than the margin of 0.002"
            ),
        ),
    ],
    ids=["won", "lost", "few seeds", "one is worse"],
)
def test_the_arm_to_take_follows_from_the_verdict(record: StudyRecord, name: str, why: str) -> None:
    assert taken(record) == (name, why)


def test_a_cheaper_arm_whose_loss_is_shown_to_be_below_the_margin_is_taken() -> None:
    assert taken(with_flops(ALIKE, ple=5, hinet=100)) == (
        "ple",
        (
            "it needs 5.0 % of the FLOPs of HiNet (the best on validation) and is shown to lose at most 0.0009, less than "
            "the margin of 0.002"
        ),
    )


def test_a_cheaper_arm_that_may_lose_more_is_refused_with_the_possible_loss() -> None:
    record = with_flops(duel(around(0.7067, WIDE), around(0.70, WIDE)), ple=5, hinet=100)
    assert verdict(record).status == "unclear"
    assert taken(record) == (
        "hinet",
        (
            "the best on validation; PLE needs 5.0 % of its FLOPs, but may lose up to 0.0123, more than the margin of 0.002 "
            "(its mean is 0.0067 lower)"
        ),
    )


def test_a_smaller_margin_asks_for_more_and_needs_no_other_study() -> None:
    record = replace(ALIKE, budget=replace(ALIKE.budget, margin=0.0005))
    assert taken(record)[0] == "hinet"


@pytest.mark.parametrize("seconds", [0.1, 100.0])
def test_of_errors_of_amounts_the_margin_is_a_share_whatever_their_unit(seconds: float) -> None:
    record = in_seconds(with_flops(ALIKE, ple=5, hinet=100), seconds)
    assert taken(record)[0] == "hinet"
    assert f"more than the margin of {0.0006 * seconds:.3g}" in taken(record)[1]
    wider = replace(record, budget=replace(record.budget, margin=0.004))
    assert taken(wider)[0] == "ple"


def test_of_several_cheaper_arms_within_the_margin_the_cheapest_is_taken() -> None:
    record = meeting(star=around(0.70), mmoe=around(0.70), ple=around(0.70), hinet=around(0.70))
    assert taken(with_flops(record, star=20, mmoe=10, ple=30, hinet=100))[0] == "mmoe"


def test_an_arm_that_is_shown_to_be_worse_is_not_taken_however_cheap() -> None:
    record = meeting(star=around(0.6985), ple=around(0.70), hinet=around(0.70))
    assert verdict(record).count("worse") == 0
    assert taken(with_flops(record, star=1, ple=50, hinet=100))[0] == "ple"


@pytest.mark.parametrize(
    "lacking", [without_users(ALIKE, "ple"), with_seeds_opened(ALIKE, "ple", 4)]
)
def test_an_arm_of_which_nothing_is_claimed_is_not_taken_for_being_cheap(
    lacking: StudyRecord,
) -> None:
    assert taken(lacking) == ("hinet", "the best on validation")


def test_an_arm_that_test_shows_ahead_by_chance_is_named_and_not_taken() -> None:
    record = with_flops(duel(around(0.70, WIDE), around(0.7030, WIDE)), ple=200, hinet=100)
    assert taken(record) == (
        "hinet",
        "the best on validation; PLE is 0.0030 ahead of it on test, which chance allows",
    )


def test_an_arm_without_flops_computes_neither_more_nor_less() -> None:
    assert taken(with_flops(ALIKE, ple=0)) == ("hinet", "the best on validation")


def test_of_several_arms_ahead_the_best_on_validation_is_taken() -> None:
    record = meeting(star=around(0.7505), ple=around(0.75), hinet=around(0.70))
    assert taken(with_flops(record, star=200, ple=100)) == ("ple", "better than HiNet on test")


def test_an_arm_that_another_one_is_shown_to_beat_is_not_taken_even_if_both_beat_the_focus() -> (
    None
):
    assert taken(with_flops(AHEAD, star=200, ple=100))[0] == "star"
    assert taken(with_flops(AHEAD, star=50, ple=100)) == (
        "star",
        "better than PLE and HiNet on test",
    )


def test_a_cheaper_arm_that_is_ahead_is_shown_to_lose_nothing() -> None:
    wide = [2 * noise for noise in NOISE]
    record = meeting(star=around(0.7524, wide), ple=around(0.75, wide), hinet=around(0.70))
    assert taken(with_flops(record, star=50, ple=100)) == (
        "star",
        "it needs 50 % of the FLOPs of PLE (better than HiNet on test) and is shown to lose nothing",
    )


def test_an_arm_is_tested_when_all_of_its_seeds_are_opened() -> None:
    for count, is_tested in ((len(NOISE) - 1, False), (len(NOISE), True)):
        record = with_seeds_opened(ALIKE, "ple", count)
        ple = next(arm for arm in record.arms if arm.name == "ple")
        assert is_fully_tested(ple) is is_tested
