"""Leaks: inputs that alone tell a label, and cells that are scored too well to be true."""

from hinet_search.compare import cell_by_seed, cells_of, chosen, measure, summary, title
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.finding import Finding, passed, warning

ORDER = 20
TOO_GOOD = 0.99  # an AUC that no ranking of people's choices reaches honestly


def check(record: StudyRecord) -> Finding:
    """Warns of suspects on training rows and of cells above .99."""
    suspects = [
        f"{one.feature} alone reaches an AUC of {numbers.metric(one.auc)} for {one.task} in training."
        for one in record.data.leaks or ()
    ]
    found = [*suspects, *_too_good(record)]
    if found:
        remedy = "Find out whether that input is known before the label is; if not, leave it out of the definition."
        return warning("An input may know the label.", found, remedy=remedy)
    if record.data.leaks is None:
        return passed("No cell is scored above .99. Nobody looked for inputs that alone tell a label.")
    return passed("No input alone tells a label, and no cell is scored above .99.")


def _too_good(record: StudyRecord) -> list[str]:
    """Cells of the arm in focus, on test or as long as that is closed on validation."""
    arm = reading.focus_of(record)
    finalist = chosen(arm) if arm else None
    if arm is None or finalist is None or measure(record).name != "AUC":
        return []
    split = reading.last_split(finalist)
    means = [(summary(list(cell_by_seed(record, finalist, split, cell).values())), cell) for cell in cells_of(record)]
    return [
        f"{title(arm.name)} reaches {numbers.metric(found.mean)} in {reading.cell_in_words(*cell)}."
        for found, cell in means
        if found is not None and found.mean >= TOO_GOOD
    ]
