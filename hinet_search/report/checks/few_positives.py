"""Few positives: cells whose AUC moves by more than arms differ, whoever trained."""

from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.finding import Finding, passed, warning

ORDER = 30


def check(record: StudyRecord) -> Finding | None:
    """Warns of cells with fewer than 100 positive rows in test."""
    if not record.data.cells:
        return None
    scarce = reading.scarce_cells(record)
    if scarce:
        count, few = numbers.plural(len(scarce), "cell"), reading.FEW_POSITIVES
        have = "has" if len(scarce) == 1 else "have"
        return warning(
            f"{count} {have} fewer than {few} positive rows in test.",
            [f"{cell}: {'none' if positives == 0 else positives}." for cell, positives in scarce],
            remedy="Read their AUC as unknown, or test on more days.",
        )
    fewest = min(record.data.cells, key=lambda cell: cell.positives[2])
    cell = reading.cell_in_words(fewest.scenario, fewest.task)
    rows = numbers.plural(fewest.positives[2], "positive row")
    return passed(f"Every cell has {rows} or more in test (fewest: {cell}).")
