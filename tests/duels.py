"""Studies with chosen test values, for tests of comparisons of two or more arms in cells of known AUCs."""

from dataclasses import replace

from hinet_search.results.records import (
    ArmRecord,
    CellValue,
    FinalistRecord,
    FinalistRun,
    FinalistSummary,
    Resampled,
)
from hinet_search.results.study_record import StudyRecord
from tests.report.arms import Shape
from tests.report.studies import study

NOISE = [0.0, 0.001, -0.001, 0.0005, -0.0005]  # over seeds: mean 0


def arm_named(record: StudyRecord, name: str) -> ArmRecord:
    return next(arm for arm in record.arms if arm.name == name)


def with_arm(record: StudyRecord, changed: ArmRecord) -> StudyRecord:
    """The record with this arm in place of the one of its name."""
    arms = tuple(changed if arm.name == changed.name else arm for arm in record.arms)
    return replace(record, arms=arms)


def with_chosen(record: StudyRecord, arm: str, **changes: object) -> StudyRecord:
    """The record with fields of the chosen finalist of an arm replaced."""

    def changed(finalist: FinalistRecord) -> FinalistRecord:
        return replace(finalist, **changes) if finalist.chosen else finalist  # type: ignore[arg-type]  # types are the caller's

    arms = (
        replace(each, finalists=tuple(changed(finalist) for finalist in each.finalists))
        if each.name == arm
        else each
        for each in record.arms
    )
    return replace(record, arms=tuple(arms))


def chosen_of(record: StudyRecord, arm: str) -> FinalistRecord:
    return next(finalist for finalist in arm_named(record, arm).finalists if finalist.chosen)


def with_test_aucs(
    record: StudyRecord, arm: str, aucs: dict[tuple[str, str], list[float]]
) -> StudyRecord:
    """The record with the chosen finalist's AUCs on test replaced, one list over seeds per cell."""

    def cell(value: CellValue, seed: int) -> CellValue:
        return replace(value, auc=aucs[value.scenario, value.task][seed])

    runs = tuple(
        replace(run, test_cells=tuple(cell(c, run.seed) for c in run.test_cells or ()))
        for run in chosen_of(record, arm).runs
    )
    return with_chosen(record, arm, runs=runs)


def with_resampled(
    record: StudyRecord,
    arm: str,
    headline: tuple[float, ...],
    cells: tuple[tuple[float, ...], ...],
    num_users: int = 1000,
) -> StudyRecord:
    """The record with resamplings kept for the chosen finalist."""
    drawn = Resampled("users", num_users, headline, cells)
    return with_chosen(record, arm, summary=FinalistSummary((0, 1, 2, 3, 4), (), (), drawn))


def without_users(record: StudyRecord, *names: str) -> StudyRecord:
    """The record without resamplings of the named arms, or of all."""
    for name in names or tuple(arm.name for arm in record.arms):
        record = with_chosen(record, name, summary=None)
    return record


def with_seeds_opened(record: StudyRecord, arm: str, count: int) -> StudyRecord:
    """The record with only the first seeds of an arm scored on test."""
    runs = chosen_of(record, arm).runs
    opened = (
        replace(run, test_cells=run.test_cells if place < count else None)
        for place, run in enumerate(runs)
    )
    return with_chosen(record, arm, runs=tuple(opened))


def meeting(**values: list[float]) -> StudyRecord:
    """Arms (name -> AUC on test by seed) in one cell; on validation HiNet is ahead, PLE comes next."""
    record = study(
        Shape(
            arms=tuple(values),
            scenarios=("Home",),
            tasks=("click",),
            seeds=len(next(iter(values.values()))),
        )
    )
    for name, aucs in values.items():
        record = with_test_aucs(record, name, {("Home", "click"): aucs})
    return record


def duel(ours: list[float], theirs: list[float]) -> StudyRecord:
    """HiNet against PLE."""
    return meeting(ple=theirs, hinet=ours)


def in_seconds(record: StudyRecord, seconds: float) -> StudyRecord:
    """The record with errors of so many seconds for every AUC that is missing, as its objective."""

    def of_run(run: FinalistRun) -> FinalistRun:
        cells = run.test_cells and tuple(
            replace(cell, rmse=None if cell.auc is None else seconds * (1 - cell.auc))
            for cell in run.test_cells
        )
        valid = seconds * (1 - run.valid_objective)
        return replace(run, valid_objective=valid, test_cells=cells)

    def of_finalist(finalist: FinalistRecord) -> FinalistRecord:
        summary = finalist.summary
        if summary is not None:
            headline = tuple(seconds * (1 - each) for each in summary.resampled.headline)
            summary = replace(summary, resampled=replace(summary.resampled, headline=headline))
        return replace(finalist, runs=tuple(map(of_run, finalist.runs)), summary=summary)

    def of_arm(arm: ArmRecord) -> ArmRecord:
        return replace(arm, finalists=tuple(map(of_finalist, arm.finalists)))

    arms, students = (tuple(map(of_arm, arms)) for arms in (record.arms, record.students))
    objective = "rmse[Home/click]"
    return replace(record, arms=arms, students=students, objective=objective, maximize=False)
