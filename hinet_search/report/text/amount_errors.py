"""Amount errors: RMSE, MAE and calibration of every arm in the cells of amounts, as a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup

from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.html import head, join, note, row, scroll, table, tag
from hinet_search.report.facts import record as record_facts
from hinet_search.results.cells import CellName
from hinet_search.results.data_record import CellCount
from hinet_search.results.finalist_values import Split, by_seed
from hinet_search.results.records import ArmRecord, CellValue, FinalistRecord
from hinet_search.results.study_record import StudyRecord


@dataclass(frozen=True)
class AmountError:
    """A measure of expected amounts in one cell; `of` returns None if the cell has no value."""

    name: str
    of: Callable[[CellValue], float | None]


ERRORS = (
    AmountError("RMSE", lambda cell: cell.rmse),
    AmountError("MAE", lambda cell: cell.mae),
    AmountError("Expected per actual", lambda cell: cell.calibration),
)


def mean_error(
    finalist: FinalistRecord, split: Split, cell: CellName, error: AmountError
) -> float | None:
    """Return a cell's mean over seeds; None if no seed has a value."""

    def value(cells: Sequence[CellValue]) -> float | None:
        named = (each for each in cells if (each.scenario, each.task) == cell)
        return next(map(error.of, named), None)

    values = by_seed(finalist, split, value)
    return fmean(values.values()) if values else None


def errors_of_amounts(
    record: StudyRecord, entries: Sequence[tuple[ArmRecord, FinalistRecord]], split: Split
) -> Markup:
    """Return a row per cell of amounts, a column per arm; empty without amounts."""
    cells = [cell for cell in record.data.cells if cell.means is not None]
    if not cells:
        return Markup("")
    columns = record_facts.arm_titles([arm for arm, _ in entries])
    rows = [
        row(_name(cell, split), *(_errors(finalist, split, cell) for _, finalist in entries))
        for cell in cells
    ]
    matrix = table(head("Scenario · task", *columns), rows, class_="mat")
    return join(
        [
            tag("h3", "Errors of amounts"),
            scroll("Errors of amounts", matrix),
            note(_explained(record)),
        ]
    )


def _name(cell: CellCount, split: Split) -> Markup:
    assert cell.means is not None, "only cells of amounts are listed"
    mean = cell.means[2 if split == "test" else 1]
    words = record_facts.cell_in_words(cell.scenario, cell.task)
    return join([words, " ", tag("small", f"mean {numbers.metric(mean)}")])


def _errors(finalist: FinalistRecord, split: Split, cell: CellCount) -> Markup:
    key = cell.scenario, cell.task
    rmse, mae, ratio = (numbers.metric(mean_error(finalist, split, key, error)) for error in ERRORS)
    return tag("td", rmse, tag("small", f"MAE {mae}"), tag("small", f"{ratio} × actual"))


def _explained(record: StudyRecord) -> str:
    units = ", ".join(f"{task} {numbers.metric(unit)}" for task, unit in record.data.units.items())
    return (
        "RMSE of every arm, below it MAE: root mean squared and mean absolute error of expected "
        "amounts, in the unit of their column. × actual: the sum of expected amounts over that of "
        f"actual ones. Mean amount of training: {units}. AUC of amounts is the share of pairs of "
        "rows in the right order, each counted by how much its amounts differ."
    )
