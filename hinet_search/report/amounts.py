"""Amounts: words for what a model predicts where tasks have amounts, and the errors of amounts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.results.cells import CellName
from hinet_search.results.data_record import CellCount, DataRecord
from hinet_search.results.finalist_values import Split, by_seed, mean_of, metric_in
from hinet_search.results.records import ArmRecord, FinalistRecord
from hinet_search.results.study_record import StudyRecord

# Measures of expected amounts in one cell, by their metric.
ERRORS: Mapping[str, str] = {"rmse": "RMSE", "mae": "MAE", "calibration": "Expected per actual"}


@dataclass(frozen=True)
class Wording:
    """Words for what a model predicts, for rows with a label, and for what labels add up to.

    `scales` renames what members of an ensemble are averaged by: logits or probabilities.
    """

    prediction: str
    predictions: str
    positive_row: str  # what a cell must not have too few of; a 1 is above 0 like an amount
    positive_rows: str
    positives: str
    sums: str
    calibration: str
    scores: str
    scales: Mapping[str, str] = field(default_factory=dict)

    def scale(self, name: str) -> str:
        """Return what members of an ensemble are averaged by."""
        return self.scales.get(name, name)


OF_LABELS = Wording(
    prediction="probability",
    predictions="probabilities",
    positive_row="positive row",
    positive_rows="positive rows",
    positives="positives",
    sums="positives",
    calibration="predicted for each positive row",
    scores="probabilities",
)
OF_AMOUNTS = Wording(
    prediction="prediction",
    predictions="predictions",
    positive_row="row above 0",
    positive_rows="rows above 0",
    positives="rows above 0",
    sums="labels",
    calibration="times the sum of labels predicted",
    scores="probabilities or amounts",
    scales={"logits": "scores", "probabilities": "predictions"},
)


def wording(data: DataRecord) -> Wording:
    """Return the words for the data's tasks: for amounts if some task has amounts."""
    return OF_AMOUNTS if has_amounts(data) else OF_LABELS


def has_amounts(data: DataRecord) -> bool:
    """Whether some task has amounts."""
    return bool(data.units)


def size_in_words(cell: CellCount) -> str:
    """Return the test rows of a cell: `8.1 k rows, 412 positive`, or how large amounts are."""
    rows = cell.rows[2]
    positives = cell.positives[2]
    counted = f"{numbers.compact(rows)} rows"
    if cell.means is None:
        return f"{counted}, {numbers.compact(positives)} positive"
    above = numbers.percent(positives / rows if rows else 0.0)
    return f"{counted}, {above} above 0, mean {numbers.metric(cell.means[2])}"


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
    heading = "Errors of amounts"
    header = html.head("Scenario · task", html.columns(titles))
    matrix = html.table(heading, header, rows, class_="mat")
    units = ", ".join(f"{task} {numbers.metric(unit)}" for task, unit in record.data.units.items())
    explained = html.note(
        "RMSE of every arm, below it MAE: root mean squared and mean absolute error of expected "
        "amounts, in the unit of their column. × actual: the sum of expected amounts over that of "
        f"actual ones. Mean amount of training: {units}. AUC of amounts is the share of pairs of "
        "rows in the right order, each counted by how much its amounts differ."
    )
    return html.join([html.tag("h3", heading), matrix, explained])


def _errors(finalist: FinalistRecord, split: Split, cell: CellName) -> Markup:
    rmse, mae, ratio = (
        numbers.metric(mean_error(finalist, split, cell, metric)) for metric in ERRORS
    )
    return html.tag(
        "td", rmse, html.tag("small", f"MAE {mae}"), html.tag("small", f"{ratio} × actual")
    )
