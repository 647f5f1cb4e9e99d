"""Long tail: scenarios of few training rows in which the arm in focus loses, the first failure that HiNet's paper names."""

from hinet_search.compare import SMALL_EFFECT, against_reference, title
from hinet_search.records import ArmRecord, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.finding import Finding, passed, warning

ORDER = 40
TAIL = 0.05  # share of the training rows below which a scenario is one of the long tail


def check(record: StudyRecord) -> Finding | None:
    """Warns where a cell of such a scenario lies more than .001 below the reference."""
    focus, shares = reading.focus_of(record), _shares(record)
    tail = {scenario: share for scenario, share in shares.items() if share < TAIL}
    if focus is None or not shares:
        return None
    if not tail:
        return passed(f"No long tail: every scenario has {numbers.percent(min(shares.values()))} of the rows or more.")
    return _against_reference(record, focus, tail)


def _against_reference(record: StudyRecord, focus: ArmRecord, tail: dict[str, float]) -> Finding | None:
    gains = against_reference(record, focus)
    if gains is None or gains.smallest is None:
        return None
    names = ", ".join(f"{scenario} {numbers.percent(share)}" for scenario, share in tail.items())
    known = [(cell.difference.mean, cell) for cell in gains.cells if cell.scenario in tail and cell.difference]
    losing = [(mean, cell) for mean, cell in known if mean < -SMALL_EFFECT]
    name, against = title(focus.name), title(record.reference)
    if not losing:
        return passed(f"Long tail ({names} of the training rows): {name} loses to {against} in no cell of it.")
    return warning(
        f"Long tail ({names} of the training rows): {name} loses to {against} there.",
        [f"{reading.cell_in_words(cell.scenario, cell.task)} {numbers.gain(mean)}." for mean, cell in losing],
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
