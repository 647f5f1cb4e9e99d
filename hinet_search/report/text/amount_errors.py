"""Amount errors: RMSE, MAE and calibration of every arm in the cells of amounts, as a table."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from hinet_search.report.drawing import html, numbers
from hinet_search.report.facts import record as record_facts
from hinet_search.results.cells import CellName
from hinet_search.results.finalist_values import Split, by_seed, mean_of, metric_in
from hinet_search.results.records import ArmRecord, FinalistRecord
from hinet_search.results.study_record import StudyRecord

# Measures of expected amounts in one cell, by their metric.
ERRORS: Mapping[str, str] = {"rmse": "RMSE", "mae": "MAE", "calibration": "Expected per actual"}


def mean_error(finalist: FinalistRecord, split: Split, cell: CellName, metric: str) -> float | None:
    """Return a cell's mean over seeds; None if no seed has a value."""
    return mean_of(by_seed(finalist, split, metric_in(cell, metric)).values())


def errors_of_amounts(
    record: StudyRecord, entries: Sequence[tuple[ArmRecord, FinalistRecord]], split: Split
) -> Markup:
    """Return a row per cell of amounts, a column per arm; empty without amounts."""
    rows = []
    for cell in record.data.cells:
        if cell.means is not None:
            mean = cell.means[2 if split == "test" else 1]
            words = record_facts.cell_in_words(cell.name)
            errors = html.cells(_errors(finalist, split, cell.name) for _, finalist in entries)
            rows.append(html.row(html.remarked(words, f"mean {numbers.metric(mean)}"), errors))
    if not rows:
        return Markup("")
    titles = record_facts.arm_titles(arm for arm, _ in entries)
    matrix = html.table(html.head("Scenario · task", html.columns(titles)), rows, class_="mat")
    units = ", ".join(f"{task} {numbers.metric(unit)}" for task, unit in record.data.units.items())
    explained = html.note(
        "RMSE of every arm, below it MAE: root mean squared and mean absolute error of expected "
        "amounts, in the unit of their column. × actual: the sum of expected amounts over that of "
        f"actual ones. Mean amount of training: {units}. AUC of amounts is the share of pairs of "
        "rows in the right order, each counted by how much its amounts differ."
    )
    return html.join(
        [html.tag("h3", "Errors of amounts"), html.scroll("Errors of amounts", matrix), explained]
    )


def _errors(finalist: FinalistRecord, split: Split, cell: CellName) -> Markup:
    rmse, mae, ratio = (
        numbers.metric(mean_error(finalist, split, cell, metric)) for metric in ERRORS
    )
    return html.tag(
        "td", rmse, html.tag("small", f"MAE {mae}"), html.tag("small", f"{ratio} × actual")
    )
