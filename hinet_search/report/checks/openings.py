"""Openings of the test split: every look makes it a little less unseen."""

from hinet_search.compare import in_words, title
from hinet_search.records import StudyRecord
from hinet_search.report import numbers
from hinet_search.report.finding import Finding, passed, warning

ORDER = 150


def check(record: StudyRecord) -> Finding | None:
    """Warns of several finalists of an arm that were opened, and of openings by other studies on the same data."""
    counts = {
        title(arm.name): sum(any(run.test_cells is not None for run in one.runs) for one in arm.finalists)
        for arm in record.arms
    }
    opened = sum(counts.values())
    several = [name for name, count in counts.items() if count > 1]
    details = []
    if several:
        details.append(f"More than one finalist of {in_words(several)}; only the one chosen on validation is compared.")
    if record.test_openings > opened:
        details.append(f"{opened} of them by the finalists shown here.")
    if not details:
        return passed(f"Test opened once per arm, {numbers.plural(opened, 'time')} in all.") if opened else None
    times = numbers.plural(max(record.test_openings, opened), "time")
    return warning(
        f"Test was opened {times} on these data.",
        details,
        remedy="Before a decision that costs much, test once more on newer rows.",
    )
