"""Verdict card: the focus arm against every baseline and the rival of its size."""

import re
from dataclasses import replace
from html import unescape

import pytest

from hinet_search.report.sections import cells, verdict, what_to_ship
from hinet_search.results.contrasts import contrasts, resolution
from hinet_search.results.records import FinalistRun
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict as outcome_of
from tests.duels import NOISE, duel, meeting, with_test_aucs
from tests.report.arms import Shape
from tests.report.edits import each_arm, each_run
from tests.report.nine_arms import SHAPE, few_rows, nine_arms
from tests.report.studies import empty, study

NINE = few_rows()


def plain(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html)


def with_cost(record: StudyRecord, *names: str, **changes: object) -> StudyRecord:
    """The record with fields of the cost of the finalists of these arms, or all, replaced."""

    def changed(run: FinalistRun) -> FinalistRun:
        return replace(run, cost=replace(run.cost, **changes))  # type: ignore[arg-type]  # types are the caller's

    return each_arm(record, lambda arm: each_run(arm, changed), *names)


def advice(record: StudyRecord) -> list[str]:
    """Return the lines of the advice."""
    (box,) = re.findall(r'<div class="do">.*?</div>', what_to_ship.build(record).body)
    return [unescape(plain(line)) for line in re.findall(r"<li>(.*?)</li>", box)]


def lead_of(record: StudyRecord) -> str:
    return plain(verdict.build(record).lead)


def of_arms(*names: str) -> StudyRecord:
    return nine_arms(replace(SHAPE, arms=names, trials=6))


def test_a_strongest_rival_of_the_same_size_is_not_counted_twice() -> None:
    words = lead_of(of_arms("shared_bottom", "flat_moe", "hinet"))
    assert "over Flat MoE, the strongest other arm" in words
    assert "Flat MoE has the same size as HiNet." in words


def test_a_study_without_a_rival_of_that_size_says_how_to_add_one() -> None:
    words = lead_of(of_arms("shared_bottom", "hinet"))
    assert "No arm has the same size as HiNet; to add one: flat_moe: {size_of: hinet}." in words


def test_nodes_of_trees_are_no_size() -> None:
    record = of_arms("trees", "hinet")
    dense = record.arms[1].finalists[1].runs[0].cost.dense_parameters
    record = with_cost(record, "trees", dense_parameters=dense)
    assert "No arm has the same size as HiNet" in lead_of(record)


@pytest.mark.parametrize(
    "record", [NINE, of_arms("ple", "hinet"), study(Shape(seeds=1))], ids=["nine", "two", "1 seed"]
)
def test_it_is_said_which_differences_the_seeds_show(record: StudyRecord) -> None:
    rival = next(contrast for contrast in contrasts(record) if contrast.arm == "ple")
    assert resolution(rival) in unescape(lead_of(record))


def test_one_baseline_needs_no_correction() -> None:
    record = of_arms("ple", "hinet")
    words = lead_of(record) + plain(verdict.build(record).body)
    assert "(95 % interval +" in words
    assert "Student t), of what this search found." in words
    assert "corrected for" not in words


def test_without_resamplings_it_is_said_that_users_are_not_counted() -> None:
    body = verdict.build(study(Shape(users=False))).body
    assert "interval from the variation over seeds; users are not counted (Student t" in body
    assert body.count("<small>not known</small>") == 6


WON = duel([0.75 + n for n in NOISE], [0.70 + n for n in NOISE])
LOST = duel([0.70 + n for n in NOISE], [0.75 + n for n in NOISE])
ALIKE = duel([0.70 + n for n in NOISE], [0.70 + n for n in NOISE])
TWO_AHEAD = meeting(
    star=[0.76 + n for n in NOISE], ple=[0.75 + n for n in NOISE], hinet=[0.70 + n for n in NOISE]
)


@pytest.mark.parametrize(
    ("record", "first"),
    [
        (WON, "Take HiNet. Why: better than every other arm on test."),
        (LOST, "Take PLE. Why: better than HiNet on test."),
        (
            TWO_AHEAD,
            "Take STAR. Why: better than PLE and HiNet on test.",
        ),
        (
            ALIKE,
            (
                "Take PLE. Why: it needs 86 % of the FLOPs of HiNet (the best on validation) and is shown to lose at most 0.0009, less "
                "than the margin of 0.002."
            ),
        ),
        (
            duel([0.75, 0.751], [0.7, 0.701]),
            (
                "It works; nothing is decided yet: train 5 seeds. "
                "Why: fewer than 5 seeds (finalists.seeds) decide nothing."
            ),
        ),
    ],
    ids=["won", "lost", "two ahead", "alike", "few seeds"],
)
def test_what_to_take_follows_from_the_verdict(record: StudyRecord, first: str) -> None:
    card = what_to_ship.build(record)
    assert unescape(f"{card.heading}. {plain(card.lead)}") == first


@pytest.mark.parametrize(
    ("record", "first"),
    [
        (empty(), "No decision yet: if the study stops, the same launch command resumes it."),
        (
            study(Shape(finalists=False)),
            "No decision: see below what is missing, then launch the study again.",
        ),
    ],
    ids=["running", "done without finalists"],
)
def test_without_a_verdict_it_is_said_what_to_do(record: StudyRecord, first: str) -> None:
    assert advice(record) == [first]
    assert what_to_ship.build(record).heading == outcome_of(record).sentence


def test_cells_that_lose_are_named_in_the_lead_and_left_to_the_rival() -> None:
    record = study(Shape(arms=("ple", "hinet"), scenarios=("Home", "Push"), tasks=("click",)))
    record = with_test_aucs(
        record, "ple", {("Home", "click"): [0.7] * 5, ("Push", "click"): [0.7] * 5}
    )
    ours = {
        ("Home", "click"): [0.78 + n for n in NOISE],
        ("Push", "click"): [0.68 + n for n in NOISE],
    }
    record = with_test_aucs(record, "hinet", ours)
    assert " Worse in Push · click −0.0200. " in lead_of(record)
    card = what_to_ship.build(record)
    assert card.heading == "Take HiNet"
    assert plain(card.lead) == (
        "Why: better than every other arm on test. "
        "Take PLE for Push · click, where it is better on test."
    )


@pytest.mark.parametrize(
    ("record", "arm"), [(WON, "hinet"), (LOST, "ple"), (ALIKE, "ple")], ids=["won", "lost", "alike"]
)
def test_the_command_exports_the_arm_that_is_to_be_taken(record: StudyRecord, arm: str) -> None:
    body = what_to_ship.build(replace(record, state="done")).body
    assert f"/{arm} -o {arm}-{record.name}</code>" in body


def test_few_seeds_are_drawn_as_dots_inside_the_plot_and_five_as_an_interval() -> None:
    few = meeting(hinet=[0.70, 0.74], ple=[0.72, 0.71])
    for card in (verdict.build(few), cells.build(few)):
        (row,) = re.findall(r'<div class="iv seen".*?</div>', str(card.body))[:1]
        assert row.count('class="s"') == 2
        assert 'class="w' not in row
        assert "Small dots: single seeds." in plain(card.body)
        assert "The tests behind the plot" not in card.body
    assert 'class="s"' not in verdict.build(WON).body


def test_there_is_nothing_to_export_while_a_study_runs() -> None:
    assert "hinet-search export" not in what_to_ship.build(replace(WON, state="running")).body
