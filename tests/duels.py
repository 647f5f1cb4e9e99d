"""Studies with chosen test values, for the tests of comparisons: two or more arms meet in cells of known AUCs."""

from dataclasses import replace

from hinet_search.records import ArmRecord, CellValue, FinalistRecord, FinalistSummary, Resampled, StudyRecord
from tests.report.studies import Shape, study

NOISE = [0.0, 0.001, -0.001, 0.0005, -0.0005]  # over seeds: mean 0


def arm_named(record: StudyRecord, name: str) -> ArmRecord:
    return next(arm for arm in record.arms if arm.name == name)


def with_chosen(record: StudyRecord, arm: str, **changes: object) -> StudyRecord:
    """The record with fields of the chosen finalist of an arm replaced."""

    def changed(found: FinalistRecord) -> FinalistRecord:
        return replace(found, **changes) if found.chosen else found  # type: ignore[arg-type]  # types are the caller's

    arms = (
        replace(one, finalists=tuple(changed(found) for found in one.finalists)) if one.name == arm else one
        for one in record.arms
    )
    return replace(record, arms=tuple(arms))


def chosen_of(record: StudyRecord, arm: str) -> FinalistRecord:
    return next(found for found in arm_named(record, arm).finalists if found.chosen)


def with_test_aucs(record: StudyRecord, arm: str, aucs: dict[tuple[str, str], list[float]]) -> StudyRecord:
    """The record with the chosen finalist's AUCs on test replaced, one list over seeds per cell."""

    def cell(found: CellValue, seed: int) -> CellValue:
        return replace(found, auc=aucs[found.scenario, found.task][seed])

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


def meeting(**values: list[float]) -> StudyRecord:
    """Arms (name -> AUC on test by seed) in one cell; on validation HiNet is ahead, PLE comes next."""
    record = study(
        Shape(arms=tuple(values), scenarios=("Home",), tasks=("click",), seeds=len(next(iter(values.values()))))
    )
    for name, aucs in values.items():
        record = with_test_aucs(record, name, {("Home", "click"): aucs})
    return record


def duel(ours: list[float], theirs: list[float]) -> StudyRecord:
    """HiNet against PLE."""
    return meeting(ple=theirs, hinet=ours)
