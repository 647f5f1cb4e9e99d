"""Advice: what to do with a study's outcome, by rules, in at most one line and a command."""

from collections.abc import Iterator

from markupsafe import Markup

from hinet_search.report.drawing import html, numbers
from hinet_search.report.facts import record as record_facts
from hinet_search.report.text.commands import export_command, launch_command
from hinet_search.results.cell_gains import CellDifference
from hinet_search.results.contrasts import SMALL_EFFECT
from hinet_search.results.objectives import Objective
from hinet_search.results.records import ArmRecord
from hinet_search.results.shipping import Offer, Shipment
from hinet_search.results.statistics.welch import SEEDS_FOR_A_CLAIM
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, in_words, title

MOST_CELLS = 3


def box(record: StudyRecord, outcome: Verdict, shipped: Shipment) -> Markup:
    """Return the lines, the export command of what to take and a button to copy the launch."""
    said = list(_lines(record, outcome))
    lines = html.bullets(said) if said else ""
    command = launch_command(record)
    copy = html.tag("button", "Copy the launch command", data_copy=command, hidden=True)
    heading = html.tag("h2", "What to do next")
    export = Markup("")
    if shipped.taken is not None and record.state == "done":
        export = html.code_block(export_command(record, shipped.taken.name))
    return html.tag("div", heading, lines, export, copy, class_="do")


def _lines(record: StudyRecord, outcome: Verdict) -> Iterator[html.Content]:
    if outcome.difference is None:  # a launch command also resumes its study
        if record.state != "done":
            yield "No decision yet: if the study stops, the same launch command resumes it."
        elif len(record.arms) == 1:
            yield "Add an arm to the study: a result needs a baseline to be compared with."
        else:
            yield "No decision: see below what is missing, then launch the study again."
        return
    yield from _wider(record, next(arm for arm in record.arms if arm.name == outcome.focus))


def remedy(outcome: Verdict) -> str:
    """Say what would turn an observation into a claim."""
    rival = next(contrast for contrast in outcome.contrasts if contrast.arm == outcome.rival)
    if min(rival.seeds) < SEEDS_FOR_A_CLAIM:
        return f"Train {SEEDS_FOR_A_CLAIM} seeds (`finalists.seeds`) before you decide on this."
    if not rival.units:
        return "Launch the study again before you decide on this: users are not counted yet."
    return "Remove `finalists.shared_batches` and rename the study before you decide on this."


def exceptions(outcome: Verdict, taken: Offer) -> str:
    """Name the cells in which the rival is shown to be better than the focus, if this is taken."""
    cells = worse_cells(outcome)
    if not cells or taken.name != outcome.focus:
        return ""
    named = [record_facts.cell_in_words(cell.name) for cell in cells[:MOST_CELLS]]
    if len(cells) > MOST_CELLS:
        named.append(f"{len(cells) - MOST_CELLS} more")
    return f" Take {title(outcome.rival or '')} for {in_words(named)}, where it is better on test."


def worse_cells(outcome: Verdict) -> list[CellDifference]:
    """Return cells in which the focus is significantly worse than its rival, worst first."""
    known = [(cell.difference, cell) for cell in outcome.cells if cell.difference is not None]
    worse = [(difference.mean, cell) for difference, cell in known if difference.mark == "worse"]
    return [cell for _, cell in sorted(worse, key=lambda pair: pair[0])]


def smallest_effect(record: StudyRecord) -> float:
    """Return the difference that seeds should show; of amounts, a hundredth of their mean."""
    objective = Objective(record.objective)
    if objective.cell is None or not objective.metric.in_units:
        return SMALL_EFFECT
    return float(f"{record.data.units[objective.cell[1]] / 100:.1g}")


def _wider(record: StudyRecord, focus: ArmRecord) -> Iterator[Markup]:
    settings = [
        f"{searched.name} = {numbers.setting(value)}"
        for searched, value, _ in record_facts.at_the_edge(record, focus)
    ]
    if settings:
        link = html.tag("a", "at the edge", href="#trust-range-edges")
        values = numbers.agree(len(settings), "a best value lies", "best values lie")
        advice = f"Widen the search of {title(focus.name)}: {values} "
        yield html.join([advice, link, f" of the range, {', '.join(settings)}."])
