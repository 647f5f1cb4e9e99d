"""Three tidy tables: trials, evaluations, and the cells of finalists; no cell of them is a formula."""

from collections.abc import Mapping

from hinet_search import frames
from hinet_search.records import StudyRecord
from hinet_search.spreadsheet import without_formulas


def files(record: StudyRecord) -> Mapping[str, str]:
    """One file a table."""
    tables = {
        ".trials.csv": frames.trials(record),
        ".evaluations.csv": frames.evaluations(record),
        ".finalists.csv": frames.finalists(record),
    }
    return {ending: without_formulas(table.write_csv()) for ending, table in tables.items()}
