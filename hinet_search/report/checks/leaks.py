"""Leaks: single inputs that predict a label, and cells whose AUC is too good to be true."""

from collections.abc import Iterator
from statistics import fmean

from hinet_search.report import numbers, record_facts
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.finalist_values import Split, by_seed, cells_of, metric_in
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 20
TOO_GOOD = 0.99  # an AUC that no ranking of people's choices reaches without a leak


def check(record: StudyRecord) -> Finding:
    """Warn of suspect inputs, and of cells in which a finalist has an AUC of 0.99."""
    details = []
    for leak in record.data.leaks or ():
        auc = numbers.metric(leak.auc)
        details.append(f"{leak.feature} alone reaches an AUC of {auc} for {leak.task} in training.")
    details += _too_good(record)
    if details:
        return warning(
            "An input may leak the label.",
            details,
            remedy="Find out whether that input is known before the label; "
            "if not, leave it out of the definition.",
        )
    finalists = [finalist for _, finalist in record_facts.finalists(record)]
    checked = "no finalist has been scored yet"
    if finalists:
        splits = {"test" if finalist.is_opened else "validation" for finalist in finalists}
        of = numbers.plural(len(finalists), "chosen finalist")
        limit = numbers.share(TOO_GOOD)
        checked = f"no cell of {of} reaches an AUC of {limit} on {' and '.join(sorted(splits))}"
    if record.data.leaks is None:
        return passed(f"{record_facts.capitalized(checked)}. Single inputs were not checked.")
    return passed(f"No input alone predicts a label, and {checked}.")


def _too_good(record: StudyRecord) -> Iterator[str]:
    """Yield the cells in which an arm's AUC is too good, each with the best arm."""
    for cell in cells_of(record):
        best = (0.0, "")
        for arm, finalist in record_facts.finalists(record):
            split: Split = "test" if finalist.is_opened else "valid"
            aucs = by_seed(finalist, split, metric_in(cell, "auc")).values()
            if aucs:
                best = max(best, (fmean(aucs), title(arm.name)))
        auc, name = best
        if auc >= TOO_GOOD:
            yield f"{name} reaches {numbers.metric(auc)} in {record_facts.cell_in_words(cell)}."
