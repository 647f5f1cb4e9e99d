"""Changes of synthetic studies: of every arm, finalist, run or cell at once."""

from collections.abc import Callable
from dataclasses import replace

from hinet_search.results.records import ArmRecord, CellValue, FinalistRecord, FinalistRun
from hinet_search.results.study_record import StudyRecord


def each_arm(
    record: StudyRecord, change: Callable[[ArmRecord], ArmRecord], *names: str
) -> StudyRecord:
    """The record with the arms of these names changed, or all."""
    arms = (change(arm) if not names or arm.name in names else arm for arm in record.arms)
    return replace(record, arms=tuple(arms))


def each_finalist(arm: ArmRecord, change: Callable[[FinalistRecord], FinalistRecord]) -> ArmRecord:
    """The arm with every finalist changed."""
    return replace(arm, finalists=tuple(map(change, arm.finalists)))


def each_run(arm: ArmRecord, change: Callable[[FinalistRun], FinalistRun]) -> ArmRecord:
    """The arm with every run of its finalists changed."""
    return each_finalist(
        arm, lambda finalist: replace(finalist, runs=tuple(map(change, finalist.runs)))
    )


def each_cell(run: FinalistRun, change: Callable[[CellValue], CellValue]) -> FinalistRun:
    """The run with every cell of validation and of test changed."""
    test_cells = run.test_cells and tuple(map(change, run.test_cells))
    return replace(run, valid_cells=tuple(map(change, run.valid_cells)), test_cells=test_cells)


def each_test_cell(run: FinalistRun, change: Callable[[CellValue], CellValue]) -> FinalistRun:
    """The run with every cell of test changed."""
    return replace(run, test_cells=run.test_cells and tuple(map(change, run.test_cells)))


def each_summary(arm: ArmRecord, **changes: object) -> ArmRecord:
    """The arm with fields of the summaries of its finalists replaced."""

    def changed(finalist: FinalistRecord) -> FinalistRecord:
        summary = finalist.summary and replace(finalist.summary, **changes)  # type: ignore[arg-type]  # types are the caller's
        return replace(finalist, summary=summary)

    return each_finalist(arm, changed)
