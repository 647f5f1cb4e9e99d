"""Comparison of arms: who meets whom, gains per cell, and the verdict that rules make of them."""

from dataclasses import replace

import pytest

from hinet_search.compare import (
    against_reference,
    best_on_validation,
    cell_by_seed,
    cell_gains,
    chosen,
    objective_by_seed,
    pair_of,
    title,
    trials_done,
    verdict,
)
from hinet_search.objective import mean_auc
from hinet_search.records import StudyRecord, TrialRecord
from tests.duels import NOISE, arm_named, duel, meeting, with_test_aucs
from tests.report.studies import INJECTION, Shape, empty, failed_only, study


def test_words_that_the_field_writes_in_capitals_stay_so() -> None:
    assert [title(name) for name in ("hinet", "flat_moe", "shared_bottom")] == ["HiNet", "Flat MoE", "Shared Bottom"]


@pytest.mark.parametrize("name", ["rel", "stopg", "hinet_wide", "my_star", "Shared_Bottom", INJECTION])
def test_a_name_that_is_no_known_model_stays_as_the_study_has_it(name: str) -> None:
    assert title(name) == name


def test_one_planned_trial_has_no_plural() -> None:
    record = empty()
    assert verdict(replace(record, arms=record.arms[:2], budget=replace(record.budget, trials=1))).sentence.endswith(
        "0 of 2 trials."
    )


def test_the_objective_on_test_is_that_of_the_test_cells() -> None:
    record = study(Shape(arms=("ple", "hinet"), seeds=2))
    finalist = chosen(record.arms[0])
    assert finalist is not None
    expected = {run.seed: mean_auc(run.test_cells or ()) for run in finalist.runs}
    assert objective_by_seed(record, finalist, "test") == expected


def test_a_cell_with_one_class_has_no_value() -> None:
    record = study(Shape(single_class=(("Push", "order"),)))
    finalist = chosen(record.arms[0])
    assert finalist is not None
    assert cell_by_seed(record, finalist, "test", ("Push", "order")) == {}


def test_a_cell_with_one_class_says_so_instead_of_a_gain() -> None:
    record = study(Shape(arms=("ple", "hinet"), single_class=(("Push", "order"),)))
    last = cell_gains(record, record.arms[1], record.arms[0])[-1]
    assert (last.difference, last.reason) == (None, "one class")


def test_the_best_arm_is_chosen_on_validation_not_on_test() -> None:
    record = duel([0.5] * 5, [0.9] * 5)
    best = best_on_validation(record, record.arms)
    assert best is not None
    assert best.name == "hinet"


def test_of_losses_the_lowest_is_the_best() -> None:
    record = study(Shape(objective="logloss"))
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
    variants = replace(record, arms=tuple(replace(arm, model="hinet") for arm in record.arms), reference="mmoe")
    focus, rival = pair_of(variants)
    assert focus is not None
    assert rival is not None
    assert (focus.name, rival.name) == ("mmoe", "ple"), "ple is the best on validation"
    waiting = replace(
        variants, arms=tuple(replace(arm, finalists=()) if arm.name == "mmoe" else arm for arm in variants.arms)
    )
    assert [arm.name for arm in pair_of(waiting) if arm is not None] == ["ple", "single"]


def test_a_draw_with_the_rival_does_not_hide_whom_the_focus_beats() -> None:
    record = meeting(ple=[0.72 + n for n in NOISE], star=[0.70 + n for n in NOISE], hinet=[0.72 + n for n in NOISE])
    said = "No clear winner: HiNet and PLE differ by less than the seeds do. HiNet is better than STAR."
    assert verdict(record).sentence == said


def test_duplicates_are_outside_the_count_of_trials() -> None:
    record = empty()
    trials = (
        TrialRecord(0, "complete", 0.7, {}, True, "", (), None),
        TrialRecord(1, "pruned", None, {}, False, "duplicate of 0", (), None),
        TrialRecord(2, "running", None, {}, False, "", (), None),
    )
    assert trials_done(replace(record.arms[0], trials=trials)) == 1


def test_the_smallest_cell_gain_names_its_cell() -> None:
    cells = {("Home", "click"): [0.71] * 5, ("Push", "click"): [0.69] * 5}
    record = study(Shape(arms=("single", "hinet"), scenarios=("Home", "Push"), tasks=("click",)))
    record = with_test_aucs(record, "single", {key: [0.7] * 5 for key in cells})
    record = with_test_aucs(record, "hinet", cells)
    gains = against_reference(record, arm_named(record, "hinet"))
    assert gains is not None
    assert gains.smallest is not None
    assert gains.smallest.difference is not None
    assert (gains.smallest.scenario, gains.smallest.difference.mean) == ("Push", pytest.approx(-0.01))


@pytest.mark.parametrize(("aucs", "seesaw"), [((0.71, 0.69), 1), ((0.69, 0.68), 0), ((0.71, 0.72), 0)])
def test_a_seesaw_is_a_cell_that_loses_while_another_gains(aucs: tuple[float, float], seesaw: int) -> None:
    record = study(Shape(arms=("single", "hinet"), scenarios=("Home", "Push"), tasks=("click",)))
    record = with_test_aucs(record, "single", {("Home", "click"): [0.7] * 5, ("Push", "click"): [0.7] * 5})
    record = with_test_aucs(record, "hinet", {("Home", "click"): [aucs[0]] * 5, ("Push", "click"): [aucs[1]] * 5})
    gains = against_reference(record, arm_named(record, "hinet"))
    assert gains is not None
    assert gains.seesaw == seesaw


def test_without_the_reference_arm_there_are_no_reference_gains() -> None:
    record = study(Shape(arms=("ple", "hinet")))
    assert against_reference(record, record.arms[1]) is None


def test_the_reference_has_no_gain_over_itself() -> None:
    record = study(Shape(arms=("single", "hinet")))
    assert against_reference(record, record.arms[0]) is None


@pytest.mark.parametrize(
    ("record", "status", "sentence"),
    [
        (duel([0.75 + n for n in NOISE], [0.7] * 5), "better", "HiNet wins in every cell that could be decided, 1 of 1."),
        (duel([0.7] * 5, [0.72 + n for n in NOISE]), "worse", "PLE wins. HiNet is worse by .0200."),
        (duel([0.7 + n for n in NOISE], [0.7] * 5), "unclear", "No clear winner: HiNet and PLE differ by less than the seeds do."),
        (duel([0.75, 0.751], [0.7, 0.701]), "observation", "HiNet is ahead of PLE by .0500: an observation with 2 seeds, not a claim."),
        (duel([0.65, 0.651], [0.7, 0.701]), "observation", "HiNet is behind PLE by .0500: an observation with 2 seeds, not a claim."),
        (duel([0.75], [0.7]), "observation", "HiNet is ahead of PLE by .0500: an observation with 1 seed, not a claim."),
        (duel([0.7, 0.75, 0.65], [0.7] * 3), "observation", "No clear winner between HiNet and PLE: an observation with 3 seeds, not a claim."),
        (empty(), "undecided", "Not decided yet: 0 of 84 trials."),
        (failed_only(), "undecided", "Not decided yet: no finalists."),
        (study(Shape(opened=False)), "undecided", "Not decided yet: test is not opened."),
        (study(Shape(arms=("hinet",))), "undecided", "Nothing to compare: the study has one arm."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_the_verdict_follows_its_rule(record: StudyRecord, status: str, sentence: str) -> None:
    found = verdict(record)
    assert (found.status, found.sentence) == (status, sentence)


def test_an_arm_without_finalists_is_named() -> None:
    record = study(Shape(arms=("single", "ple", "hinet")))
    arms = (replace(record.arms[0], finalists=()), *record.arms[1:])
    assert verdict(replace(record, arms=arms)).sentence == "Not decided yet: no finalists for Single."


def test_finalists_that_are_trained_but_not_chosen_are_not_called_missing() -> None:
    record = study(Shape(opened=False))
    arms = tuple(
        replace(arm, finalists=tuple(replace(one, chosen=False) for one in arm.finalists)) for arm in record.arms
    )
    assert verdict(replace(record, arms=arms)).sentence == "Not decided yet: no finalist is chosen."


def test_an_arm_with_a_third_of_the_trials_is_not_comparable() -> None:
    record = study(Shape(arms=("ple", "hinet"), trials=60))
    arms = (replace(record.arms[0], trials=record.arms[0].trials[:20]), record.arms[1])
    assert verdict(replace(record, arms=arms)).sentence == "Not comparable: PLE had 20 of 60 trials."


def test_arms_without_a_common_seed_are_not_comparable() -> None:
    record = study(Shape(arms=("ple", "hinet")))
    finalists = tuple(
        replace(one, runs=tuple(replace(run, seed=run.seed + 100) for run in one.runs))
        for one in record.arms[0].finalists
    )
    shifted = replace(record, arms=(replace(record.arms[0], finalists=finalists), record.arms[1]))
    assert verdict(shifted).sentence == "Not comparable: HiNet and PLE share no seed with a test value."


def test_a_gain_in_some_cells_and_a_loss_in_one_are_counted() -> None:
    record = study(Shape(arms=("ple", "hinet"), scenarios=("Home", "Push"), tasks=("click",)))
    record = with_test_aucs(record, "ple", {("Home", "click"): [0.7] * 5, ("Push", "click"): [0.7] * 5})
    record = with_test_aucs(
        record, "hinet", {("Home", "click"): [0.78 + n for n in NOISE], ("Push", "click"): [0.68 + n for n in NOISE]}
    )
    assert verdict(record).sentence == "HiNet wins. It is better in 1 of 2 cells and worse in 1."


def test_a_verdict_never_claims_a_cause() -> None:
    records = [study(Shape(gap=gap, seeds=seeds)) for gap in (-1.0, 0.0, 1.0) for seeds in (1, 3, 5)]
    sentences = " ".join(verdict(record).sentence for record in records)
    assert not any(word in sentences for word in ("because", "due to", "cause", "thanks", "leads to", "explain"))


def test_an_arm_that_is_ahead_of_hinet_though_not_the_strongest_on_validation_is_named() -> None:
    record = meeting(star=[0.76 + n for n in NOISE], ple=[0.70 + n for n in NOISE], hinet=[0.72 + n for n in NOISE])
    assert (
        verdict(record).sentence
        == "HiNet is better than PLE by .0200, but does not win. Ahead of HiNet on test: STAR by .0400."
    )


def test_an_arm_that_hinet_is_not_told_apart_from_leaves_no_winner() -> None:
    record = meeting(star=[0.72 + n for n in NOISE], ple=[0.70 + n for n in NOISE], hinet=[0.72 + n for n in NOISE])
    assert verdict(record).sentence == "No clear winner: HiNet is better than PLE, but not told apart from STAR."


def test_many_arms_that_hinet_is_not_told_apart_from_are_counted() -> None:
    alike = {name: [0.72 + n for n in NOISE] for name in ("star", "mmoe", "hmoe", "trees")}
    record = meeting(**alike, ple=[0.70 + n for n in NOISE], hinet=[0.72 + n for n in NOISE])
    assert verdict(record).sentence.endswith("better than PLE, but not told apart from 4 other arms.")


def test_a_rival_that_wins_is_named_with_whoever_else_is_ahead() -> None:
    record = meeting(star=[0.75 + n for n in NOISE], ple=[0.76 + n for n in NOISE], hinet=[0.72 + n for n in NOISE])
    assert verdict(record).sentence == "PLE wins. HiNet is worse by .0400. Ahead of HiNet on test: STAR by .0300."


def test_the_verdict_is_that_of_the_contrast_with_the_strongest_other_arm_on_validation() -> None:
    found = verdict(study())
    (one,) = [contrast for contrast in found.contrasts if contrast.arm == found.rival]
    assert (found.difference, found.status) == (one.difference, one.mark)


def test_with_logloss_the_arm_with_the_lower_loss_wins() -> None:
    found = verdict(study(Shape(objective="logloss")))
    assert found.difference is not None
    assert (found.status, found.difference.mean > 0) == ("better", True)
