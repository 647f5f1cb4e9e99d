"""A made-up study whose task watch has amounts."""

from dataclasses import replace

from hinet_search.results.data_record import CellCount
from hinet_search.results.records import CellValue, FinalistRecord, FinalistRun
from hinet_search.results.study_record import StudyRecord
from tests.report.arms import Shape

SHAPE = Shape(arms=("single", "ple", "hinet"), scenarios=("Home", "Push"), tasks=("click", "watch"))
UNIT = 34.5
MEANS = (34.5, 33.25, 36.75)  # of train, valid and test
CALIBRATION = 1.5


def value_of(cell: CellValue) -> CellValue:
    """The cell with errors of amounts if it is one of watch time."""
    if cell.task != "watch":
        return replace(cell, calibration=1.0)
    return replace(cell, rmse=61.25, mae=28.75, calibration=CALIBRATION)


def values_of(cells: tuple[CellValue, ...] | None) -> tuple[CellValue, ...] | None:
    return cells and tuple(map(value_of, cells))


def run_of(run: FinalistRun) -> FinalistRun:
    valid = values_of(run.valid_cells)
    assert valid is not None, "every run has cells of validation"
    return replace(run, valid_cells=valid, test_cells=values_of(run.test_cells))


def count_of(cell: CellCount) -> CellCount:
    return replace(cell, means=MEANS) if cell.task == "watch" else cell


def finalist_of(finalist: FinalistRecord) -> FinalistRecord:
    return replace(finalist, runs=tuple(map(run_of, finalist.runs)))


def with_amounts(record: StudyRecord) -> StudyRecord:
    """The record with amounts as the labels of its task watch."""
    arms = tuple(
        replace(arm, finalists=tuple(map(finalist_of, arm.finalists))) for arm in record.arms
    )
    cells = tuple(map(count_of, record.data.cells))
    return replace(record, arms=arms, data=replace(record.data, cells=cells, units={"watch": UNIT}))
