"""Seesaw: cells that lose against the reference while others gain, a failure that HiNet's paper names."""

from hinet_search.compare import CellDifference, against_reference, title
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.finding import Finding, passed, warning

ORDER = 130


def check(record: StudyRecord) -> Finding | None:
    """Warns of cells that are decided worse; cells below by less than that are counted."""
    focus = reading.focus_of(record)
    gains = against_reference(record, focus) if focus else None
    if focus is None or gains is None or gains.smallest is None:
        return None
    name, against = title(focus.name), title(record.reference)
    worse = [cell for cell in gains.cells if cell.difference is not None and cell.difference.mark == "worse"]
    gaining = any(_mean(cell) > 0 for cell in gains.cells)
    if not gaining:
        return passed(f"No seesaw: no cell of {name} gains over {against}.")
    if worse:
        cells = [f"{reading.cell_in_words(cell.scenario, cell.task)} {numbers.gain(_mean(cell))}." for cell in worse]
        return warning(
            f"Seesaw: {name} is worse than {against} in {numbers.plural(len(worse), 'cell')} while others gain.",
            cells,
            remedy="Search more specific experts per task and scenario, or keep the other model where it loses.",
        )
    below = sum(_mean(cell) < 0 for cell in gains.cells)
    undecided = f"; {below} lie below by less than can be decided" if below > 1 else ""
    undecided = "; one lies below by less than can be decided" if below == 1 else undecided
    return passed(f"No seesaw: no cell of {name} is worse than {against}{undecided}.")


def _mean(cell: CellDifference) -> float:
    return cell.difference.mean if cell.difference is not None else 0.0
