"""Leaks: single inputs that predict a label, and cells whose AUC is too good to be true."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from hinet_search.report.drawing import numbers
from hinet_search.report.facts import record as record_facts
from hinet_search.report.finding import Finding, passed, warning
from hinet_search.results.finalist_values import by_seed, cells_of
from hinet_search.results.records import CellValue, FinalistRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 20
TOO_GOOD = 0.99  # an AUC that no ranking of people's choices reaches without a leak
_WRITTEN = {"test": "test", "valid": "validation"}


def check(record: StudyRecord) -> Finding:
    """Warn of suspect inputs, and of cells in which a finalist has an AUC of .99."""
    suspects = [
        f"{leak.feature} alone reaches an AUC of {numbers.metric(leak.auc)} "
        f"for {leak.task} in training."
        for leak in record.data.leaks or ()
    ]
    details = [*suspects, *_too_good(record)]
    if details:
        return warning(
            "An input may leak the label.",
            details,
            remedy="Find out whether that input is known before the label; "
            "if not, leave it out of the definition.",
        )
    checked = _checked(record)
    if record.data.leaks is None:
        return passed(f"{record_facts.capitalized(checked)}. Single inputs were not checked.")
    return passed(f"No input alone predicts a label, and {checked}.")


def _checked(record: StudyRecord) -> str:
    """Say which cells were checked and passed."""
    finalists = [finalist for _, finalist in record_facts.finalists(record)]
    if not finalists:
        return "no finalist has been scored yet"
    splits = sorted({_WRITTEN[record_facts.last_split(finalist)] for finalist in finalists})
    of = numbers.plural(len(finalists), "chosen finalist")
    return f"no cell of {of} reaches an AUC of {numbers.share(TOO_GOOD)} on {' and '.join(splits)}"


def _too_good(record: StudyRecord) -> Iterator[str]:
    """Yield the cells in which an arm's AUC is too good, each with the best arm."""
    for cell in cells_of(record):
        reached = [
            (_auc(finalist, cell), title(arm.name))
            for arm, finalist in record_facts.finalists(record)
        ]
        auc, name = max(reached, default=(0.0, ""))
        if auc >= TOO_GOOD:
            yield f"{name} reaches {numbers.metric(auc)} in {record_facts.cell_in_words(*cell)}."


def _auc(finalist: FinalistRecord, cell: tuple[str, str]) -> float:
    """Return a cell's mean AUC over seeds, on test or else on validation; 0 without AUC."""

    def auc_of(cells: Sequence[CellValue]) -> float | None:
        return next((value.auc for value in cells if (value.scenario, value.task) == cell), None)

    aucs = by_seed(finalist, record_facts.last_split(finalist), auc_of)
    return fmean(aucs.values()) if aucs else 0.0
