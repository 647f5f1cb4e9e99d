"""Amounts: what a report says in other words where a study has tasks of amounts."""

from hinet_search.report.drawing import numbers
from hinet_search.results.data_record import CellCount, DataRecord


def has_amounts(data: DataRecord) -> bool:
    """Whether some task has amounts."""
    return bool(data.units)


def prediction(data: DataRecord) -> str:
    """Name what a model gives a row: a probability, or a prediction if some task has amounts."""
    return "prediction" if has_amounts(data) else "probability"


def predictions(data: DataRecord) -> str:
    """Return the plural of `prediction`."""
    return "predictions" if has_amounts(data) else "probabilities"


def positive_rows(data: DataRecord) -> str:
    """Name the rows that a cell must not have too few of; a 1 is above 0 like an amount."""
    return "rows above 0" if has_amounts(data) else "positive rows"


def num_positive_rows(data: DataRecord, count: int) -> str:
    """Return so many of them in words: `1 positive row`, `412 rows above 0`."""
    name = positive_rows(data)
    return f"{count} {name if count != 1 else name.replace('rows', 'row')}"


def scale_in_words(data: DataRecord, scale: str) -> str:
    """Return what members of an ensemble are averaged by: logits and probabilities, or the like."""
    words = {"logits": "scores", "probabilities": "predictions"}
    return words.get(scale, scale) if has_amounts(data) else scale


def size_in_words(cell: CellCount) -> str:
    """Return the test rows of a cell: `8.1 k rows, 412 positive`, or how large amounts are."""
    rows = cell.rows[2]
    positives = cell.positives[2]
    counted = f"{numbers.compact(rows)} rows"
    if cell.means is None:
        return f"{counted}, {numbers.compact(positives)} positive"
    above = numbers.percent(positives / rows if rows else 0.0)
    return f"{counted}, {above} above 0, mean {numbers.metric(cell.means[2])}"
