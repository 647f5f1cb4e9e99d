"""Attention: whether scenarios attend to the same others with every seed."""

from hinet_search.report import numbers, record_facts
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.finalist_values import chosen
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 120
UNSTABLE = 0.1  # standard deviation over seeds of a weight


def check(record: StudyRecord) -> Finding | None:
    """Warn if the attention weights of the focus arm differ between seeds."""
    focus = record_facts.focus_of(record)
    finalist = chosen(focus)
    attention = record_facts.attention_means(finalist) if finalist else None
    if focus is None or attention is None or attention.deviation is None:
        return None
    if len(record.data.scenarios) < 3:
        return None
    largest = max(map(max, attention.deviation))
    if largest <= UNSTABLE:
        limit = numbers.share(UNSTABLE)
        return passed(f"Attention agrees between seeds: no weight deviates by more than {limit}.")
    return warning(
        f"Attention of {title(focus.name)} differs between seeds, "
        f"a weight by up to ±{numbers.share(largest)}.",
        remedy="Do not infer similarity of scenarios from it; compare with an arm without SAN.",
    )
