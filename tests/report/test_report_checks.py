"""Checks of the trust card: each warns of its own fault only; all pass on a clean study."""

import re
from dataclasses import replace

import pytest

from hinet_search.common import plugins
from hinet_search.report.checks import CHECKS, MOST_DETAILS, Finding, warning
from hinet_search.report.page import render
from hinet_search.report.sections import trust
from hinet_search.results.records import FinalistRun, TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title
from tests.duels import with_seeds_opened, with_test_aucs
from tests.report.arms import Shape
from tests.report.edits import each_arm, each_run
from tests.report.planted import PLANTED, SCENARIOS, clean, hinet_cells, with_failed, with_seeds
from tests.report.studies import empty, study

CLEAN = clean()
ONLY_TOLD = {"cost_limit"}  # never warns
ALSO = {"long_tail": {"seesaw"}, "leaks": set()}  # a cell that loses in the tail is a seesaw too


# What the warning of a planted fault says: its subject and details.
WORDS = {
    "data": "The data have 1 note. | order > click in 14 rows.",
    "leaks": "An input may leak the label. | watch_time alone reaches an AUC of 0.9870 for click in training.",
    "inputs": "No gain is shown with matches over 3 seeds: kept, but perhaps worth nothing. | matches: +0.0008 (−0.0008 to +0.0024).",
    "few_positives": "1 cell has fewer than 100 positive rows in test. | Push · click: 40.",
    "long_tail": "Long tail (Push 1.6 % of the training rows): this HiNet is worse than Single there. | Push · click −0.0696.",
    "budgets": "Fewer trials than the budget of 8 trials: Single 7. | The space of an arm had no new configuration left.",
    "failed_trials": "More than a tenth of the trials of PLE failed. | PLE: 2 of 8.",
    "seeds": "Only 3 seeds per finalist. | Fewer than 5 give an observation, not a claim.",
    "users": "Users are not counted for PLE. | A verdict from seeds alone is wrong too often: it is an observation, not a claim.",
    "within_groups": "This Distilled HiNet orders the rows of a group no better than chance: AUC 0.4400. | A list of one group's rows would be in no useful order, whatever the other metrics.",
    "row_order": "All seeds of a finalist saw the rows in the same order. | Their spread does not include the variation from the order of rows, so every difference is an observation, not a claim.",
    "slow_convergence": "Slow convergence: HiNet was still improving at the end. | HiNet gained +0.0080 in the last quarter of its epochs.",
    "gates": "Gates have collapsed or experts are dead. | HiNet: no gate gives one of shared 1, shared 2 more than 0.02 in 5 of 5 seeds. | HiNet: the gate of Home · click gives one expert more than 0.95 in 5 of 5 seeds.",
    "attention": "Attention of HiNet differs between seeds, a weight by up to ±0.55.",
    "seesaw": "Seesaw: this HiNet is worse than Single in 1 cell while others gain. | Search · click −0.0601.",
    "calibration": "HiNet (best seed) is not calibrated in 1 of the 3 cells with at least 100 positives. | Push · click: 1.500 predicted for each positive row.",
    "test_accesses": "The test split was used 9 times. | 5 of them by the finalists and the ensemble shown here, the others by earlier launches, or studies of the same rows and tasks.",
    "copies": "Members of an ensemble are copies of one another. | Ensemble: PLE trial 0 seed 1 and PLE trial 0 seed 2.",
    "selection": "The gain of selecting members vanishes on users that the selection did not see. | Ensemble: +0.0020 on the rows that chose it, +0.0001 (−0.0003 to +0.0005) on others.",
    "distilled_calibration": "On these validation rows the probabilities of a student are worse than its arm's. | Distilled HiNet: log loss 0.4774 on validation, 0.4350 without distillation.",
}


def result_of(name: str, record: StudyRecord) -> Finding | None:
    return plugins.load(CHECKS, name).check(record)  # type: ignore[no-any-return]  # the contract of a check


def finding_of(name: str, record: StudyRecord) -> Finding:
    """Return the finding of a check that applies to the study."""
    finding = result_of(name, record)
    assert finding is not None
    return finding


def warnings_of(record: StudyRecord) -> set[str]:
    return {
        name
        for name in plugins.names(CHECKS)
        if (finding := result_of(name, record)) is not None and finding.warns
    }


@pytest.mark.parametrize("name", plugins.names(CHECKS))
def test_a_check_passes_on_a_clean_study_and_says_so(name: str) -> None:
    finding = finding_of(name, CLEAN)
    assert (finding.warns, finding.details, finding.remedy) == (False, (), "")
    assert finding.subject.endswith(".")


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_by_its_own_check_alone_and_has_a_remedy(name: str) -> None:
    assert warnings_of(PLANTED[name]) == {name} | ALSO.get(name, set())
    finding = finding_of(name, PLANTED[name])
    sentences = (finding.subject, *finding.details, finding.remedy)
    assert all(sentence.endswith(".") for sentence in sentences)
    assert name not in WORDS or " | ".join(sentences[:-1]) == WORDS[name]


def test_every_check_that_can_warn_has_a_planted_fault() -> None:
    assert set(PLANTED) == set(plugins.names(CHECKS)) - ONLY_TOLD


def test_a_space_that_was_searched_whole_has_had_its_budget() -> None:
    record = PLANTED["budgets"]
    single = replace(record.arms[0], configurations=7)
    finding = finding_of("budgets", replace(record, arms=(single, *record.arms[1:])))
    assert finding == Finding(
        warns=False,
        subject="8 trials for each of 2 arms; Single was searched exhaustively, 7 configurations.",
    )


def test_seeds_that_were_not_opened_on_test_do_not_count() -> None:
    finding = finding_of("seeds", with_seeds_opened(CLEAN, "ple", 2))
    assert finding.subject == "Only 2 seeds of PLE."
    assert finding.remedy == "See why these trainings are missing, then launch the study again."


@pytest.mark.parametrize("arm", ["single", "ple", "hinet"])
@pytest.mark.parametrize("objective", ["mean_auc", "logloss", "gauc"])
def test_an_auc_that_is_too_good_is_a_suspect_in_any_arm_whatever_the_objective(
    arm: str, objective: str
) -> None:
    too_good = {
        (scenario, "click"): [0.995 if scenario == "Push" else 0.75] * 5 for scenario in SCENARIOS
    }
    record = replace(
        with_test_aucs(CLEAN, arm, too_good), objective=objective, maximize=objective != "logloss"
    )
    assert finding_of("leaks", record).details == (f"{title(arm)} reaches 0.9950 in Push · click.",)


def test_the_check_of_leaks_says_where_it_looked() -> None:
    assert finding_of("leaks", CLEAN).subject == (
        "No input alone predicts a label, and no cell of 3 chosen finalists reaches an AUC of 0.99 on test."
    )
    closed = study(Shape(arms=("single", "hinet"), opened=False))
    finding = finding_of("leaks", closed).subject
    assert finding.startswith("No cell of 2 chosen finalists reaches an AUC of 0.99 on validation.")
    assert finding_of("leaks", empty()).subject.startswith("No finalist has been scored yet.")


def test_a_study_that_never_looked_for_leaks_does_not_say_that_there_are_none() -> None:
    record = replace(CLEAN, data=replace(CLEAN.data, leaks=None))
    assert finding_of("leaks", record).subject.endswith("Single inputs were not checked.")


def test_cells_that_lie_below_by_less_than_is_decided_are_no_seesaw() -> None:
    record = study(Shape(arms=("single", "hinet"), gap=0.0))
    assert "are below, but not significantly" in finding_of("seesaw", record).subject


def test_an_arm_that_loses_everywhere_is_no_seesaw() -> None:
    record = study(Shape(arms=("single", "hinet"), gap=-3.0))
    assert finding_of("seesaw", record) == Finding(
        warns=False, subject="No seesaw: no cell of this HiNet gains over Single."
    )


@pytest.mark.parametrize(
    ("name", "where"), [("seesaw", "in 1 cell while others gain"), ("long_tail", "there")]
)
def test_what_few_seeds_show_of_cells_that_lose_is_an_observation(name: str, where: str) -> None:
    words = f"this HiNet is below Single by more than the interval {where} (an observation, not a claim: 3 of 5 seeds)."
    assert finding_of(name, with_seeds(PLANTED[name], 3)).subject.endswith(words)


def test_with_one_seed_no_cell_is_found_worse_and_that_is_no_claim() -> None:
    finding = finding_of("seesaw", with_seeds(PLANTED["seesaw"], 1))
    assert not finding.warns
    assert finding.subject.endswith(
        "one is below, but not significantly (an observation, not a claim: 1 of 5 seeds)."
    )


def test_a_cell_of_the_long_tail_that_lies_below_by_less_than_is_decided_is_no_loss() -> None:
    record = PLANTED["long_tail"]
    below = [0.770, 0.765, 0.769, 0.766, 0.768]  # by 0.002 in the mean
    aucs = {
        ("Home", "click"): [0.76] * 5,
        ("Search", "click"): [0.77] * 5,
        ("Push", "click"): below,
    }
    finding = finding_of("long_tail", with_test_aucs(record, "hinet", aucs))
    assert finding == Finding(
        warns=False,
        subject="Long tail (Push 1.6 % of the training rows): no cell of this HiNet there is worse than Single; "
        "one is below, but not significantly.",
    )


def test_failed_trials_within_a_tenth_of_every_arm_are_counted() -> None:
    record = study(Shape(arms=("single", "hinet"), trials=20))
    complete = each_arm(
        record,
        lambda arm: replace(
            arm, trials=tuple(replace(each, state="complete") for each in arm.trials)
        ),
    )
    finding = finding_of("failed_trials", with_failed(complete, "hinet", 2))
    assert finding == Finding(
        warns=False, subject="2 of 40 trials failed, no more than a tenth in any arm."
    )


def test_a_cell_of_few_positives_is_not_among_those_that_are_calibrated() -> None:
    assert finding_of("calibration", CLEAN).subject == (
        "HiNet (best seed) is calibrated in the 3 cells with at least 100 positives: predictions add up to the positives within 20 %."
    )
    few = hinet_cells(Push={"positives": 90, "calibration": 5.0})
    assert finding_of("calibration", few).subject.startswith(
        "HiNet (best seed) is calibrated in the 2 cells with at least 100 positives:"
    )


@pytest.mark.parametrize("chance", [None, 0.02])
def test_a_cell_is_off_only_beyond_chance_among_users_in_all_cells_together(
    chance: float | None,
) -> None:
    of_push = hinet_cells(Push={"calibration": 1.5, "chance": chance})
    assert finding_of("calibration", of_push).subject == (
        "HiNet (best seed): predictions add up to the positives within 20 % in 2 of the 3 cells with at least 100 positives; chance among users may explain the others."
    )


def test_a_run_that_was_best_before_its_end_is_not_slow() -> None:
    def falling(run: FinalistRun) -> FinalistRun:
        return replace(run, evaluations=(*run.evaluations, run.evaluations[0]))

    record = each_arm(PLANTED["slow_convergence"], lambda arm: each_run(arm, falling))
    assert not finding_of("slow_convergence", record).warns


def test_a_loss_that_rises_at_the_end_is_not_slow() -> None:
    record = PLANTED["slow_convergence"]
    assert not finding_of(
        "slow_convergence", replace(record, maximize=False, objective="logloss")
    ).warns


def short(**changes: object) -> Finding:
    """Return the finding on a study whose first arm had seven of its eight trials."""
    record = PLANTED["budgets"]
    return finding_of("budgets", replace(record, **changes))  # type: ignore[arg-type]  # types are the caller's


def test_before_the_end_unequal_numbers_of_trials_are_a_warning() -> None:
    assert (
        short(state="running").subject
        == "Arms had unequal numbers of trials: Single 7, PLE 8, HiNet 8."
    )


@pytest.mark.parametrize("limit", ["wall_clock_seconds", "seconds"])
def test_where_time_was_limited_it_may_have_been_up(limit: str) -> None:
    limited = replace(CLEAN.budget, **{limit: 5400.0})
    finding = short(budget=limited).details
    assert finding == (
        "The time limit of 1 h 30 m was reached, or the space of an arm had no new configuration left.",
    )


def test_an_arm_that_ended_early_after_failures_is_reported_with_their_cause() -> None:
    first, *others = PLANTED["budgets"].arms
    trials = (*first.trials[:-1], replace(first.trials[-1], state="failed", cause="out of memory"))
    finding = short(arms=(replace(first, trials=trials), *others)).details
    assert finding == ("The last trials of Single failed: out of memory.",)


def test_arms_that_all_ended_below_their_budget_are_named_too() -> None:
    finding = finding_of("budgets", replace(CLEAN, budget=replace(CLEAN.budget, trials=9))).subject
    assert finding == "Fewer trials than the budget of 9 trials: Single 8, PLE 8, HiNet 8."


def test_draws_above_the_limit_of_cost_are_counted_by_arm() -> None:
    cause = "too large: 9,000 FLOPs a row, 2 times the default HiNet's are 8,000"
    refused = TrialRecord(99, "pruned", None, {}, False, cause, (), None)
    first, second, *others = CLEAN.arms
    arms = (first, replace(second, trials=(*second.trials, refused, refused)), *others)
    assert finding_of("cost_limit", replace(CLEAN, arms=arms)).subject == (
        "Cost limit: 2 times the FLOPs per row of the default HiNet; draws not trained: PLE 2 "
        f"(the first was {cause})."
    )


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (2.0, "Cost limit: 2 times the FLOPs per row of the default HiNet; no draw was above it."),
        (None, "No cost limit: a configuration may use any number of FLOPs per row."),
    ],
)
def test_the_limit_of_cost_is_reported(limit: float | None, words: str) -> None:
    record = replace(CLEAN, budget=replace(CLEAN.budget, cost_limit=limit))
    assert finding_of("cost_limit", record).subject == words


def test_arms_that_the_limit_of_cost_does_not_bind_are_named() -> None:
    first, second, *others = CLEAN.arms
    free = tuple(
        replace(trial, cost=replace(trial.cost, flops_per_row=0))
        for trial in second.trials
        if trial.cost
    )
    arms = (replace(first, size_of="hinet"), replace(second, trials=free), *others)
    assert finding_of("cost_limit", replace(CLEAN, arms=arms)).subject == (
        "Cost limit: 2 times the FLOPs per row of the default HiNet (Single may use what the size of HiNet needs; "
        "not counted for PLE); no draw was above it."
    )


def test_the_cell_with_fewest_positives_is_named_where_all_have_enough() -> None:
    finding = finding_of("few_positives", CLEAN).subject
    assert finding == "Every cell has 525 positive rows or more in test (fewest: Push · click)."


def test_several_tested_finalists_of_an_arm_are_reported() -> None:
    *others, hinet = CLEAN.arms
    finalists = tuple(
        replace(finalist, runs=hinet.finalists[1].runs) for finalist in hinet.finalists
    )
    finding = finding_of(
        "test_accesses", replace(CLEAN, arms=(*others, replace(hinet, finalists=finalists)))
    )
    assert finding.details == (
        "More than one finalist of HiNet; only the one chosen on validation is compared.",
    )


def test_many_details_are_cut_and_counted() -> None:
    finding = warning("Many.", [f"{k}." for k in range(9)], remedy="Fewer.")
    assert finding.details[MOST_DETAILS:] == ("And 4 more.",)


def test_every_finding_has_an_anchor_of_its_check_and_warnings_come_first() -> None:
    body = trust.build(PLANTED["seesaw"]).body
    anchors = re.findall(r'<li(?: class="(warn)")? id="trust-([a-z-]+)">', body)
    assert sorted(anchor.replace("-", "_") for _, anchor in anchors) == sorted(
        plugins.names(CHECKS)
    )
    assert anchors[0] == ("warn", "seesaw")
    assert [warns for warns, _ in anchors].count("warn") == 1


def test_the_heading_counts_the_warnings() -> None:
    assert trust.build(CLEAN).heading == "Every check passed"
    assert trust.build(PLANTED["long_tail"]).heading == "Two things to know before you trust this"


def test_a_study_without_trials_has_the_checks_of_its_data() -> None:
    applicable = {name for name in plugins.names(CHECKS) if result_of(name, empty())}
    assert {"data", "few_positives"} <= applicable
    assert "trust-data" in render(empty())
