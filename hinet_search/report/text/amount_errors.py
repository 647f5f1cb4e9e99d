"""Amount errors: RMSE, MAE and calibration of every arm in the cells of amounts, as a table."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from markupsafe import Markup

from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.html import (
    cells,
    columns,
    head,
    join,
    note,
    remarked,
    row,
    scroll,
    table,
    tag,
)
from hinet_search.report.facts import record as record_facts
from hinet_search.results.cells import CellName
from hinet_search.results.finalist_values import Split, by_seed, metric_in
from hinet_search.results.records import ArmRecord, FinalistRecord
from hinet_search.results.study_record import StudyRecord

# Measures of expected amounts in one cell, by their metric.
ERRORS: Mapping[str, str] = {"rmse": "RMSE", "mae": "MAE", "calibration": "Expected per actual"}


def mean_error(finalist: FinalistRecord, split: Split, cell: CellName, metric: str) -> float | None:
    """Return a cell's mean over seeds; None if no seed has a value."""
    values = by_seed(finalist, split, metric_in(cell, metric))
    return fmean(values.values()) if values else None


def errors_of_amounts(
    record: StudyRecord, entries: Sequence[tuple[ArmRecord, FinalistRecord]], split: Split
) -> Markup:
    """Return a row per cell of amounts, a column per arm; empty without amounts."""
    rows = []
    for cell in record.data.cells:
        if cell.means is not None:
            mean = cell.means[2 if split == "test" else 1]
            words = record_facts.cell_in_words(cell.name)
            errors = cells(_errors(finalist, split, cell.name) for _, finalist in entries)
            rows.append(row(remarked(words, f"mean {numbers.metric(mean)}"), errors))
    if not rows:
        return Markup("")
    titles = record_facts.arm_titles(arm for arm, _ in entries)
    matrix = table(head("Scenario · task", columns(titles)), rows, class_="mat")
    units = ", ".join(f"{task} {numbers.metric(unit)}" for task, unit in record.data.units.items())
    explained = note(
        "RMSE of every arm, below it MAE: root mean squared and mean absolute error of expected "
        "amounts, in the unit of their column. × actual: the sum of expected amounts over that of "
        f"actual ones. Mean amount of training: {units}. AUC of amounts is the share of pairs of "
        "rows in the right order, each counted by how much its amounts differ."
    )
    return join([tag("h3", "Errors of amounts"), scroll("Errors of amounts", matrix), explained])


def _errors(finalist: FinalistRecord, split: Split, cell: CellName) -> Markup:
    rmse, mae, ratio = (
        numbers.metric(mean_error(finalist, split, cell, metric)) for metric in ERRORS
    )
    return tag("td", rmse, tag("small", f"MAE {mae}"), tag("small", f"{ratio} × actual"))
