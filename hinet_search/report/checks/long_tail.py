"""Long tail: scenarios of few training rows in which the arm in focus loses, the first failure that HiNet's paper names."""

from hinet_search.compare import against_reference, title
from hinet_search.records import ArmRecord, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.finding import Finding, passed, warning
from hinet_search.report.losses import losses

ORDER = 40
TAIL = 0.05  # share of the training rows below which a scenario is one of the long tail


def check(record: StudyRecord) -> Finding | None:
    """Warns of cells of such scenarios that are decided worse than the reference; cells below by less are counted."""
    focus, shares = reading.focus_of(record), _shares(record)
    tail = {scenario: share for scenario, share in shares.items() if share < TAIL}
    if focus is None or not shares:
        return None
    if not tail:
        return passed(f"No long tail: every scenario has {numbers.percent(min(shares.values()))} of the rows or more.")
    return _against_reference(record, focus, tail)


def _against_reference(record: StudyRecord, focus: ArmRecord, tail: dict[str, float]) -> Finding | None:
    gains = against_reference(record, focus)
    found = losses([cell for cell in gains.cells if cell.scenario in tail]) if gains else None
    if found is None:
        return None
    names = ", ".join(f"{scenario} {numbers.percent(share)}" for scenario, share in tail.items())
    subject = f"Long tail ({names} of the training rows)"
    name, against = title(focus.name), title(record.reference)
    if not found.worse:
        none = f"no cell of {name} there is worse than {against}"
        return passed(f"{subject}: {none}{found.undecided}{found.caveat}.")
    return warning(
        f"{subject}: {name} {found.verb(against)} there{found.caveat}.",
        found.worse,
        remedy="Search more shared and fewer own sub-experts, a smaller `model.san.top_k`, or an arm without SAN; "
        "more rows of these scenarios help most.",
    )


def _shares(record: StudyRecord) -> dict[str, float]:
    """Share of each scenario in the training rows."""
    rows = {
        scenario: max((cell.rows[0] for cell in record.data.cells if cell.scenario == scenario), default=0)
        for scenario in record.data.scenarios
    }
    total = sum(rows.values())
    return {scenario: count / total for scenario, count in rows.items()} if total else {}
