"""Data: what the encoder found odd, and how the rows were split."""

from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.finding import Finding, passed, warning

ORDER = 10


def check(record: StudyRecord) -> Finding:
    """Warns of everything that the data's own checks said."""
    split = f"split {record.data.split}"
    notes = [f"{reading.capitalized(note).rstrip('.')}." for note in record.data.warnings]
    if not notes:
        return passed(f"The data agree with their definition; {split}.")
    return warning(
        f"The data have {numbers.plural(len(notes), 'note')}.",
        notes,
        remedy="See `hinet-search data describe`, then change the definition or accept the note.",
    )
