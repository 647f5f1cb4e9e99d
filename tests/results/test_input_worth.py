"""What groups of inputs are worth and which are left out, against a choice by brute force."""

from itertools import product
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.results.input_groups import chosen_groups, groups_without
from hinet_search.results.input_worth import InputRun, choose_inputs, follows, sentence

GROUPS = ("lists", "place", "statistics")
VALUES = st.one_of(st.integers(0, 6).map(float), st.just(float("nan")))


def runs(**values: list[float]) -> list[InputRun]:
    """Trainings with seeds 0, 1, ...; the names are `full` or groups joined by two underscores."""
    return [
        InputRun("mmoe", () if name == "full" else tuple(name.split("__")), seed, value)
        for name, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]


@st.composite
def measured(draw: st.DrawFn) -> list[InputRun]:
    """Any trainings: some sets of groups, some seeds, ties and values that are no number."""
    sets = [(), *((group,) for group in GROUPS), GROUPS[:2], GROUPS[1:], GROUPS]
    return [
        InputRun("mmoe", left_out, seed, draw(VALUES))
        for left_out, seed in product(sets, range(3))
        if draw(st.booleans())
    ]


def by_force(trainings: list[InputRun], sign: int) -> set[str]:
    """The groups to drop, from the rules word by word."""

    def value(left_out: tuple[str, ...], seed: int) -> float | None:
        for run in trainings:
            if run.left_out == left_out and run.seed == seed and run.value == run.value:
                return run.value
        return None

    def improves(left_out: tuple[str, ...]) -> bool | None:
        """Whether inputs improve validation; None if a training to compare with is missing."""
        gains = []
        for seed in range(3):
            full, without = value((), seed), value(left_out, seed)
            if full is not None and without is None:
                return None
            if full is not None and without is not None:
                gains.append(sign * (full - without))
        return fmean(gains) > 0 if gains else None

    useless = tuple(group for group in GROUPS if improves((group,)) is False)
    return set(useless) if useless and improves(useless) is False else set()


@given(measured(), st.booleans())
def test_the_choice_is_that_of_brute_force(trainings: list[InputRun], maximize: bool) -> None:
    choice = choose_inputs(trainings, maximize=maximize)
    assert set(choice.dropped) == by_force(trainings, 1 if maximize else -1)


@given(measured())
def test_a_measure_to_minimise_is_the_negative_of_one_to_maximise(
    trainings: list[InputRun],
) -> None:
    negated = [InputRun(run.arm, run.left_out, run.seed, -run.value) for run in trainings]
    choice, other = choose_inputs(trainings, maximize=True), choose_inputs(negated, maximize=False)
    assert set(choice.dropped) == set(other.dropped)
    assert choice.worths == other.worths


@given(measured())
def test_no_more_than_the_useless_groups_are_dropped(trainings: list[InputRun]) -> None:
    choice = choose_inputs(trainings, maximize=True)
    assert set(choice.dropped) <= set(choice.useless) <= set(choice.worths)
    assert all(choice.worths[group] <= 0 for group in choice.useless)


@given(st.sets(st.sampled_from(GROUPS)))
def test_a_value_without_groups_chooses_all_others(left_out: set[str]) -> None:
    value = groups_without(left_out, GROUPS)
    assert chosen_groups(value, GROUPS) == set(GROUPS) - left_out


def test_worths_are_means_over_paired_seeds_and_the_best_group_comes_first() -> None:
    choice = choose_inputs(runs(full=[0.8, 0.7], lists=[0.79, 0.70], place=[0.6]), maximize=True)
    assert choice.worths == pytest.approx({"place": 0.2, "lists": 0.005})
    assert list(choice.worths) == ["place", "lists"]


def test_groups_that_help_only_together_are_kept() -> None:
    choice = choose_inputs(
        runs(full=[0.8], lists=[0.8], place=[0.81], lists__place=[0.7]), maximize=True
    )
    assert set(choice.useless) == {"lists", "place"}
    assert choice.together == pytest.approx(0.1)
    assert choice.dropped == ()


def test_an_arm_follows_if_its_groups_are_those_chosen() -> None:
    choice = choose_inputs(runs(full=[0.8], lists=[0.81], place=[0.7]), maximize=True)
    assert follows(
        {"features.groups": "place+statistics"}, choice, ("lists", "place", "statistics")
    )
    assert not follows({"features.groups": "all"}, choice, GROUPS)
    assert not follows({}, choice, GROUPS)


@pytest.mark.parametrize(
    ("trainings", "is_followed", "words"),
    [
        (runs(full=[0.8], lists=[0.77]), True, "Validation improves by .0300 with lists."),
        (
            runs(full=[0.8], lists=[0.77], place=[0.8]),
            True,
            "Validation improves by .0300 with lists, but not with place (dropped).",
        ),
        (
            runs(full=[0.8], place=[0.8]),
            False,
            "Validation does not improve with place (measured only).",
        ),
        (
            runs(full=[0.8], lists=[0.8], place=[0.8], lists__place=[0.7]),
            True,
            "Validation does not improve with lists or place (kept: together they improve it by .1000).",
        ),
        (
            runs(full=[0.8], lists=[0.8], place=[0.8]),
            True,
            "Validation does not improve with lists or place (kept: no model without all of them was trained).",
        ),
        ([], True, "What the groups of inputs are worth could not be measured: all are kept."),
    ],
)
def test_the_sentence_says_what_groups_are_worth_and_what_becomes_of_them(
    trainings: list[InputRun], is_followed: bool, words: str
) -> None:
    assert sentence(choose_inputs(trainings, maximize=True), is_followed=is_followed) == words
