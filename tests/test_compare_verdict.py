"""The verdict: a table of cases, one for every rule, with the sentence that a reader sees."""

import re
from dataclasses import replace

import pytest

from hinet_search.compare import pair_of, verdict
from hinet_search.records import StudyRecord
from hinet_search.report.page import render
from tests.duels import NOISE, duel, meeting, with_chosen, with_test_aucs
from tests.report.studies import Shape, empty, failed_only, study

MANY = ("star", "mmoe", "hmoe", "trees")


def at(level: float) -> list[float]:
    """AUCs of five seeds around a level."""
    return [level + noise for noise in NOISE]


def in_two_cells(**levels: tuple[float, float]) -> StudyRecord:
    """Arms with a level in each of two cells."""
    record = study(Shape(arms=tuple(levels), scenarios=("Home", "Push"), tasks=("click",)))
    for arm, (home, push) in levels.items():
        record = with_test_aucs(record, arm, {("Home", "click"): at(home), ("Push", "click"): at(push)})
    return record


def swinging() -> StudyRecord:
    """A gain that the mean of two cells shows and no cell alone does: the arms' seeds swing against each other."""
    record = study(Shape(arms=("ple", "hinet"), scenarios=("Home", "Push"), tasks=("click",)))
    swing = [0.02, -0.02, 0.01, -0.01, 0.0]
    for arm, level in (("ple", 0.70), ("hinet", 0.71)):
        cells = {("Home", "click"): [level + s for s in swing], ("Push", "click"): [level - s for s in swing]}
        record = with_test_aucs(record, arm, cells)
    return record


def short(trials: int, *others: str) -> StudyRecord:
    """PLE had so many of its sixty trials."""
    record = study(Shape(arms=("ple", "hinet", *others), trials=60))
    return replace(record, arms=(replace(record.arms[0], trials=record.arms[0].trials[:trials]), *record.arms[1:]))


def without(record: StudyRecord, *names: str) -> StudyRecord:
    """The named arms without finalists."""
    arms = (replace(arm, finalists=()) if arm.name in names else arm for arm in record.arms)
    return replace(record, arms=tuple(arms))


def of_one_model(record: StudyRecord, *names: str) -> StudyRecord:
    """The named arms are variants of HiNet."""
    arms = (replace(arm, model="hinet") if arm.name in names else arm for arm in record.arms)
    return replace(record, arms=tuple(arms))


def none_chosen() -> StudyRecord:
    record = study(Shape(opened=False))
    arms = (replace(arm, finalists=tuple(replace(one, chosen=False) for one in arm.finalists)) for arm in record.arms)
    return replace(record, arms=tuple(arms))


def closed(record: StudyRecord, *names: str) -> StudyRecord:
    """The named arms not opened on test."""
    for arm in record.arms:
        if arm.name in names:
            runs = next(one for one in arm.finalists if one.chosen).runs
            record = with_chosen(record, arm.name, runs=tuple(replace(run, test_cells=None) for run in runs))
    return record


def other_seeds() -> StudyRecord:
    record = study(Shape(arms=("ple", "hinet")))
    runs = next(one for one in record.arms[0].finalists if one.chosen).runs
    return with_chosen(record, "ple", runs=tuple(replace(run, seed=run.seed + 100) for run in runs))


def one_trial_of_two() -> StudyRecord:
    record = empty()
    return replace(record, arms=record.arms[:2], budget=replace(record.budget, trials=1))


CASES: dict[str, tuple[StudyRecord, str, str]] = {
    "better in the only cell": (
        duel(at(0.75), at(0.70)),
        "better",
        "HiNet wins in every cell that could be decided, 1 of 1.",
    ),
    "better in one of two cells, worse in none": (
        in_two_cells(ple=(0.70, 0.70), hinet=(0.75, 0.70)),
        "better",
        "HiNet wins in every cell that could be decided, 1 of 2.",
    ),
    "better in one cell, worse in another": (
        in_two_cells(ple=(0.70, 0.70), hinet=(0.78, 0.68)),
        "better",
        "HiNet wins. It is better in 1 of 2 cells and worse in 1.",
    ),
    "better in the mean, no cell decided": (
        swinging(),
        "better",
        "HiNet wins over PLE by .0100, though no single cell is decided.",
    ),
    "worse": (duel(at(0.70), at(0.72)), "worse", "PLE wins. HiNet is worse by .0200."),
    "worse, and another arm is ahead too": (
        meeting(star=at(0.75), ple=at(0.76), hinet=at(0.72)),
        "worse",
        "PLE wins. HiNet is worse by .0400. Ahead of HiNet on test: STAR by .0300.",
    ),
    "worse, and another arm is further ahead": (
        meeting(star=at(0.76), ple=at(0.74), hinet=at(0.72)),
        "worse",
        "HiNet is worse than PLE by .0200. Ahead of HiNet on test: STAR by .0400.",
    ),
    "better than the strongest on validation, but another arm is ahead": (
        meeting(star=at(0.76), ple=at(0.70), hinet=at(0.72)),
        "better",
        "HiNet is better than PLE by .0200, but does not win. Ahead of HiNet on test: STAR by .0400.",
    ),
    "better than the strongest on validation, another arm is not told apart": (
        meeting(star=at(0.72), ple=at(0.70), hinet=at(0.72)),
        "better",
        "No clear winner: HiNet is better than PLE, but not told apart from STAR.",
    ),
    "many arms are not told apart": (
        meeting(**{name: at(0.72) for name in MANY}, ple=at(0.70), hinet=at(0.72)),
        "better",
        "No clear winner: HiNet is better than PLE, but not told apart from 4 other arms.",
    ),
    "no difference": (
        duel(at(0.70), at(0.70)),
        "unclear",
        "No clear winner: HiNet and PLE differ by less than the seeds do.",
    ),
    "no difference from the strongest, better than another": (
        meeting(ple=at(0.72), star=at(0.70), hinet=at(0.72)),
        "unclear",
        "No clear winner: HiNet and PLE differ by less than the seeds do. HiNet is better than STAR.",
    ),
    "no difference from the strongest, another arm is ahead": (
        meeting(ple=at(0.70), star=at(0.74), hinet=at(0.70)),
        "unclear",
        "No clear winner: HiNet and PLE differ by less than the seeds do. Ahead of HiNet on test: STAR by .0400.",
    ),
    "two seeds, ahead": (
        duel([0.75, 0.751], [0.7, 0.701]),
        "observation",
        "HiNet is ahead of PLE by .0500: an observation with 2 seeds, not a claim.",
    ),
    "two seeds, behind": (
        duel([0.65, 0.651], [0.7, 0.701]),
        "observation",
        "HiNet is behind PLE by .0500: an observation with 2 seeds, not a claim.",
    ),
    "one seed": (
        duel([0.75], [0.7]),
        "observation",
        "HiNet is ahead of PLE by .0500: an observation with 1 seed, not a claim.",
    ),
    "three seeds that disagree": (
        duel([0.7, 0.75, 0.65], [0.7] * 3),
        "observation",
        "No clear winner between HiNet and PLE: an observation with 3 seeds, not a claim.",
    ),
    "a third of the trials": (short(20), "incomparable", "Not comparable: PLE had 20 of 60 trials."),
    "no common seed": (
        other_seeds(),
        "incomparable",
        "Not comparable: HiNet and PLE share no seed with a test value.",
    ),
    "no trial yet": (empty(), "undecided", "Not decided yet: 0 of 84 trials."),
    "one planned trial an arm": (one_trial_of_two(), "undecided", "Not decided yet: 0 of 2 trials."),
    "all trials failed": (failed_only(), "undecided", "Not decided yet: no finalists."),
    "one arm without finalists in a study that runs": (
        replace(without(meeting(single=at(0.7), ple=at(0.7), hinet=at(0.72)), "single"), state="running"),
        "undecided",
        "Not decided yet: no finalists for Single.",
    ),
    "one arm without finalists in a study that is done": (
        without(meeting(single=at(0.7), ple=at(0.7), hinet=at(0.72)), "single"),
        "better",
        "HiNet wins in every cell that could be decided, 1 of 1. Left out, without a finalist: Single.",
    ),
    "one arm without finalists, all others are one model": (
        without(of_one_model(meeting(mmoe=at(0.7), no_san=at(0.7), hinet=at(0.72)), "no_san", "hinet"), "mmoe"),
        "better",
        "HiNet wins in every cell that could be decided, 1 of 1. Left out, without a finalist: MMoE.",
    ),
    "one arm without finalists, another with a third of the trials": (
        without(short(20, "single"), "single"),
        "incomparable",
        "Not comparable: PLE had 20 of 60 trials. Left out, without a finalist: Single.",
    ),
    "all arms but one without finalists": (
        without(study(Shape(arms=("single", "ple", "hinet"))), "single", "ple"),
        "undecided",
        "Not decided yet: no finalists for Single and PLE.",
    ),
    "finalists of which none is chosen": (none_chosen(), "undecided", "Not decided yet: no finalist is chosen."),
    "test closed": (study(Shape(opened=False)), "undecided", "Not decided yet: test is not opened."),
    "test closed for one arm": (
        closed(study(Shape(arms=("single", "ple", "hinet"))), "ple"),
        "undecided",
        "Not decided yet: test is not opened for PLE.",
    ),
    "one arm": (study(Shape(arms=("hinet",))), "undecided", "Nothing to compare: the study has one arm."),
    "no arm": (replace(empty(), arms=()), "undecided", "Nothing to compare: no arm has run yet."),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_follows_its_rule(case: str) -> None:
    record, status, sentence = CASES[case]
    found = verdict(record)
    assert (found.status, found.sentence) == (status, sentence)


@pytest.mark.parametrize("case", CASES)
def test_title_and_heading_of_the_page_say_the_sentence(case: str) -> None:
    record, _, sentence = CASES[case]
    html = render(record)
    assert re.findall("<title>(.*?)</title>", html) == [f"{record.name}: {sentence}"]
    assert re.findall("<h1>(.*?)</h1>", html) == [sentence]


@pytest.mark.parametrize("case", CASES)
def test_no_sentence_claims_a_cause(case: str) -> None:
    _, _, sentence = CASES[case]
    assert not re.search("because|due to|cause|thanks|leads to|explain", sentence)


@pytest.mark.parametrize("case", CASES)
def test_what_was_decided_agrees_with_its_interval(case: str) -> None:
    found = verdict(CASES[case][0])
    if found.status in ("better", "worse", "unclear"):
        assert found.difference is not None
        assert found.status == found.difference.mark


@pytest.mark.parametrize(("trials", "status"), [(48, "better"), (47, "incomparable")])
def test_four_fifths_of_the_trials_are_enough_to_be_compared(trials: int, status: str) -> None:
    assert verdict(short(trials)).status == status


def test_the_rival_is_the_best_on_validation_whatever_test_says() -> None:
    record = meeting(star=at(0.90), ple=at(0.60), hinet=at(0.70))
    _, rival = pair_of(record)
    assert rival is not None
    assert (rival.name, verdict(record).rival) == ("ple", "ple")


def test_turning_the_test_values_turns_the_verdict() -> None:
    ours, theirs = at(0.75), at(0.70)
    assert [verdict(duel(*pair)).status for pair in ((ours, theirs), (theirs, ours))] == ["better", "worse"]


def test_the_verdict_is_that_of_the_contrast_with_the_strongest_other_arm_on_validation() -> None:
    found = verdict(study())
    (one,) = [contrast for contrast in found.contrasts if contrast.arm == found.rival]
    assert (found.difference, found.status) == (one.difference, one.mark)


def test_with_logloss_the_arm_with_the_lower_loss_wins() -> None:
    found = verdict(study(Shape(objective="logloss")))
    assert found.difference is not None
    assert (found.status, found.difference.mean > 0) == ("better", True)
