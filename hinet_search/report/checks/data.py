"""Data: what the encoder reported about the data, and how the rows were split."""

from hinet_search.report import numbers
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.study_record import StudyRecord

ORDER = 10


def check(record: StudyRecord) -> Finding:
    """Warn of a sample, and of everything that the data's own checks reported."""
    split = f"split {record.data.split}"
    warnings = list(record.data.warnings)
    if record.data.sample is not None:
        warnings.insert(0, f"Searched on {record.data.searched_on}")
    notes = [f"{note.rstrip('.')}." for note in warnings]
    if not notes:
        return passed(f"The data agree with their definition; {split}.")
    return warning(
        f"The data have {numbers.plural(len(notes), 'note')}.",
        notes,
        remedy="See `hinet-search data describe`, then change the definition or accept the note.",
    )
