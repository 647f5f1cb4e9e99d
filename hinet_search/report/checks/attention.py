"""Attention: whether scenarios look at the same others whatever the seed."""

from hinet_search.compare import chosen, title
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading, shown
from hinet_search.report.finding import Finding, passed, warning

ORDER = 120
UNSTABLE = 0.1  # standard deviation over seeds of a weight


def check(record: StudyRecord) -> Finding | None:
    """Warns when the table of the arm in focus is another one with every seed."""
    focus = reading.focus_of(record)
    finalist = chosen(focus) if focus else None
    attention = shown.attention(finalist) if finalist else None
    if focus is None or attention is None or attention.deviation is None or len(record.data.scenarios) < 3:
        return None
    largest = max(max(row) for row in attention.deviation)
    if largest <= UNSTABLE:
        return passed(f"Attention agrees between seeds: no weight has a deviation above {numbers.share(UNSTABLE)}.")
    return warning(
        f"Attention of {title(focus.name)} differs between seeds, a weight by up to ±{numbers.share(largest)}.",
        remedy="Read no similarity of scenarios out of it; compare with an arm without SAN to see what it does.",
    )
