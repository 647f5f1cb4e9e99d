"""The page claims no more than its numbers support: few seeds, one arm, no intervals, no size."""

import re
from dataclasses import replace

import pytest

from hinet_search.report.sections import ablations, cells, leaderboard, verdict, what_to_ship
from hinet_search.report.standings import standings
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict as outcome_of
from tests.duels import NOISE, chosen_of, duel, meeting
from tests.report.arms import Shape
from tests.report.nine_arms import SHAPE, few_rows, nine_arms
from tests.report.studies import study
from tests.report.test_report_verdict import plain


def variants(seeds: int, without: float = 0.70) -> StudyRecord:
    """HiNet, and a HiNet without a part, by default a much worse one."""
    noise = NOISE[:seeds]
    record = meeting(hinet=[0.78 + n for n in noise], no_san=[without + n for n in noise])
    arms = tuple(replace(arm, model="hinet") for arm in record.arms)
    return replace(record, arms=arms, reference="hinet")


@pytest.mark.parametrize(
    ("seeds", "heading"), [(3, "Results by cell"), (5, "This HiNet is better")]
)
def test_no_heading_claims_a_cell_where_the_verdict_is_an_observation(
    seeds: int, heading: str
) -> None:
    record = duel([0.78 + n for n in NOISE[:seeds]], [0.70 + n for n in NOISE[:seeds]])
    assert cells.build(record).heading.startswith(heading)


@pytest.mark.parametrize(
    ("seeds", "without", "heading"),
    [
        (3, 0.70, "Variants of HiNet"),
        (5, 0.70, "no_san is worse than this HiNet"),
        (5, 0.86, "A variant beats this HiNet"),
        (5, 0.78, "No significant difference between this HiNet and its variants"),
    ],
)
def test_no_heading_claims_more_of_a_part_than_the_verdict_does(
    seeds: int, without: float, heading: str
) -> None:
    assert ablations.build(variants(seeds, without)).heading == heading


def test_a_setting_that_the_focus_alone_holds_is_free_in_its_variant() -> None:
    record = variants(5)
    held = {"hinet": {"model.san.top_k": 3}, "no_san": {"model.san.enabled": False}}
    record = replace(record, arms=tuple(replace(arm, fixed=held[arm.name]) for arm in record.arms))
    assert (
        "<small>model.san.enabled = false, model.san.top_k not fixed</small>"
        in ablations.build(record).body
    )


def test_one_seed_is_no_ensemble() -> None:
    record = nine_arms(replace(SHAPE, arms=("ple", "hinet"), trials=6, seeds=1))
    assert all(
        arm.summary is not None for arm in (chosen_of(record, "ple"), chosen_of(record, "hinet"))
    )
    assert [line.valid.ensemble for line in standings(record)] == [None, None]
    assert "nsemble" not in leaderboard.build(record).body
    assert any(line.valid.ensemble is not None for line in standings(few_rows()))


def test_trees_in_focus_are_no_size_for_another_arm() -> None:
    record = nine_arms(replace(SHAPE, arms=("mmoe", "trees"), trials=6, gap=-1.0))
    record = replace(record, reference="trees")
    assert outcome_of(record).focus == "trees"
    assert "size_of" not in verdict.build(record).lead


def test_a_study_of_one_arm_says_what_it_reached_and_what_would_make_a_comparison() -> None:
    card = what_to_ship.build(study(Shape(arms=("hinet",)), state="done"))
    assert re.search(
        r"HiNet reaches 0\.\d{4} macro AUC on test, mean over 5 seeds\.", plain(card.lead)
    )
    assert "Add an arm to the study" in card.body
