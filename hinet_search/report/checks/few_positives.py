"""Few positives: cells whose AUC varies by more than arms differ, because of few positive rows."""

from hinet_search.report.drawing import numbers
from hinet_search.report.facts import record as record_facts
from hinet_search.report.facts.amounts import num_positive_rows, positive_rows
from hinet_search.report.finding import Finding, passed, warning
from hinet_search.results.study_record import StudyRecord

ORDER = 30


def check(record: StudyRecord) -> Finding | None:
    """Warn of cells with fewer than 100 positive rows in test."""
    if not record.data.cells:
        return None
    scarce = record_facts.scarce_cells(record)
    if scarce:
        count = numbers.plural(len(scarce), "cell")
        few = record_facts.FEW_POSITIVES
        have = "has" if len(scarce) == 1 else "have"
        return warning(
            f"{count} {have} fewer than {few} {positive_rows(record.data)} in test.",
            [f"{cell}: {'none' if positives == 0 else positives}." for cell, positives in scarce],
            remedy="Treat their AUC as unknown, or test on more days.",
        )
    fewest = min(record.data.cells, key=lambda cell: cell.positives[2])
    cell = record_facts.cell_in_words(fewest.scenario, fewest.task)
    rows = num_positive_rows(record.data, fewest.positives[2])
    return passed(f"Every cell has {rows} or more in test (fewest: {cell}).")
