"""What inputs and choices are worth follows from paired seeds, and holds for all of them together."""

import math
from dataclasses import replace
from itertools import product
from math import inf
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import t

from hinet_search.results.ablation import (
    EVERY_CHOICE,
    InputChoice,
    MeasuredChoices,
    choose_inputs,
    follows,
    measured_choices,
    sentence,
)
from hinet_search.results.data_record import chosen_groups, groups_without
from hinet_search.results.study_record import PairedRun, StudyRecord
from tests.report.measured import measured as study_of_inputs
from tests.report.moved import EXPERTS, FULL, GAINS, RATES, SPREAD, WIDTH, moved, with_choices
from tests.report.studies import small

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
            "On these rows validation improves by 0.0300 with lists.",
        ),
        (
            runs(full=[0.7010, 0.6990, 0.7001], lists=[0.6985, 0.7000, 0.7010]),
            True,
            "No significant difference with lists (kept: worth up to 0.0051).",
        ),
        (
            runs(full=[0.8], lists=[0.77]),
            True,
            "No significant difference with lists (kept: one seed shows nothing).",
        ),
        (
            runs(full=[0.8] * 2, lists=[0.77] * 2, place=[0.8] * 2),
            True,
            (
                "On these rows validation improves by 0.0300 with lists. "
                "On these rows less than the margin of 0.002 is lost without place (dropped)."
            ),
        ),
        (
            runs(full=[0.8] * 2, place=[0.8] * 2),
            False,
            "On these rows less than the margin of 0.002 is lost without place (measured only).",
        ),
        (
            runs(full=[0.8] * 2, lists=[0.8] * 2, place=[0.8] * 2, lists__place=[0.7] * 2),
            True,
            (
                "On these rows less than the margin of 0.002 is lost without lists or place "
                "(kept: together they improve it by 0.1000)."
            ),
        ),
        (
            runs(full=[0.8] * 2, lists=[0.8] * 2, place=[0.8] * 2, lists__place=[0.8, 0.79]),
            True,
            (
                "On these rows less than the margin of 0.002 is lost without lists or place "
                "(kept: together they may be worth up to 0.1323)."
            ),
        ),
        (
            runs(full=[0.8] * 2, lists=[0.8] * 2, place=[0.8] * 2),
            True,
            (
                "On these rows less than the margin of 0.002 is lost without lists or place "
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


NOTHING = dict.fromkeys([(EVERY_CHOICE,), EXPERTS, RATES, WIDTH], 0.0)


def choices_in(record: StudyRecord) -> MeasuredChoices:
    choices = measured_choices(record)
    assert choices is not None
    return choices


def without_seed(record: StudyRecord, left_out: tuple[str, ...], seed: int) -> StudyRecord:
    kept = [run for run in record.paired_runs if (run.left_out, run.seed) != (left_out, seed)]
    return replace(record, paired_runs=tuple(kept))


def test_gains_are_means_over_seeds_with_bonferronis_intervals_and_the_best_comes_first() -> None:
    choices = choices_in(moved())
    assert [tuple(each.settings) for each in choices.choices] == [EXPERTS, RATES, WIDTH]
    gains = [GAINS[EXPERTS] + spread for spread in SPREAD]
    half = stats.t.ppf(1 - 0.05 / 4 / 2, 4) * np.std(gains, ddof=1) / 5**0.5
    gain = choices.choices[0].gain
    assert gain is not None
    assert gain.mean == pytest.approx(GAINS[EXPERTS])
    assert (gain.low, gain.high) == pytest.approx((gain.mean - half, gain.mean + half))
    assert choices.whole is not None
    assert choices.whole.mean == pytest.approx(GAINS[(EVERY_CHOICE,)])
    assert choices.num_seeds == 5


def test_a_choice_has_the_defaults_and_the_finalists_values_of_its_settings() -> None:
    choice = choices_in(moved()).choices[0]
    assert choice.settings == {EXPERTS[0]: (3, 7)}


def test_what_moved_it_is_told_and_what_made_it_worse() -> None:
    assert choices_in(moved()).sentence == (
        "On these rows validation is shown to improve with model.scenario.num_sub_experts by 0.0094. "
        "On these rows it is better without model.embedding_dim. "
        "On these rows all choices together improve it by 0.0121."
    )


def test_where_nothing_is_shown_that_is_said() -> None:
    choices = choices_in(with_choices(small(), NOTHING))
    assert choices.shown == ()
    assert choices.sentence == (
        "No single choice is shown to have moved it. "
        "No significant difference with all choices together."
    )


def test_of_a_minimised_objective_a_lower_value_is_a_gain() -> None:
    record = with_choices(replace(small(), objective="logloss", maximize=False), GAINS)
    assert [each.name for each in choices_in(record).shown] == [EXPERTS[0]]


def test_a_choice_with_a_seed_missing_is_an_observation() -> None:
    choices = choices_in(without_seed(moved(), EXPERTS, 2))
    gain = choices.choices[0].gain
    assert gain is not None
    assert (gain.lacks, gain.mark) == ("4 of 5 seeds", "observation")
    assert choices.shown == ()


def test_a_value_that_is_no_number_is_no_value() -> None:
    record = with_choices(small(), {EXPERTS: 0.0})
    runs = [replace(run, value=math.nan) if run.left_out else run for run in record.paired_runs]
    (choice,) = choices_in(replace(record, paired_runs=tuple(runs))).choices
    assert choice.gain is None


def test_settings_that_were_not_taken_back_are_named() -> None:
    choices = choices_in(with_choices(small(), {EXPERTS: 0.01}))
    assert choices.left == ("train.learning_rate", "model.dropout", "model.embedding_dim", RATES[2])
    assert choices.whole is None


def test_trainings_of_inputs_are_no_choices_and_the_reverse() -> None:
    assert measured_choices(study_of_inputs()) is None
    both = with_choices(study_of_inputs(), GAINS)
    assert both.input_runs == study_of_inputs().input_runs
    assert choices_in(both).sentence == choices_in(moved()).sentence


def test_trainings_of_a_finalist_that_is_none_are_left_out() -> None:
    runs = (PairedRun("hinet/77", (), 1, FULL), PairedRun("hinet/77", EXPERTS, 1, FULL))
    assert measured_choices(replace(small(), paired_runs=runs)) is None
