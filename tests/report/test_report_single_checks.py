"""Single checks: where gates, groups of inputs, students and ensembles begin to warn."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from hinet_search.report.checks import Finding
from hinet_search.report.sections import NotApplicable, inputs, verdict, what_to_ship
from hinet_search.results.records import FinalistRecord, FinalistRun, GateUsage
from hinet_search.results.study_record import StudyRecord
from tests.report.distilled import with_student
from tests.report.edits import each_arm, each_finalist, each_run, each_test_cell
from tests.report.measured import with_inputs
from tests.report.planted import SHAPE, clean, hinet_runs, in_layout, within
from tests.report.studies import study
from tests.report.test_report_checks import finding_of, result_of

CLEAN = clean()


def test_a_gate_that_adds_its_experts_up_has_not_collapsed() -> None:
    gates = (GateUsage("Home/click", ("shared 1", "shared 2"), (1.0, 1.0)),)
    assert not finding_of(
        "gates", hinet_runs(lambda run: replace(run, insight=replace(run.insight, gates=gates)))
    ).warns


def test_gates_that_collapse_on_a_different_expert_per_seed_are_found() -> None:
    def turned(run: FinalistRun) -> FinalistRun:
        weights = (0.97, 0.03) if run.seed % 2 else (0.03, 0.97)
        gates = (GateUsage("Home/click", ("shared 1", "shared 2"), weights),)
        return replace(run, insight=replace(run.insight, gates=gates))

    finding = finding_of("gates", hinet_runs(turned))
    assert finding.details == (
        "HiNet: the gate of Home · click gives one expert more than 0.95 in 5 of 5 seeds.",
    )


@pytest.mark.parametrize(
    ("layout", "dead"),
    [
        (
            "per_scenario",
            [
                "no gate of Home · click gives specific 1",
                "no gate of Push gives one of shared 1, shared 2",
            ],
        ),
        ("global", ["no gate of Home · click gives specific 1"]),
        ("shared", []),
    ],
)
def test_an_expert_is_dead_if_no_gate_uses_its_module(layout: str, dead: list[str]) -> None:
    finding = finding_of("gates", in_layout(layout, home=(0.60, 0.39, 0.01), push=(0.5, 0.0, 0.5)))
    assert finding.details == tuple(
        f"HiNet: {gate} more than 0.02 in 5 of 5 seeds." for gate in dead
    )


@pytest.mark.parametrize("layout", ["per_scenario", "global", "shared"])
def test_an_expert_that_no_gate_uses_is_dead_in_every_layout(layout: str) -> None:
    finding = finding_of("gates", in_layout(layout, home=(0.5, 0.0, 0.5), push=(0.5, 0.0, 0.5)))
    assert all("gives one of shared 1, shared 2" in line for line in finding.details)
    assert finding.warns


def test_groups_that_were_only_measured_are_in_no_doubt() -> None:
    record = with_inputs(study(SHAPE), {"lists": -0.0001}, follow=False)
    assert finding_of("inputs", record) == Finding(
        warns=False, subject="Groups of inputs were only measured: no arm follows the choice."
    )


def test_a_group_that_could_not_be_measured_has_no_row_and_without_any_there_is_no_card() -> None:
    record = with_inputs(study(SHAPE), {"statistics": 0.03, "lists": 0.02})
    runs = [run for run in record.input_runs if run.left_out != ("lists",)]
    body = inputs.build(replace(record, paired_runs=tuple(runs))).body
    assert ("statistics" in body, "lists" in body) == (True, False)
    with pytest.raises(NotApplicable, match="needs trainings without a group"):
        inputs.build(replace(record, paired_runs=tuple(run for run in runs if not run.left_out)))


def test_a_group_that_was_measured_with_one_seed_is_in_doubt() -> None:
    record = with_inputs(study(SHAPE), {"statistics": 0.03, "lists": 0.02})
    runs = tuple(run for run in record.input_runs if run.seed == 0)
    finding = finding_of("inputs", replace(record, paired_runs=runs))
    assert finding.subject.startswith(
        "No gain is shown with statistics and lists over 1 seed: kept"
    )
    assert finding.details[0].endswith("(one seed, no interval).")


@pytest.mark.parametrize("name", ["copies", "selection", "distilled_calibration"])
def test_checks_of_students_and_ensembles_need_some(name: str) -> None:
    bare = replace(CLEAN, students=(), ensembles=())
    assert result_of(name, bare) is None


def test_students_and_the_ensemble_are_planned_uses_of_the_test_split() -> None:
    assert CLEAN.test_accesses == 5
    assert finding_of("test_accesses", CLEAN).subject == (
        "The test split was used once per arm, student and ensemble, 5 times in all."
    )


def test_a_later_look_is_told_with_the_level_of_its_claims() -> None:
    later = finding_of("test_accesses", replace(CLEAN, test_accesses=15, looks=3))
    assert later.details[-1] == (
        "This is look 3 at these rows, so what is claimed has the level 0.05 / 9: "
        "looks repeated until one wins have selection bias."
    )


def test_the_gain_of_a_selection_is_told_as_cross_fitted() -> None:
    assert finding_of("selection", CLEAN).subject == (
        "Teacher: the plain mean, as selecting is not shown to gain on users that it did not see. "
        "Ensemble: selecting members gains +0.0012 (+0.0004 to +0.0020) on users that it did not see."
    )


def test_without_a_user_column_nothing_is_claimed_and_the_remedy_names_it() -> None:
    def of_rows(finalist: FinalistRecord) -> FinalistRecord:
        summary = finalist.summary
        if summary is None:
            return finalist
        resampled = replace(summary.resampled, unit="rows")
        return replace(finalist, summary=replace(summary, resampled=resampled))

    arms_alone = replace(CLEAN, students=(), ensembles=())
    record = each_arm(arms_alone, lambda arm: each_finalist(arm, of_rows))
    finding = finding_of("users", record)
    assert finding.subject == "Users are not known: the data definition names no user column."
    assert "an observation, not a claim (no user column)" in verdict.build(record).heading
    assert "Name the column of users (<code>user</code>)" in str(what_to_ship.build(record).lead)


def with_areas_within(**areas: float) -> StudyRecord:
    """Arms with these AUCs within groups; without students HiNet is the model to take."""
    arms_alone = replace(CLEAN, students=(), ensembles=())
    return each_arm(arms_alone, lambda arm: within(arm, areas[arm.name]))


def test_a_model_that_is_shown_to_order_groups_worse_than_another_arm_is_named() -> None:
    finding = finding_of("within_groups", with_areas_within(hinet=0.58, ple=0.6, single=0.57))
    assert finding.subject == "This HiNet orders the rows of a group worse than PLE."
    (detail,) = finding.details
    assert detail == (
        "Against PLE: −0.0200 AUC within groups on test (interval −0.0200 to −0.0200, corrected for "
        "3 comparisons, 5 seeds an arm and 4,800 users, on these items)."
    )
    assert "rank_auc" in finding.remedy


def test_a_model_that_is_lower_within_groups_by_what_seeds_differ_is_not_accused() -> None:
    record = with_areas_within(hinet=0.58, ple=0.6, single=0.57)
    shifted = each_arm(
        record,
        lambda arm: each_run(
            arm,
            lambda run: each_test_cell(
                run, lambda cell: replace(cell, further={"rank_auc": 0.57 + 0.06 * (run.seed % 2)})
            ),
        ),
        "ple",
    )
    assert not finding_of("within_groups", shifted).warns


@pytest.mark.parametrize(("rise", "warns"), [(1.009, False), (1.011, True)])
def test_a_student_may_lose_a_hundredth_of_its_log_loss(rise: float, warns: bool) -> None:
    arm = CLEAN.arms[2]
    (student,) = with_student(replace(CLEAN, students=()), arm.name).students

    def raised(run: FinalistRun) -> FinalistRun:
        cells = (replace(cell, logloss=rise * (cell.logloss or 0.0)) for cell in run.valid_cells)
        return replace(run, valid_cells=tuple(cells))

    record = replace(CLEAN, students=(each_run(student, raised),))
    assert finding_of("distilled_calibration", record).warns == warns


@pytest.mark.parametrize(("rise", "warns"), [(0.004, False), (0.006, True)])
def test_a_student_may_gain_a_two_hundredth_of_calibration_error(rise: float, warns: bool) -> None:
    def with_ece(error: float) -> Callable[[FinalistRun], FinalistRun]:
        return lambda run: replace(
            run, valid_cells=tuple(replace(cell, ece=error) for cell in run.valid_cells)
        )

    *others, arm = CLEAN.arms
    record = replace(
        CLEAN,
        arms=(*others, each_run(arm, with_ece(0.01))),
        students=tuple(each_run(student, with_ece(0.01 + rise)) for student in CLEAN.students),
    )
    assert finding_of("distilled_calibration", record).warns == warns
