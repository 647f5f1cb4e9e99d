"""Comparison of arms: which pairs are compared, and gains per cell."""

from dataclasses import replace

import pytest

from hinet_search.results.cell_gains import against_reference, cell_gains
from hinet_search.results.finalist_values import best_on_validation, pair_of
from hinet_search.results.verdict import title
from tests.duels import arm_named, duel, with_test_aucs
from tests.report.arms import Shape
from tests.report.studies import INJECTION, study


def test_words_that_the_field_writes_in_capitals_keep_them() -> None:
    assert [title(name) for name in ("hinet", "flat_moe", "shared_bottom")] == [
        "HiNet",
        "Flat MoE",
        "Shared Bottom",
    ]


@pytest.mark.parametrize("name", ["distilled_mmoe", "taught_mmoe"])  # since 1.0, and before
def test_a_student_is_written_as_distilled(name: str) -> None:
    assert title(name) == "Distilled MMoE"


@pytest.mark.parametrize(
    "name", ["rel", "stopg", "hinet_wide", "my_star", "Shared_Bottom", INJECTION]
)
def test_a_name_that_is_no_known_model_stays_as_the_study_has_it(name: str) -> None:
    assert title(name) == name


def test_a_cell_with_one_class_says_so_instead_of_a_gain() -> None:
    record = study(Shape(arms=("ple", "hinet"), single_class=(("Push", "order"),)))
    last = cell_gains(record, record.arms[1], record.arms[0])[-1]
    assert (last.difference, last.reason) == (None, "one class")


def test_the_best_arm_is_chosen_on_validation_not_on_test() -> None:
    record = duel([0.5] * 5, [0.9] * 5)
    best = best_on_validation(record, record.arms)
    assert best is not None
    assert best.name == "hinet"


def test_hinet_is_the_focus_even_when_another_arm_is_ahead_on_validation() -> None:
    focus, rival = pair_of(study(Shape(arms=("ple", "hinet"), gap=-1.0)))
    assert focus is not None
    assert rival is not None
    assert (focus.name, rival.name) == ("hinet", "ple")


def test_without_a_hinet_the_two_best_arms_meet() -> None:
    focus, rival = pair_of(study(Shape(arms=("single", "ple", "mmoe"))))
    assert focus is not None
    assert rival is not None
    assert (focus.name, rival.name) == ("ple", "mmoe")


def test_variants_of_one_model_are_compared_with_the_reference() -> None:
    record = study(Shape(arms=("single", "ple", "mmoe")))
    variants = replace(
        record, arms=tuple(replace(arm, model="hinet") for arm in record.arms), reference="mmoe"
    )
    focus, rival = pair_of(variants)
    assert focus is not None
    assert rival is not None
    assert (focus.name, rival.name) == ("mmoe", "ple"), "ple is the best on validation"
    waiting = replace(
        variants,
        arms=tuple(
            replace(arm, finalists=()) if arm.name == "mmoe" else arm for arm in variants.arms
        ),
    )
    assert [arm.name for arm in pair_of(waiting) if arm is not None] == ["ple", "single"]


def test_the_smallest_cell_gain_names_its_cell() -> None:
    cells = {("Home", "click"): [0.71] * 5, ("Push", "click"): [0.69] * 5}
    record = study(Shape(arms=("single", "hinet"), scenarios=("Home", "Push"), tasks=("click",)))
    record = with_test_aucs(record, "single", {key: [0.7] * 5 for key in cells})
    record = with_test_aucs(record, "hinet", cells)
    gains = against_reference(record, arm_named(record, "hinet"))
    assert gains is not None
    assert gains.smallest is not None
    assert gains.smallest.difference is not None
    assert (gains.smallest.scenario, gains.smallest.difference.mean) == (
        "Push",
        pytest.approx(-0.01),
    )


def test_the_reference_has_no_gain_over_itself() -> None:
    record = study(Shape(arms=("single", "hinet")))
    assert against_reference(record, record.arms[0]) is None
