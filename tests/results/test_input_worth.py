"""What groups of inputs are worth and which are left out, against a choice by brute force."""

from itertools import product
from math import inf
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from hinet_search.results.input_groups import chosen_groups, groups_without
from hinet_search.results.input_worth import (
    InputChoice,
    choose_inputs,
    follows,
    sentence,
)
from hinet_search.results.paired_runs import PairedRun

GROUPS = ("lists", "place", "statistics")
MARGIN = 0.002
VALUES = st.one_of(st.integers(0, 6).map(float), st.just(float("nan")))


def chosen(trainings: list[PairedRun]) -> InputChoice:
    return choose_inputs(trainings, "macro_auc", MARGIN)


def runs(**values: list[float]) -> list[PairedRun]:
    """Trainings with seeds 0, 1, ...; the names are `full` or groups joined by two underscores."""
    return [
        PairedRun("mmoe", () if name == "full" else tuple(name.split("__")), seed, value)
        for name, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]


@st.composite
def measured(draw: st.DrawFn) -> list[PairedRun]:
    """Any trainings: some sets of groups, some seeds, ties and values that are no number."""
    sets = [(), *((group,) for group in GROUPS), GROUPS[:2], GROUPS[1:], GROUPS]
    return [
        PairedRun("mmoe", left_out, seed, draw(VALUES))
        for left_out, seed in product(sets, range(3))
        if draw(st.booleans())
    ]


def interval(trainings: list[PairedRun], left_out: tuple[str, ...], sign: int, level: float):  # type: ignore[no-untyped-def]  # a pair, or None
    """The ends of the paired t interval of the worth of groups; None if a training is missing."""
    values = {(run.left_out, run.seed): run.value for run in trainings if run.value == run.value}
    seeds = [seed for seed in range(3) if ((), seed) in values]
    if not seeds or any((left_out, seed) not in values for seed in seeds):
        return None
    gains = [sign * (values[(), seed] - values[left_out, seed]) for seed in seeds]
    if len(gains) == 1:
        return -inf, inf
    half = t.ppf(1 - level / 2, len(gains) - 1) * stdev(gains) / len(gains) ** 0.5
    return fmean(gains) - half, fmean(gains) + half


def by_force(trainings: list[PairedRun], sign: int) -> set[str]:
    """The groups to drop, from the rules word by word."""
    level = 0.05 / max(1, len({run.left_out for run in trainings if len(run.left_out) == 1}))

    def is_small(left_out: tuple[str, ...]) -> bool:
        ends = interval(trainings, left_out, sign, level)
        return ends is not None and ends[1] < MARGIN and ends[0] <= 0

    small = tuple(group for group in GROUPS if is_small((group,)))
    return set(small) if small and is_small(small) else set()


@given(measured(), st.booleans())
def test_the_choice_is_that_of_brute_force(trainings: list[PairedRun], maximize: bool) -> None:
    choice = choose_inputs(trainings, "macro_auc" if maximize else "logloss", MARGIN)
    assert set(choice.dropped) == by_force(trainings, 1 if maximize else -1)


@given(measured())
def test_a_measure_to_minimise_is_the_negative_of_one_to_maximise(
    trainings: list[PairedRun],
) -> None:
    negated = [PairedRun(run.arm, run.left_out, run.seed, -run.value) for run in trainings]
    choice, other = chosen(trainings), choose_inputs(negated, "logloss", MARGIN)
    assert set(choice.dropped) == set(other.dropped)
    assert choice.worths == other.worths


@given(measured())
def test_no_group_that_is_shown_to_help_is_dropped(trainings: list[PairedRun]) -> None:
    choice = chosen(trainings)
    assert set(choice.dropped) <= set(choice.small) <= set(choice.worths)
    assert {*choice.useful} | {*choice.unclear} | {*choice.small} == {*choice.worths}
    assert not {*choice.useful} & {*choice.small}


@given(st.sets(st.sampled_from(GROUPS)))
def test_a_value_without_groups_chooses_all_others(left_out: set[str]) -> None:
    value = groups_without(left_out, GROUPS)
    assert chosen_groups(value, GROUPS) == set(GROUPS) - left_out


def test_worths_are_means_over_paired_seeds_and_the_best_group_comes_first() -> None:
    choice = chosen(runs(full=[0.8, 0.7], lists=[0.79, 0.70], place=[0.6]))
    means = {group: worth.mean for group, worth in choice.worths.items()}
    assert means == pytest.approx({"place": 0.2, "lists": 0.005})
    assert list(means) == ["place", "lists"]


def test_intervals_hold_for_all_groups_together() -> None:
    alone = chosen(runs(full=[0.8, 0.79], lists=[0.79, 0.77])).worths["lists"]
    among = chosen(runs(full=[0.8, 0.79], lists=[0.79, 0.77], place=[0.7, 0.7])).worths["lists"]
    assert (alone.low, among.low) == (
        pytest.approx(0.015 - t.ppf(0.975, 1) * 0.005),
        pytest.approx(0.015 - t.ppf(0.9875, 1) * 0.005),
    )


def test_of_errors_of_amounts_the_margin_is_a_share_of_the_value_with_all_inputs() -> None:
    trainings = runs(full=[20.0, 20.0], lists=[20.03, 20.03])
    choice = choose_inputs(trainings, "rmse[Home/watch]", MARGIN)
    assert choice.margin == pytest.approx(0.04)
    assert choice.useful == ("lists",)


def test_groups_that_help_only_together_are_kept() -> None:
    choice = chosen(runs(full=[0.8] * 2, lists=[0.8] * 2, place=[0.81] * 2, lists__place=[0.7] * 2))
    assert set(choice.small) == {"lists", "place"}
    assert choice.together is not None
    assert choice.together.mean == pytest.approx(0.1)
    assert choice.dropped == ()


def test_a_group_whose_worth_chance_allows_to_be_large_is_kept() -> None:
    choice = chosen(runs(full=[0.7010, 0.6990, 0.7001], lists=[0.6990, 0.7000, 0.7020]))
    assert (choice.useful, choice.unclear, choice.dropped) == ((), ("lists",), ())


def test_an_arm_follows_if_its_groups_are_those_chosen() -> None:
    choice = chosen(runs(full=[0.8] * 2, lists=[0.81] * 2, place=[0.7] * 2))
    assert follows(
        {"features.groups": "place+statistics"}, choice, ("lists", "place", "statistics")
    )
    assert not follows({"features.groups": "all"}, choice, GROUPS)
    assert not follows({}, choice, GROUPS)


@pytest.mark.parametrize(
    ("trainings", "is_followed", "words"),
    [
        (
            runs(full=[0.8, 0.8], lists=[0.77, 0.77]),
            True,
            "Validation improves by .0300 with lists.",
        ),
        (
            runs(full=[0.7010, 0.6990, 0.7001], lists=[0.6985, 0.7000, 0.7010]),
            True,
            "No difference is shown with lists (kept: worth up to .0051).",
        ),
        (
            runs(full=[0.8], lists=[0.77]),
            True,
            "No difference is shown with lists (kept: one seed shows nothing).",
        ),
        (
            runs(full=[0.8] * 2, lists=[0.77] * 2, place=[0.8] * 2),
            True,
            (
                "Validation improves by .0300 with lists. "
                "Less than the margin of .002 is lost without place (dropped)."
            ),
        ),
        (
            runs(full=[0.8] * 2, place=[0.8] * 2),
            False,
            "Less than the margin of .002 is lost without place (measured only).",
        ),
        (
            runs(full=[0.8] * 2, lists=[0.8] * 2, place=[0.8] * 2, lists__place=[0.7] * 2),
            True,
            (
                "Less than the margin of .002 is lost without lists or place "
                "(kept: together they improve it by .1000)."
            ),
        ),
        (
            runs(full=[0.8] * 2, lists=[0.8] * 2, place=[0.8] * 2, lists__place=[0.8, 0.79]),
            True,
            (
                "Less than the margin of .002 is lost without lists or place "
                "(kept: together they may be worth up to .1323)."
            ),
        ),
        (
            runs(full=[0.8] * 2, lists=[0.8] * 2, place=[0.8] * 2),
            True,
            (
                "Less than the margin of .002 is lost without lists or place "
                "(kept: no model without all of them was trained)."
            ),
        ),
        ([], True, "What the groups of inputs are worth could not be measured: all are kept."),
    ],
)
def test_the_sentence_says_what_is_shown_and_what_becomes_of_groups(
    trainings: list[PairedRun], is_followed: bool, words: str
) -> None:
    assert sentence(chosen(trainings), is_followed=is_followed) == words
