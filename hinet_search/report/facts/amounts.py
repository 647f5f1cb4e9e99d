"""Amounts: what a report says in other words where a study has tasks of amounts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hinet_search.report.drawing import numbers
from hinet_search.results.data_record import CellCount, DataRecord


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
    taught: str
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
    taught="probabilities",
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
    taught="labels",
    scales={"logits": "scores", "probabilities": "predictions"},
)


def wording(data: DataRecord) -> Wording:
    """Return the words for the data's tasks; those of amounts if some task has amounts."""
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
