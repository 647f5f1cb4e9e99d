"""Row order: whether the spread between seeds includes the variation from the order of rows."""

from hinet_search.report import record_facts
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.study_record import StudyRecord

ORDER = 92


def check(record: StudyRecord) -> Finding | None:
    """Warn of finalists whose seeds all saw the rows in the same order."""
    if not record_facts.finalists(record):
        return None
    if not record.shared_batches:
        return passed("Every seed saw the rows in a different order.")
    consequence = (
        "Their spread does not include the variation from the order of rows, "
        "so every difference is an observation, not a claim."
    )
    return warning(
        "All seeds of a finalist saw the rows in the same order.",
        [consequence],
        remedy="Remove `finalists.shared_batches` and rename the study.",
    )
