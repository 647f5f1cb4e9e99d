"""CSV: tidy tables of trials, evaluations, finalists and members, with formulas escaped."""

from collections.abc import Mapping

from hinet_search.report.untrusted import without_formulas
from hinet_search.results.study_record import StudyRecord


def files(record: StudyRecord) -> Mapping[str, str]:
    """Return one file per table; the table of members only if the study has ensembles."""
    tables = {
        ".trials.csv": record.trials,
        ".evaluations.csv": record.evaluations,
        ".finalists.csv": record.finalists,
    }
    if record.ensembles:
        tables[".members.csv"] = record.members
    return {ending: without_formulas(table.write_csv()) for ending, table in tables.items()}
