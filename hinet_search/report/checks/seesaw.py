"""Seesaw: cells that lose against the reference while others gain, a failure that HiNet's paper names."""

from hinet_search.compare import against_reference, title
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.finding import Finding, passed, warning
from hinet_search.report.losses import losses

ORDER = 130


def check(record: StudyRecord) -> Finding | None:
    """Warns of cells that are decided worse; cells below by less than that are counted."""
    focus = reading.focus_of(record)
    gains = against_reference(record, focus) if focus else None
    found = losses(gains.cells) if gains else None
    if focus is None or gains is None or found is None:
        return None
    name, against = title(focus.name), title(record.reference)
    if not any(cell.difference is not None and cell.difference.mean > 0 for cell in gains.cells):
        return passed(f"No seesaw: no cell of {name} gains over {against}.")
    if found.worse:
        where = f"in {numbers.plural(len(found.worse), 'cell')} while others gain"
        return warning(
            f"Seesaw: {name} {found.verb(against)} {where}{found.caveat}.",
            found.worse,
            remedy="Search more specific experts per task and scenario, or keep the other model where it loses.",
        )
    return passed(f"No seesaw: no cell of {name} is worse than {against}{found.undecided}{found.caveat}.")
