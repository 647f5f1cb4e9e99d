"""The verdict follows its rules, on a table of cases, and so do the arms that it compares."""

import re
from dataclasses import replace

import pytest

from hinet_search.report.page import render
from hinet_search.results.decision import decision
from hinet_search.results.finalist_values import pair_of
from hinet_search.results.verdict import verdict
from tests.duels import chosen_of, meeting, with_chosen
from tests.report.studies import study
from tests.results.verdict_cases import CASES, at, short, short_of


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_follows_its_rule(case: str) -> None:
    record, status, sentence = CASES[case]
    outcome = verdict(record)
    assert (outcome.status, outcome.sentence) == (status, sentence)


@pytest.mark.parametrize("case", {status: case for case, (_, status, _) in CASES.items()}.values())
def test_one_heading_of_the_page_is_the_sentence(case: str) -> None:
    record, status, sentence = CASES[case]
    html = render(record)
    headings = re.findall("<h[12][^>]*>(.*?)</h[12]>", html)
    assert [re.sub("<.*?>", "", heading) for heading in headings].count(sentence) == 1
    (first,) = re.findall("<h1>(.*?)</h1>", html)
    assert re.findall("<title>(.*?)</title>", html) == [f"{record.name}: {first}"]
    assert not (status == "observation" and first.startswith("Take "))


@pytest.mark.parametrize(("trials", "status"), [(48, "better"), (47, "incomparable")])
def test_four_fifths_of_the_trials_are_enough_to_be_compared(trials: int, status: str) -> None:
    assert verdict(short(trials)).status == status


@pytest.mark.parametrize(("configurations", "status"), [(20, "better"), (21, "incomparable")])
def test_a_space_that_was_searched_whole_has_had_all_of_its_trials(
    configurations: int, status: str
) -> None:
    record = short(20)
    arms = (replace(record.arms[0], configurations=configurations), *record.arms[1:])
    assert verdict(replace(record, arms=arms)).status == status


def test_trials_that_a_small_space_cannot_have_are_not_waited_for() -> None:
    record = short(20)
    arms = (
        replace(record.arms[0], configurations=20),
        replace(record.arms[1], trials=record.arms[1].trials[:59]),
    )
    assert (
        verdict(replace(record, arms=arms, state="running")).sentence
        == "Not decided yet: 79 of 80 trials."
    )


def test_the_rival_is_the_best_on_validation_whatever_test_says() -> None:
    record = meeting(star=at(0.90), ple=at(0.60), hinet=at(0.70))
    _, rival = pair_of(record)
    assert rival is not None
    assert (rival.name, verdict(record).rival) == ("ple", "ple")


def test_the_rival_is_never_an_arm_that_was_left_out() -> None:
    for record in (
        CASES["an arm that could not be opened on test"][0],
        short_of(study(), "ple", 5),
    ):
        outcome = verdict(record)
        assert "ple" not in (outcome.rival, *(contrast.arm for contrast in outcome.contrasts))


def test_an_arm_that_was_left_out_is_not_the_one_to_take() -> None:
    record = short_of(meeting(single=at(0.7), ple=at(0.9), hinet=at(0.72)), "ple", 5)
    ahead = tuple(replace(run, valid_objective=0.99) for run in chosen_of(record, "ple").runs)
    record = with_chosen(record, "ple", runs=ahead)
    taken = decision(record, verdict(record)).taken
    assert taken is not None
    assert taken.name == "hinet"


def test_the_verdict_is_the_contrast_with_the_strongest_other_arm_on_validation() -> None:
    outcome = verdict(study())
    (rival,) = [contrast for contrast in outcome.contrasts if contrast.arm == outcome.rival]
    assert (outcome.difference, outcome.status) == (rival.difference, rival.mark)
