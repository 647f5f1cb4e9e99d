"""Seesaw: cells that lose against the reference while others gain.

A failure that HiNet's paper names.
"""

from hinet_search.report import numbers, record_facts
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.report.standings import worse_cells
from hinet_search.results.cell_gains import against_reference
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 130


def check(record: StudyRecord) -> Finding | None:
    """Warn of significantly worse cells while others gain; other losses are only counted."""
    focus = record_facts.focus_of(record)
    gains = against_reference(record, focus) if focus else None
    lost = worse_cells(gains.cells) if gains else None
    if focus is None or gains is None or lost is None:
        return None
    name = title(focus.name)
    against = title(record.reference)
    if not any(cell.mean is not None and cell.mean > 0 for cell in gains.cells):
        return passed(f"No seesaw: no cell of this {name} gains over {against}.")
    if lost.worse:
        where = f"in {numbers.plural(len(lost.worse), 'cell')} while others gain"
        return warning(
            f"Seesaw: this {name} {lost.verb(against)} {where}{lost.caveat}.",
            lost.worse,
            remedy="Search more specific experts per task and scenario, "
            "or keep the other model where this one loses.",
        )
    return passed(
        f"No seesaw: no cell of this {name} is worse than {against}{lost.undecided}{lost.caveat}."
    )
