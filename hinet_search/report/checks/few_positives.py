"""Few positives: cells whose AUC varies by more than arms differ, because of few positive rows."""

from hinet_search.report import numbers, record_facts
from hinet_search.report.amounts import wording
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.study_record import StudyRecord

ORDER = 30


def check(record: StudyRecord) -> Finding | None:
    """Warn of cells with fewer than 100 positive rows in test."""
    if not record.data.cells:
        return None
    in_order = sorted(record.data.cells, key=lambda cell: cell.positives[2])
    few = record_facts.FEW_POSITIVES
    scarce = [cell for cell in in_order if cell.positives[2] < few]
    words = wording(record.data)
    if not scarce:
        fewest = in_order[0]
        count = fewest.positives[2]
        rows = numbers.agree(count, words.positive_row, words.positive_rows)
        where = record_facts.cell_in_words(fewest.name)
        return passed(f"Every cell has {count} {rows} or more in test (fewest: {where}).")
    cells = numbers.plural(len(scarce), "cell")
    have = numbers.agree(len(scarce), "has", "have")
    return warning(
        f"{cells} {have} fewer than {few} {words.positive_rows} in test.",
        [
            f"{record_facts.cell_in_words(cell.name)}: {cell.positives[2] or 'none'}."
            for cell in scarce
        ],
        remedy="Treat their AUC as unknown, or test on more days.",
    )
