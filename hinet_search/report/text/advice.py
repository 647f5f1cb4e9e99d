"""Advice: what to do with a study's outcome, by rules, in at most three lines and a command."""

import shlex
from collections.abc import Iterator

from markupsafe import Markup

from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.html import Content, join, prose, tag
from hinet_search.report.facts import record as record_facts
from hinet_search.results.cell_gains import CellDifference
from hinet_search.results.contrasts import SMALL_EFFECT, Contrast, resolution
from hinet_search.results.objectives import Objective
from hinet_search.results.records import ArmRecord
from hinet_search.results.shipping import Shipment, shipment
from hinet_search.results.statistics.welch import SEEDS_FOR_A_CLAIM
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, in_words, title

MOST_CELLS = 3


def box(record: StudyRecord, outcome: Verdict) -> Markup:
    """Return the lines, the export command of what to take and a button to copy the launch."""
    shipped = shipment(record, outcome)
    lines = tag("ul", *(tag("li", line) for line in _lines(record, outcome, shipped)))
    command = record.command or shlex.join(["hinet-search", "launch", record.name])
    copy = tag("button", "Copy the launch command", data_copy=command, hidden=True)
    heading = tag("h2", "What to do next")
    return tag("div", heading, lines, export_block(record, shipped), copy, class_="do")


def export_block(record: StudyRecord, shipped: Shipment) -> Markup:
    """Return the export command, or nothing while nothing can be exported."""
    if shipped.taken is None or record.state != "done":
        return Markup("")
    command = record_facts.export_command(record, shipped.taken.name)
    return tag("pre", tag("code", command), tabindex="0")


def _lines(record: StudyRecord, outcome: Verdict, shipped: Shipment) -> list[Content]:
    focus = next((arm for arm in record.arms if arm.name == outcome.focus), None)
    rival = next(
        (contrast for contrast in outcome.contrasts if contrast.arm == outcome.rival), None
    )
    if focus is None or rival is None:
        return [_not_yet(record)]
    take = map(prose, _take(outcome, rival, shipped))
    return [*take, resolution(rival, _smallest_effect(record)), *_wider(record, focus)]


def _not_yet(record: StudyRecord) -> str:
    """Say what to do while there is no decision; a launch command also resumes its study."""
    if record.state == "done" and len(record.arms) == 1:
        return "Add an arm to the study: a result needs a baseline to be compared with."
    if record.state == "done":
        return "No decision: see below what is missing, then launch the study again."
    return "No decision yet: if the study stops, the same launch command resumes it."


def _take(outcome: Verdict, rival: Contrast, shipped: Shipment) -> Iterator[str]:
    """Say what to take by the rules and why, or what is missing for a decision."""
    taken = shipped.taken
    why = shipped.why
    if outcome.status == "observation":
        yield _missing(rival)
    elif taken is not None:
        exceptions = _except(outcome, title(rival.arm)) if taken.name == outcome.focus else ""
        yield f"Take {title(taken.name)}{exceptions}: {why}."
    else:
        yield f"Take none yet: {why}."


def _missing(rival: Contrast) -> str:
    """Say what would turn the observation into a claim."""
    if min(rival.seeds) < SEEDS_FOR_A_CLAIM:
        return f"Train {SEEDS_FOR_A_CLAIM} seeds (`finalists.seeds`) before you decide on this."
    if not rival.units:
        return "Launch the study again before you decide on this: users are not counted yet."
    return "Remove `finalists.shared_batches` and rename the study before you decide on this."


def _except(outcome: Verdict, rival: str) -> str:
    cells = worse_cells(outcome)
    named = [record_facts.cell_in_words(cell.scenario, cell.task) for cell in cells[:MOST_CELLS]]
    named += [f"{len(cells) - MOST_CELLS} more"] if len(cells) > MOST_CELLS else []
    return f", and {rival} for {in_words(named)}" if named else ""


def worse_cells(outcome: Verdict) -> list[CellDifference]:
    """Return cells in which the focus is significantly worse than its rival, worst first."""
    worse = [
        cell
        for cell in outcome.cells
        if cell.difference is not None and cell.difference.mark == "worse"
    ]
    return sorted(worse, key=lambda cell: cell.difference.mean if cell.difference else 0.0)


def _smallest_effect(record: StudyRecord) -> float:
    """Return the difference that seeds should show; of amounts, a hundredth of their mean."""
    objective = Objective(record.objective)
    if objective.cell is None or not objective.metric.in_units:
        return SMALL_EFFECT
    return float(f"{record.data.units[objective.cell[1]] / 100:.1g}")


def _wider(record: StudyRecord, focus: ArmRecord) -> Iterator[Markup]:
    edges = record_facts.at_the_edge(record, focus)
    if edges:
        listed = ", ".join(
            f"{searched.name} = {numbers.setting(value)}" for searched, value, _ in edges
        )
        link = tag("a", "at the edge", href="#trust-range-edges")
        values = "a best value lies" if len(edges) == 1 else "best values lie"
        advice = f"Widen the search of {title(focus.name)}: {values} "
        yield join([advice, link, f" of the range, {listed}."])
