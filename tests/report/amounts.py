"""A synthetic study whose task watch has amounts."""

from dataclasses import replace

from hinet_search.results.records import CellValue
from hinet_search.results.study_record import StudyRecord
from tests.report.arms import Shape
from tests.report.edits import each_arm, each_cell, each_run

SHAPE = Shape(arms=("single", "ple", "hinet"), scenarios=("Home", "Push"), tasks=("click", "watch"))
UNIT = 34.5
MEANS = (34.5, 33.25, 36.75)  # of train, valid and test
CALIBRATION = 1.5


def value_of(cell: CellValue) -> CellValue:
    """The cell with errors of amounts if it is one of watch time."""
    if cell.task != "watch":
        return replace(cell, calibration=1.0)
    return replace(cell, rmse=61.25, mae=28.75, calibration=CALIBRATION, chance=0.001)


def with_amounts(record: StudyRecord) -> StudyRecord:
    """The record with amounts as the labels of its task watch."""
    record = each_arm(record, lambda arm: each_run(arm, lambda run: each_cell(run, value_of)))
    cells = tuple(
        replace(cell, means=MEANS) if cell.task == "watch" else cell for cell in record.data.cells
    )
    return replace(record, data=replace(record.data, cells=cells, units={"watch": UNIT}))
