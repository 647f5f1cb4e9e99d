"""Long tail: scenarios with few training rows in which the focus arm loses.

The first failure that HiNet's paper names.
"""

from hinet_search.report import numbers, record_facts
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.report.standings import worse_cells
from hinet_search.results.cell_gains import against_reference
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 40
TAIL = 0.05  # share of the training rows below which a scenario belongs to the long tail


def check(record: StudyRecord) -> Finding | None:
    """Warn of cells of such scenarios that are significantly worse than the reference."""
    focus = record_facts.focus_of(record)
    shares = _shares(record)
    if focus is None or not shares:
        return None
    tail = {scenario: share for scenario, share in shares.items() if share < TAIL}
    if not tail:
        smallest = numbers.percent(min(shares.values()))
        return passed(f"No long tail: every scenario has {smallest} of the rows or more.")
    gains = against_reference(record, focus)
    lost = worse_cells([cell for cell in gains.cells if cell.scenario in tail]) if gains else None
    if lost is None:
        return None
    names = ", ".join(f"{scenario} {numbers.percent(share)}" for scenario, share in tail.items())
    subject = f"Long tail ({names} of the training rows)"
    name = title(focus.name)
    against = title(record.reference)
    if not lost.worse:
        sentence = f"no cell of this {name} there is worse than {against}"
        return passed(f"{subject}: {sentence}{lost.undecided}{lost.caveat}.")
    return warning(
        f"{subject}: this {name} {lost.verb(against)} there{lost.caveat}.",
        lost.worse,
        remedy="Search more shared and fewer specific sub-experts, a smaller `model.san.top_k`, "
        "or an arm without SAN; more rows of these scenarios help most.",
    )


def _shares(record: StudyRecord) -> dict[str, float]:
    """Return the share of each scenario in the training rows; empty without rows."""
    rows = dict.fromkeys(record.data.scenarios, 0)
    for cell in record.data.cells:
        if cell.scenario in rows:
            rows[cell.scenario] = max(rows[cell.scenario], cell.rows[0])
    total = sum(rows.values())
    return {scenario: count / total for scenario, count in rows.items()} if total else {}
