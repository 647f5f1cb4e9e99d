"""Leaks: inputs that alone tell a label, and cells that are scored too well to be true."""

from collections.abc import Iterator
from statistics import fmean

from hinet_search.compare import by_seed, cells_of, title
from hinet_search.records import FinalistRecord, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.finding import Finding, passed, warning

ORDER = 20
TOO_GOOD = 0.99  # an AUC that no ranking of people's choices reaches honestly
_WRITTEN = {"test": "test", "valid": "validation"}


def check(record: StudyRecord) -> Finding:
    """Warns of suspects on training rows and of cells in which a finalist has an AUC of .99, whatever the objective."""
    suspects = [
        f"{one.feature} alone reaches an AUC of {numbers.metric(one.auc)} for {one.task} in training."
        for one in record.data.leaks or ()
    ]
    found = [*suspects, *_too_good(record)]
    if found:
        remedy = "Find out whether that input is known before the label is; if not, leave it out of the definition."
        return warning("An input may know the label.", found, remedy=remedy)
    if record.data.leaks is None:
        return passed(f"{reading.capitalized(_looked(record))}. Nobody looked for inputs that alone tell a label.")
    return passed(f"No input alone tells a label, and {_looked(record)}.")


def _looked(record: StudyRecord) -> str:
    """Which cells were looked at and found honest, in words."""
    finalists = [finalist for _, finalist in reading.finalists(record)]
    if not finalists:
        return "no finalist has been scored yet"
    splits = sorted({_WRITTEN[reading.last_split(finalist)] for finalist in finalists})
    of = numbers.plural(len(finalists), "chosen finalist")
    return f"no cell of {of} reaches an AUC of {numbers.share(TOO_GOOD)} on {' and '.join(splits)}"


def _too_good(record: StudyRecord) -> Iterator[str]:
    """Cells in which any arm is, each with the arm that reaches most."""
    for cell in cells_of(record):
        reached = [(_auc(finalist, cell), title(arm.name)) for arm, finalist in reading.finalists(record)]
        auc, name = max(reached, default=(0.0, ""))
        if auc >= TOO_GOOD:
            yield f"{name} reaches {numbers.metric(auc)} in {reading.cell_in_words(*cell)}."


def _auc(finalist: FinalistRecord, cell: tuple[str, str]) -> float:
    """Mean over seeds on test, or as long as that is closed on validation; 0 where the cell has none."""
    split = reading.last_split(finalist)
    found = by_seed(finalist, split, lambda cells: next((c.auc for c in cells if (c.scenario, c.task) == cell), None))
    return fmean(found.values()) if found else 0.0
