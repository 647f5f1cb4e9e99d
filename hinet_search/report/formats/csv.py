"""CSV: three tidy tables, trials, evaluations and finalists, with formulas escaped."""

from collections.abc import Mapping

from hinet_search.report.text.untrusted import without_formulas
from hinet_search.results.study_record import StudyRecord


def files(record: StudyRecord) -> Mapping[str, str]:
    """Return one file per table."""
    tables = {
        ".trials.csv": record.trials,
        ".evaluations.csv": record.evaluations,
        ".finalists.csv": record.finalists,
    }
    return {ending: without_formulas(table.write_csv()) for ending, table in tables.items()}
